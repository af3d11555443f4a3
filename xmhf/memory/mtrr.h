/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory type range registers as plain data: the type of an address, and which values
 * the registers accept.  Pure.  SDM "Memory Type Range Registers (MTRRs)".
 */
#pragma once

#include "xmhf/x86/msr.h"

#define MTRR_FIXED_COUNT  11
#define MTRR_VARIABLE_MAX 40 /* as many MSRs as lie below the first fixed one */

struct mtrr_state {
	u64 cap;		     /* IA32_MTRRCAP */
	u64 def_type;		     /* IA32_MTRR_DEF_TYPE */
	u64 fixed[MTRR_FIXED_COUNT]; /* in the order of their addresses */
	struct {
		u64 base, mask; /* IA32_MTRR_PHYSBASEn, IA32_MTRR_PHYSMASKn */
	} variable[MTRR_VARIABLE_MAX];
	u8 physical_address_width;
};

/** The MSR number of fixed[@i]. */
u32 mtrr_fixed_msr(unsigned int i);

/** How many of variable[] exist. */
unsigned int mtrr_variable_count(const struct mtrr_state *state);

/** Claim: MSR @index is one of the MTRR registers that @state has, IA32_MTRRCAP included. */
bool mtrr_is_mtrr_msr(const struct mtrr_state *state, u32 index);

/** Claim: WRMSR of @value to the MTRR register @index does not cause #GP. */
bool mtrr_write_is_valid(const struct mtrr_state *state, u32 index, u64 value);

/** The value of MTRR register @index.  @pre mtrr_is_mtrr_msr() */
u64 mtrr_get(const struct mtrr_state *state, u32 index);

/** Sets MTRR register @index, also IA32_MTRRCAP.  @pre mtrr_is_mtrr_msr() */
void mtrr_set(struct mtrr_state *state, u32 index, u64 value);

/**
 * The memory type of @address.  All addresses from there up to, not including, @end have
 * the same type; @end is not always the last such place.
 */
enum memory_type mtrr_type(const struct mtrr_state *state, u64 address, u64 *end);
