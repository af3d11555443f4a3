/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 16-bit code in low memory: hook of INT 15h and start of L1's boot sector.
 */
#pragma once

#include "xmhf/lib/types.h"

/** What L0 fills in; at the start of the stub. */
struct __attribute__((packed)) bios_stub_data {
	u16 old_int15_offset, old_int15_segment;
	u8 drive;
	u8 carry;	 /* answer of INT 15h: CF */
	u16 size;	 /* answer: bytes to copy to ES:DI */
	u16 serial_port; /* 0: none */
	u16 reserved;
	u8 bytes[24];
};

extern const u8 bios_stub_start[], bios_stub_end[], bios_stub_int15[], bios_stub_int15_done[];
extern const u8 bios_stub_int15_entry[], bios_stub_boot[], bios_stub_to_real_mode[];

/** Bytes of low memory that the stub takes. */
#define BIOS_STUB_SIZE 1024

/** Offset of a label of the stub in its segment. */
static inline u16 bios_stub_offset(const u8 *label)
{
	return (u16)(label - bios_stub_start);
}

/**
 * Takes one KiB from the top of base memory (40:13), copies the stub there and fills its data.
 * Returns the stub's real-mode segment.
 */
u16 bios_stub_install(u8 drive, u16 serial_port);

/** Points INT 15h at the stub in @segment. */
void bios_stub_hook_int15(u16 segment);
