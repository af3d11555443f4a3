/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nested state of one CPU.  Nothing here is shared between CPUs.
 *
 *            VMXON              VMLAUNCH, VMRESUME
 *    off ------------> root ---------------------> non-root
 *        <------------      <---------------------
 *            VMXOFF             exit reflected to L1
 *
 *   off       VMCS01 is current; VMX instructions but VMXON take #UD
 *   root      VMCS01 is current; `current` may be a slot
 *   non-root  VMCS02 of `current` is current; L1's state waits in VMCS01
 */
#pragma once

#include "nested/ept02/ept02.h"
#include "nested/ept02/tracker.h"
#include "nested/exit/host_state.h"
#include "nested/vmcs02/controls.h"
#include "nested/vmcs02/msr_bitmap.h"
#include "nested/vmcs12/vmcs12.h"
#include "xmhf/vmx/machine.h"

#define NESTED_SLOTS 8
#define NO_VMCS	     (~0ULL)

/** A set of VMCS fields by table index. */
struct field_set {
	u64 bits[(VMCS_FIELD_COUNT + 63) / 64];
};

static inline bool field_set_has(const struct field_set *set, enum vmcs_index field)
{
	return set->bits[field / 64] & BIT(field % 64);
}

static inline void field_set_add(struct field_set *set, enum vmcs_index field)
{
	set->bits[field / 64] |= BIT(field % 64);
}

static inline void field_set_remove(struct field_set *set, enum vmcs_index field)
{
	set->bits[field / 64] &= ~BIT(field % 64);
}

/* Groups of VM-entry checks that a changed field makes necessary again. */
#define CHECK_CONTROLS	       BIT32(0)
#define CHECK_HOST	       BIT32(1)
#define CHECK_GUEST	       BIT32(2)
#define CHECK_RIP	       BIT32(3)
#define CHECK_EVENT	       BIT32(4)
#define CHECK_INTERRUPTIBILITY BIT32(5)
#define CHECK_EXECUTION	       BIT32(6) /* VM-execution controls that guest-state rules ignore */
#define CHECK_ALL	       FIELD(6, 0)
#define CHANGES_HOST	       BIT32(7) /* not a check: slot->host has to be computed again */

/** A VMCS12 that L0 holds a copy of, with its VMCS02. */
struct vmcs12_slot {
	u64 address; /* of VMCS12's region in L1's memory; NO_VMCS: the slot is free */
	bool active; /* between VMPTRLD and VMCLEAR: the copy is what counts, not the region */
	bool launched;
	bool waits_for_sipi; /* L2 is entered in that activity state, and only a SIPI ends it */
	bool is_shadow;	     /* a shadow VMCS: it can be read and written, not entered */
	bool was_launched;   /* before the VM entry under way, which may fail */
	u64 last_used;
	struct vmcs12 vmcs12;
	struct field_set dirty; /* VMCS12 is newer than VMCS02 */
	struct field_set stay;	/* fields that a stay of L2 may change */
	bool pml_index_moved;	/* since a shadow VMCS was told */
	bool saves_timer;	/* VMCS12 has the preemption timer on, and saved */
	bool rewrite_efer, rewrite_pat, rewrite_debug, rewrite_timer; /* at every VM entry */
	struct field_set stale; /* VMCS02 is newer than VMCS12 */
	u32 unchecked;		/* CHECK_* since the last VM entry that passed them */
	struct host_state host; /* L1's state after an exit, of VMCS12's host-state area */
	bool host_is_current;	/* but for what each exit adds */
	bool checked_in_ia32e;	/* L1's mode at that entry */

	hpa_t shadow;		 /* shadow VMCS, for VMREAD and VMWRITE of L1 without exits */
	bool shadow_ready;	 /* it was cleared once */
	bool shadow_valid;	 /* vmcs12/shadow.h */
	bool shadows_crs;	 /* with CR0, CR3 and CR4: L1 reads them at most exits */
	u32 cr_reads;		 /* VMREADs of those that exited since ... */
	u64 cr_reads_since;	 /* ... this number of exits to L1 */
	bool event_was_injected; /* at the last VM entry: its valid bit is clear now */
	hpa_t vmcs02;
	bool vmcs02_ready; /* host state and constants are written */
	bool vmcs02_launched;
	bool launching;	 /* the VM entry under way is a VMLAUNCH: if it fails, VMCS02 stays clear */
	u64 *msr_bitmap; /* VMCS02's */
	struct tracked_copy msr_bitmap_source;
	u32 msr_bitmap_controls; /* secondary controls that the merge depended on */
	hpa_t msr_bitmap_address;
	hpa_t io_bitmap_address; /* of page A, B follows; with a hypapp that has intercepts */
	struct tracked_copy io_bitmap_source[2];
	enum {
		IO_BITMAP_NONE,
		IO_BITMAP_OF_L0,   /* VMCS12 uses none: the hypapp's ports */
		IO_BITMAP_OF_BOTH, /* and those of io_bitmap_source */
	} io_bitmap_made;
	struct control_words words12; /* VMCS12's controls as of the last commit */
	u32 entry02;		      /* VMCS02's VM-entry controls, but for "IA-32e mode guest" */
	u64 eptp02;
	u16 vpid02;
};

enum nested_mode {
	NESTED_OFF,
	NESTED_ROOT,
	NESTED_NON_ROOT,
};

struct nested_statistics {
	u64 entries, reflected, handled;
	u64 hardware_refused; /* VMCS02s that passed our checks and not the processor's */
	u64 evictions, aborts;
	u64 ept02_restarts; /* EPT02 made anew after a misconfiguration that EPT12 lacks */
};

#define NESTED_VPIDS 16

struct nested {
	enum nested_mode mode;
	const struct vmcs12_slot *sysenter_of; /* whose SYSENTER MSRs an exit loaded last */
	u64 l1_interruptibility;	       /* in VMCS01 */
	u64 l1_pat;			       /* that an exit of L2 loaded last */
	bool l1_in_ia32e_mode; /* as of VMXON: in VMX operation PG, and so LMA, cannot change */
	bool vmread_bitmap_has_crs; /* that of VMCS01 */
	bool init_pending;	    /* an INIT that waits for VMXOFF */
	u64 vmxon_pointer;
	struct vmcs12_slot *current;   /* NULL: no current VMCS */
	struct ept02_context *context; /* of the L2 that runs; NULL without EPT12 */
	u64 clock;
	u16 vpid12[NESTED_VPIDS]; /* VPID02 is NESTED_FIRST_VPID + index; 0: free */
	u32 next_vpid;
	struct vmcs12_slot slots[NESTED_SLOTS];
	struct ept02 ept02;
	struct nested_statistics statistics;
};

/* A table of the fields that L1 sees: width, type and the low six bits of the index choose the
 * place. */
#define NESTED_PLACES 1024

struct nested_place {
	u16 encoding; /* of the field; 0xffff: none */
	u8 field;     /* enum vmcs_index */
};

/** Where nested_shared.places may have @encoding, its bit 0 ignored. */
static inline u32 nested_place_of(u64 encoding)
{
	return (u32)((encoding >> 13 & 3) << 8 | (encoding >> 10 & 3) << 6 | (encoding >> 1 & 63));
}

/** What the CPUs share; written by nested_init() only. */
struct nested_shared {
	struct vmx_caps caps12;
	struct control_policy policy;
	struct msr_bitmap_wishes wishes;
	struct nested_place places[NESTED_PLACES];
	u8 check_groups[VMCS_FIELD_COUNT];   /* check_group_of(), and CHANGES_HOST */
	struct field_set in_vmcs12;	     /* fields that L1 sees */
	struct field_set in_hardware;	     /* fields that this processor has */
	struct field_set copied;	     /* VMCS12's value goes to VMCS02 as it is */
	struct field_set owned;		     /* VMCS02's value is computed from them */
	struct field_set shadowed;	     /* shadow.def */
	hpa_t vmread_bitmap, vmwrite_bitmap; /* 0: the processor has no VMCS shadowing */
	hpa_t vmread_bitmap_crs;	     /* where a slot has shadows_crs */
	struct field_set saved;		     /* VMCS02 changes them in every stay of L2 */
	bool ibpb_at_exit;		     /* of L2 to L1: decision 0011 */
	hpa_t scratch; /* what the processor writes where L1 names memory that is not its own */
	hpa_t ones;    /* a page of ones: bitmaps that are not in L1's memory read like that */
};

extern struct nested_shared nested_shared;
