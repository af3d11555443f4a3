/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CR0 and CR4 of L2 when both L1 (VMCS12's guest/host mask) and L0 own bits.  L2's reads
 * and L1's exits are exactly as VMCS12 alone would give them.  Pure.
 * SDM "Guest/Host Masks and Read Shadows for CR0 and CR4".
 */
#pragma once

#include "xmhf/lib/types.h"

/** The three fields of a VMCS for one control register. */
struct cr_fields {
	u64 mask;   /* guest/host mask: bits the host owns */
	u64 shadow; /* read shadow */
	u64 guest;  /* the register itself: guest-state field */
};

/** Bits that L0 owns while L2 runs, and what they hold in the register. */
struct cr_l0 {
	u64 mask;
	u64 value;
};

/** VMCS02's fields from VMCS12's.  L0's bits hold @l0.value in the register; L2 sees VMCS12's. */
struct cr_fields cr_merge(struct cr_fields vmcs12, struct cr_l0 l0);

/** What MOV from CR gives under @fields. */
u64 cr_read(struct cr_fields fields);

/** Claim: MOV to CR of @value exits under @fields. */
bool cr_write_exits(struct cr_fields fields, u64 value);

/** Claim: CLTS exits under CR0's @fields. */
bool cr_clts_exits(struct cr_fields fields);

/** Claim: LMSW of @source exits under CR0's @fields. */
bool cr_lmsw_exits(struct cr_fields fields, u16 source);

/** CR0 that LMSW of @source asks for when software reads @cr0 now: PE can be set, not cleared. */
u64 cr_lmsw_value(u64 cr0, u16 source);

/**
 * The register's value that VMCS12's guest-state field gets at an exit to L1: VMCS02's register,
 * with L0's bits as L2 would have them.
 */
u64 cr_guest_for_vmcs12(struct cr_fields vmcs02, struct cr_fields vmcs12, struct cr_l0 l0);

/**
 * VMCS02's fields after a MOV to CR of @value by L2 that is L0's (cr_write_exits() of VMCS12's
 * fields is false): bits neither owns change in the register, L0's in what L2 reads.
 */
struct cr_fields cr_apply_write(struct cr_fields vmcs02, struct cr_fields vmcs12, struct cr_l0 l0,
				u64 value);
