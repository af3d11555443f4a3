/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory type of a page of EPT02, from those of EPT12 and EPT01.  Pure.
 *
 * Rule: what L1 itself would get if its own page tables asked for EPT12's type on that page,
 * EPT01's type standing in for the MTRRs.  So RAM (EPT01 says WB) has EPT12's type, what
 * must not be cached (EPT01 says UC) is not, except that WC is allowed there as it is to L1, and
 * L2 can have no type on a page that L1 could not have.
 * Deviates from SDM "EPT and Memory Typing", by which the MTRRs have no say once EPT is in
 * use: an L1 that maps a device as WB for L2 gets UC.
 * EPT12's ignore-PAT bit is kept: EPT01 never sets it.
 */
#pragma once

#include "xmhf/x86/msr.h"

/** Bits 6:3 of an entry: the combined type, and EPT12's ignore-PAT bit of @ept12_entry. */
u64 ept02_memory_type_bits(u64 ept12_entry, enum memory_type ept01_type);
