/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Basic types.  Physical addresses of the three levels are distinct one-member
 * structs, so that passing an address of the wrong level does not compile.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef int32_t s32;
typedef long long s64;
typedef uintptr_t uptr;

/** Host-physical address: what the processor puts on the bus. */
typedef struct {
	u64 v;
} hpa_t;

/** Guest-physical address of L1, translated by EPT01. */
typedef struct {
	u64 v;
} l1pa_t;

/** Guest-physical address of L2, translated by EPT12. */
typedef struct {
	u64 v;
} l2pa_t;

static inline hpa_t hpa(u64 v)
{
	return (hpa_t){ v };
}

static inline l1pa_t l1pa(u64 v)
{
	return (l1pa_t){ v };
}

static inline l2pa_t l2pa(u64 v)
{
	return (l2pa_t){ v };
}
