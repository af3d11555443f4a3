/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Facts of the Multiboot specification, versions 0.6.96 ("Multiboot 1") and 2.0
 * ("Multiboot 2").  May be included from assembly.
 */
#pragma once

#define MULTIBOOT1_HEADER_MAGIC	    0x1badb002
#define MULTIBOOT1_LOADER_MAGIC	    0x2badb002
#define MULTIBOOT1_HEADER_ALIGN	    0x00000001 /* modules on page boundaries */
#define MULTIBOOT1_HEADER_MEMORY    0x00000002 /* memory information is wanted */
#define MULTIBOOT1_HEADER_ADDRESSES 0x00010000 /* the address fields are valid */

#define MULTIBOOT2_HEADER_MAGIC	  0xe85250d6
#define MULTIBOOT2_LOADER_MAGIC	  0x36d76289
#define MULTIBOOT2_ARCHITECTURE	  0 /* 32-bit protected mode of i386 */
#define MULTIBOOT2_HEADER_ALIGN	  8
#define MULTIBOOT2_TAG_ALIGN	  8
#define MULTIBOOT2_HEADER_TAG_END 0

#ifndef __ASSEMBLER__

#include "xmhf/lib/bits.h"

/* Multiboot 1: which fields of the information are valid. */
#define MULTIBOOT1_INFO_MEMORY	    BIT32(0)
#define MULTIBOOT1_INFO_BOOT_DEVICE BIT32(1)
#define MULTIBOOT1_INFO_CMDLINE	    BIT32(2)
#define MULTIBOOT1_INFO_MMAP	    BIT32(6)
#define MULTIBOOT1_INFO_LOADER_NAME BIT32(9)

/* The BIOS drive number in boot_device. */
#define MULTIBOOT1_BOOT_DRIVE FIELD(31, 24)

/** Multiboot 1 information, as far as it is read. */
struct multiboot1_info {
	u32 flags;
	u32 mem_lower, mem_upper; /* KiB below 1 MiB, and from 1 MiB up */
	u32 boot_device;
	u32 cmdline;
	u32 mods_count, mods_addr;
	u32 syms[4];
	u32 mmap_length, mmap_addr;
	u32 drives_length, drives_addr;
	u32 config_table;
	u32 boot_loader_name;
};

/** An entry of its memory map; @size counts the bytes after itself. */
struct multiboot1_mmap_entry {
	u32 size;
	u32 base_low, base_high;
	u32 length_low, length_high;
	u32 type;
};

/** Multiboot 2 information: this, then tags, each at a multiple of 8 bytes. */
struct multiboot2_info {
	u32 total_size;
	u32 reserved;
};

struct multiboot2_tag {
	u32 type;
	u32 size; /* with this header, without padding */
};

enum multiboot2_tag_type {
	MULTIBOOT2_TAG_END = 0,
	MULTIBOOT2_TAG_CMDLINE = 1,
	MULTIBOOT2_TAG_LOADER_NAME = 2,
	MULTIBOOT2_TAG_BASIC_MEMORY = 4,
	MULTIBOOT2_TAG_BOOT_DEVICE = 5,
	MULTIBOOT2_TAG_MMAP = 6,
	MULTIBOOT2_TAG_ACPI_OLD = 14, /* a copy of the RSDP of ACPI 1.0 */
	MULTIBOOT2_TAG_ACPI_NEW = 15, /* a copy of the RSDP of ACPI 2.0 and later */
};

/** Follows the tag header of MULTIBOOT2_TAG_BASIC_MEMORY; KiB. */
struct multiboot2_basic_memory {
	u32 mem_lower, mem_upper;
};

/** Follows the tag header of MULTIBOOT2_TAG_BOOT_DEVICE. */
struct multiboot2_boot_device {
	u32 biosdev, partition, sub_partition;
};

/** Follows the tag header of MULTIBOOT2_TAG_MMAP; entries of @entry_size bytes follow. */
struct multiboot2_mmap {
	u32 entry_size, entry_version;
};

struct multiboot2_mmap_entry {
	u64 base, length;
	u32 type, reserved;
};

#endif
