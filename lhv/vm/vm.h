/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L2s: a VMCS with what is known of it, the golden state in each mode, entering and
 * what came of it.  vm_set() writes only what differs from the known contents, so a
 * case may ask for the whole golden state again and pay for the differences.
 */
#pragma once

#include "lhv/frame/cpu.h"
#include "xmhf/x86/msr.h"
#include "xmhf/x86/vmcs.h"

/** General registers of L2; RSP, RIP and RFLAGS are in the VMCS. */
struct l2_registers {
	uptr rax, rbx, rcx, rdx, rsi, rdi, rbp;
#ifdef __x86_64__
	uptr r8, r9, r10, r11, r12, r13, r14, r15;
#endif
};

/** How L2 runs in the golden state. */
enum l2_mode {
	L2_LONG,   /* 64-bit */
	L2_COMPAT, /* compatibility mode: 32-bit code in IA-32e mode */
	L2_PAE,	   /* 32-bit, PAE paging */
	L2_PLAIN,  /* 32-bit, plain paging */
	L2_FLAT,   /* 32-bit, no paging: unrestricted guest */
	L2_REAL,   /* 16-bit real mode: unrestricted guest */
	L2_V86,	   /* virtual-8086 */
	L2_MODE_COUNT,
};
#define L2_NATIVE (IS_64BIT ? L2_LONG : L2_PLAIN)

/** What came of a VM entry. */
struct outcome {
	enum vmx_result result; /* of VMLAUNCH or VMRESUME */
	u32 error;		/* VM-instruction error, if VMX_FAIL_VALID */
	u32 reason;		/* exit reason with its high bits, if VMX_SUCCEED */
	u64 qualification;
};

struct vm {
	void *region;
	bool launched;
	enum l2_mode mode;
	bool known[VMCS_FIELD_COUNT];
	u64 value[VMCS_FIELD_COUNT];
	struct l2_registers regs;
	uptr *exit_area; /* HOST_RSP: regs pointer, our stack */
	void *stack_top;
};

/** Allowed settings of one control word. */
struct control_caps {
	u32 must, may; /* bits that must be 1; bits that may be 1 */
};

struct vmx_facts {
	bool vmx, true_controls;
	u64 basic, misc, ept_vpid, vmfunc;
	struct control_caps word[VMX_WORD_COUNT];
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	u64 proc3;
	u32 physical_bits;
	bool field_exists[VMCS_FIELD_COUNT];
};
extern struct vmx_facts facts;

/** Reads the capabilities; false: no VMX. */
bool vmx_detect(void);

/** Sets CR4.VMXE and IA32_FEATURE_CONTROL, executes VMXON; false if it failed. */
bool vmx_on(void);
void vmx_off(void);
bool vmx_is_on(void);
/** Tells the frame that a case itself went into or out of VMX operation. */
void vmx_note_on(bool on);
void *vmxon_region(void);

/** The VM of this CPU that a case uses when it needs only one. */
struct vm *vm_self(void);
/** Makes @vm the one that vm_self() gives; it must be current already, or prepared next. */
void vm_use(struct vm *vm);
/** A new VM with its own region. */
struct vm *vm_new(void);
/** VMX operation, @vm cleared and current, nothing known of its fields. */
void vm_prepare(struct vm *vm);
/** Makes @vm current by VMPTRLD. */
void vm_load(struct vm *vm);
/** Forgets the known contents, after raw VMWRITEs. */
void vm_forget(struct vm *vm);

/** Golden state of @mode; false if this processor cannot run the mode. */
bool vm_reset(enum l2_mode mode);
bool vm_can_run(enum l2_mode mode);

void vm_set(u32 encoding, u64 value);
u64 vm_get(u32 encoding);
bool vm_has(u32 encoding);
/** The raw VMWRITE of a possibly 64-bit field, with its result. */
enum vmx_result vm_write_raw(u32 encoding, u64 value);

/** Claim: @bits of @word may be 1. */
bool vm_allows(enum vmx_control_word word, u32 bits);
/** Claim: @bits of @word may be 0. */
bool vm_allows_0(enum vmx_control_word word, u32 bits);
/** Sets and clears bits of a control word over its present value. */
void vm_control(enum vmx_control_word word, u32 set, u32 clear);
u32 vm_control_encoding(enum vmx_control_word word);

/** The bare VMLAUNCH or VMRESUME of the present VM, nothing read; RFLAGS if it failed. */
u32 vm_enter_bare(void);

/** Enters; on an exit the guest fields are unknown until set or read. */
struct outcome vm_enter(void);
/** Sets RIP and enters. */
struct outcome vm_run(const void *program);
/** Moves RIP over the instruction that exited and enters. */
struct outcome vm_skip(void);
void vm_skip_instruction(void);

/** L2 of @mode will start at @program, copied below 1 MiB if it is 16-bit code. */
void vm_start_at(enum l2_mode mode, const u8 *program);
/** The program of @mode that executes VMCALL for ever. */
const u8 *vm_vmcall_of(enum l2_mode mode);

u64 ept_identity(void);

/** Traces all fields in the project's form, tagged @tag. */
void vm_dump(const char *tag);
/** Traces the fields that differ from the golden state of the present mode. */
void vm_dump_differences(void);
void vm_golden(enum l2_mode mode, u64 want[VMCS_FIELD_COUNT]);
