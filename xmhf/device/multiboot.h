/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the boot loader tells: Multiboot 1 or 2 information, copied into a struct of ours.
 * Pure but for physmap_view().  Nothing the loader left in memory is trusted: every
 * address and length is bounded, and damage is an error text.
 */
#pragma once

#include "xmhf/memory/e820.h"

#define BOOT_CMDLINE_SIZE 8192 /* all vmxcap.NAME=0 words are half of that */

struct boot_info {
	char cmdline[BOOT_CMDLINE_SIZE]; /* "" if there is none */
	bool cmdline_truncated;
	char loader_name[64]; /* "" if unknown */
	unsigned int multiboot_version;
	int boot_drive; /* BIOS drive number, -1 if unknown */
	u64 rsdp;	/* address of the RSDP or of a copy of it, 0 if unknown */
	struct memory_map map;
	unsigned int ignored_ranges; /* ranges of the loader's map that are empty or wrap around */
};

/**
 * Reads the information at @address, left by a loader that put @magic in EAX.
 * Returns NULL, or the error; then @info holds what was understood before it, and its map must
 * not be relied on.
 */
const char *multiboot_parse(u32 magic, u64 address, struct boot_info *info);
