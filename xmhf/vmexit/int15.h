/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BIOS INT 15h as L1 sees it: the memory-size functions are answered from L1's memory
 * map, in which L0's memory is reserved; everything else is the BIOS's.  Pure.
 * ACPI specification "System Address Map Interfaces".
 */
#pragma once

#include "xmhf/memory/e820.h"

#define E820_SIGNATURE 0x534d4150U /* 'SMAP' */

struct int15_registers {
	u32 eax, ebx, ecx, edx;
};

struct int15_answer {
	struct int15_registers registers; /* all four, changed or not */
	bool carry;
	unsigned int size; /* bytes to store at ES:DI; 0, 20 or 24 */
	u8 bytes[24];
};

/**
 * Answers the function that @in asks for from @map, L1's.  Returns false if the BIOS
 * should: then @answer is not set.
 */
bool int15_answer(const struct memory_map *map, const struct int15_registers *in,
		  struct int15_answer *answer);
