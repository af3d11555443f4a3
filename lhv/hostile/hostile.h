/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mode=hostile: an L1 that does random VMX operations to bring down the hypervisor below it,
 * and survives itself.
 *
 * Every CPU runs the same engine on a playground of its own pages: code, stack and tables of L2,
 * EPT, bitmaps, lists, VMCS regions.  What random operations may write, L2 may reach or a VMCS
 * may name lies there, in L0's hidden memory, in device memory that does no harm, or nowhere.
 * An operation is one VMX instruction of L1, one VM entry, or one wild access or register write
 * of L1.  Operations come in epochs: an epoch begins with VMXOFF, VMXON and a rebuilt playground,
 * and follows from seed, CPU and its number alone.
 */
#pragma once

#include "lhv/vm/vm.h"

#define HOSTILE_VMS	   12	/* more than L0 has copies of */
#define HOSTILE_EPOCH	   2000 /* operations */
#define HOSTILE_VECTOR	   0x70 /* the timer that ends L2 */
#define HOSTILE_UNDO	   64
#define HOSTILE_OPERATIONS 16
#define HOSTILE_REASONS	   80

/** Pages of the playground. */
enum play {
	PLAY_CODE,		 /* random code */
	PLAY_HANDLERS = 2,	 /* L2's interrupt handlers: VMCALL, IRET */
	PLAY_STACK = 3,		 /* grows down from its end */
	PLAY_DATA = 4,		 /* 6 pages */
	PLAY_GDT = 10,		 /* and TSS */
	PLAY_IDT = 11,		 /* of 64-bit L2s */
	PLAY_IDT32 = 12,	 /* of the others */
	PLAY_L2_PAGING = 13,	 /* PML4, PDPT, PD, PAE PDPT, plain PD */
	PLAY_EPT_PML4 = 18,	 /* PML4, PDPT, PD */
	PLAY_EPT_TABLES = 21,	 /* page tables of the playground's place */
	PLAY_EPT_WINDOW = 26,	 /* page table of the window: random frames */
	PLAY_EPT_OTHER = 27,	 /* a PML4 of random entries */
	PLAY_VMREAD_BITMAP = 28, /* for L2's VMREAD and VMWRITE */
	PLAY_VMWRITE_BITMAP = 29,
	PLAY_EPTP_LIST = 30,
	PLAY_PML = 31,
	PLAY_VE = 32,
	PLAY_VIRTUAL_APIC = 33,
	PLAY_APIC_ACCESS = 34,
	PLAY_POSTED = 35,
	PLAY_REGIONS = 36, /* VMXON region, VMCSs, garbage */
	PLAY_REGIONS_END = 52,
	/* L2 and random pointers do not get these: L1's life depends on them */
	PLAY_KEPT = 52,
	PLAY_MSR_BITMAP = 52,
	PLAY_IO_BITMAPS = 53, /* 2 pages */
	PLAY_LIST_ENTRY_LOAD = 55,
	PLAY_LIST_EXIT_STORE = 56,
	PLAY_LIST_EXIT_LOAD = 57,
	PLAY_PAGES = 58,
};

/** L2-physical and linear address of the window of random frames. */
#define HOSTILE_WINDOW 0x3fe00000u

struct undo {
	u64 *at, old;
};

struct hostile {
	unsigned int cpu;
	u64 random;
	u64 seed, epoch, epochs_end;
	u8 *play;
	struct vm *vms[HOSTILE_VMS];
	struct vm *vm;	/* of the region that was made current last; NULL: none */
	bool vm_is_new; /* made current since its fields were last written */
	bool on;	/* in VMX operation */
	bool host_bent; /* a host-state field differs from the template */
	bool trace;
	volatile bool
		off_window; /* VMXOFF to VMXON: an INIT resets this CPU, which must not print */
	bool epoch_is_new;  /* it is told as soon as this CPU may print */
	volatile bool done;
	u64 (*templates)[VMCS_FIELD_COUNT];
	struct undo undo[HOSTILE_UNDO];
	unsigned int undos;
	/* what happened */
	u64 operations, entered, failed, canaries, violations, faults, refused, refused_excused;
	u64 inits_sent, inits, nmis, restarts;
	u64 by_kind[HOSTILE_OPERATIONS];
	u32 reasons[HOSTILE_REASONS];
};

extern struct hostile *hostile_cpus[MAX_CPUS];

/** What a hypercall returns. */
struct hypercall {
	u64 status, b, c, d;
};

/** Where L0's memory lies; size 0: nobody below answers hypercalls. */
extern u64 hostile_hidden_base, hostile_hidden_size;

/* random.c */
/** A random number below @n, @n > 0. */
u64 random_below(struct hostile *h, u64 n);
u64 random_64(struct hostile *h);
/** True once in @n times. */
bool random_once_in(struct hostile *h, u64 n);
/** A number with few ones, few zeros, small, large or anything. */
u64 random_shape(struct hostile *h);
/** Mixes seed, CPU and epoch. */
u64 random_mix(u64 seed, u64 cpu, u64 epoch);

/* world.c */
void world_create(struct hostile *h);
/** Everything in the playground as it was at the beginning. */
void world_rebuild(struct hostile *h);
u64 world_page(const struct hostile *h, unsigned int page);
/** A physical address that a careless or hostile L1 may name. */
u64 world_wild_address(struct hostile *h);
/** Changes bits or entries of @of's bitmaps and lists that may be changed. */
void world_bend_bitmap(struct hostile *h, struct hostile *of);
void world_bend_list(struct hostile *h, struct hostile *of);
/** Edits some bytes of a VMCS region of @of by ordinary writes. */
void world_bend_region(struct hostile *h, struct hostile *of);

/* world_ept.c */
/** An EPTP, often good. */
u64 world_eptp(struct hostile *h);
/** The good one. */
u64 world_good_eptp(const struct hostile *h);
/** Changes one entry of @of's EPT, remembering it in @h if it is its own. */
void world_bend_ept(struct hostile *h, struct hostile *of);
void world_undo(struct hostile *h);
/**
 * Builds the way of L2 to its code and to L0's memory again: L2 may have written to its own EPT.
 * The L2-physical and linear address that leads to L0's memory.
 */
u64 world_window_to_hidden(struct hostile *h);
/** Claim: no other CPU has changed that way meanwhile. */
bool world_window_stands(const struct hostile *h);

/* fields.c */
/** A random value for field @i that L1 can survive. */
u64 field_choose(struct hostile *h, enum vmcs_index i);
/** Writes a field of the current VMCS and keeps its memory right; false: VMWRITE failed. */
bool field_write(struct hostile *h, enum vmcs_index i, u64 value);
/** Which of the guest-state fields become the template's; the others always do. */
enum restore {
	RESTORE_CONTROLS, /* none: L2 goes on */
	RESTORE_MUCH,	  /* what L1 bent, and what L2 needs to run */
	RESTORE_ALL,
};
/** Fields as in the template of @mode; all of them if the mode was another. */
void fields_restore(struct hostile *h, enum l2_mode mode, enum restore how);
/** Before a VM entry: what would make it deadly for L1 is put right. */
void fields_make_safe(struct hostile *h);

/* guest.c */
/** Random code, registers and start of L2. */
void guest_prepare(struct hostile *h);
/** One VM entry; looks at what came of it.  The exit reason; NO_EXIT if VMLAUNCH or VMRESUME
 * failed. */
#define NO_EXIT 0xffffffffu
u32 guest_enter(struct hostile *h);
/** L2 reads and writes L0's memory through EPT12: it must see ones. */
void guest_canary(struct hostile *h);

/* instructions.c */
void instructions_one(struct hostile *h);
bool instructions_load(struct hostile *h, struct vm *vm);
void instructions_vmx_on(struct hostile *h);
void instructions_vmx_off(struct hostile *h);

/* disturb.c */
void disturb_registers(struct hostile *h);
void disturb_hidden(struct hostile *h);
void disturb_memory(struct hostile *h);
void disturb_others(struct hostile *h);
/** Until the other CPU has done its epochs. */
void disturb_wait_for_others(struct hostile *h);

/* raw.c */
struct hypercall hypercall_make(u32 magic, u32 function, u32 argument);
/** VMX instructions with any operand; the result is RFLAGS. */
uptr raw_vmxon(const void *pointer);
uptr raw_vmclear(const void *pointer);
uptr raw_vmptrld(const void *pointer);
uptr raw_vmptrst(void *pointer);
uptr raw_vmread(uptr encoding, void *value);
uptr raw_vmwrite(uptr encoding, const void *value);
uptr raw_invept(uptr type, const void *descriptor);
uptr raw_invvpid(uptr type, const void *descriptor);

/** An operation of @kind has been done. */
void hostile_count(struct hostile *h, unsigned int kind, const char *name);
/** Something that must not be: the run fails. */
void hostile_violation(struct hostile *h, const char *what, u64 a, u64 b);

/** The epochs of one CPU. */
void hostile_engine(void *argument);

/** Runs what the command line asks for and stops the machine. */
_Noreturn void hostile_run(void);
