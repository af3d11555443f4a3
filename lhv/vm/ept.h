/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT12s for L2.  The identity map is shared and never changed; a case that changes
 * entries makes a map of its own, whose fourth gibibyte is free for it.
 */
#pragma once

#include "lhv/vm/vm.h"

/* Guest-physical (and L2-linear) gibibyte that struct ept_map leaves empty. */
#define EPT_FREE_BASE 0xc0000000u

struct ept_map {
	u64 *pml4, *pdpt;
	u64 *pd; /* of the free gibibyte; not linked until the case does */
	u64 *pt; /* for its first 2 MiB; not linked either */
	u64 eptp;
};

/** EPT with 4 levels, write-back and 2 MiB pages. */
bool ept_usable(void);

/**
 * The first 3 GiB one to one; the free gibibyte empty.  Made once, emptied and flushed on
 * each call, so in VMX operation only.
 */
struct ept_map *ept_map_fresh(void);

/** Maps the free gibibyte's first 4 KiB page by @entry, all levels above RWX. */
void ept_map_4k(struct ept_map *map, u64 entry);
/** The same by a 2 MiB entry and by a 1 GiB entry. */
void ept_map_2m(struct ept_map *map, u64 entry);
void ept_map_1g(struct ept_map *map, u64 entry);

/** INVEPT, single context if there is it, of @map. */
void ept_flush(const struct ept_map *map);

/** EPTP of @pml4: write-back, 4 levels. */
u64 eptp_of(const void *pml4);
