/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Not a test itself: damages a table of the firmware as the last word of the boot sector
 * says, then boots the next drive as the BIOS would.  What is damaged is printed.
 */
#include "xmhf/test/l1/frame.h"

#define SPOIL_WORD   (*(const u16 *)(uptr)0x7dfc)
#define NEXT_DRIVE   0x81
#define MADT_ENTRIES 44
#define LENGTH	     4
#define REVISION     8
#define CHECKSUM     9

enum spoil {
	SPOIL_MADT_SIGNATURE = 1,
	SPOIL_MADT_ENTRY_OF_NO_SIZE,
	SPOIL_MADT_ENDS_INSIDE_ENTRY,
	SPOIL_MADT_CHECKSUM,
	SPOIL_BOOT_CPU_NOT_LISTED,
	SPOIL_RSDP,
};

extern const u8 boot_next_drive[], boot_next_drive_end[];

static bool has_text(const u8 *at, const char *text)
{
	while (*text) {
		if (*at++ != (u8)*text++)
			return false;
	}
	return true;
}

static void set_checksum(u8 *table)
{
	u32 length = *(u32 *)(table + LENGTH);
	u8 sum = 0;

	table[CHECKSUM] = 0;
	for (u32 i = 0; i < length; i++)
		sum = (u8)(sum + table[i]);
	table[CHECKSUM] = (u8)-sum;
}

static bool is_madt(const u8 *at)
{
	u32 length = *(const u32 *)(at + LENGTH);
	u8 sum = 0;

	if (!has_text(at, "APIC") || length < MADT_ENTRIES || length > 4096)
		return false;
	for (u32 i = 0; i < length; i++)
		sum = (u8)(sum + at[i]);
	return sum == 0;
}

/* The tables are in the last 64 KiB below what CMOS calls the end of memory. */
static u8 *find_madt(void)
{
	u32 end;

	port_write(0x70, 0x34);
	end = port_read(0x71);
	port_write(0x70, 0x35);
	end = (end | (u32)port_read(0x71) << 8) * 0x10000 + 0x1000000;
	for (u8 *at = (u8 *)(uptr)(end - 0x10000); at < (u8 *)(uptr)end; at += 4) {
		if (is_madt(at))
			return at;
	}
	return NULL;
}

static void spoil_madt(u8 *madt, enum spoil spoil)
{
	switch (spoil) {
	case SPOIL_MADT_SIGNATURE:
		madt[0] = 'X';
		set_checksum(madt);
		break;
	case SPOIL_MADT_ENTRY_OF_NO_SIZE:
		madt[MADT_ENTRIES + 1] = 0;
		set_checksum(madt);
		break;
	case SPOIL_MADT_ENDS_INSIDE_ENTRY:
		*(u32 *)(madt + LENGTH) -= 3;
		set_checksum(madt);
		break;
	case SPOIL_MADT_CHECKSUM:
		madt[CHECKSUM]++;
		break;
	default: /* the first processor's APIC id */
		madt[MADT_ENTRIES + 3] = 77;
		set_checksum(madt);
	}
}

static bool spoil_rsdp(void)
{
	for (u8 *at = (u8 *)(uptr)0xe0000; at < (u8 *)(uptr)0x100000; at += 16) {
		if (has_text(at, "RSD PTR ")) {
			at[0] = 'X';
			return at[0] == 'X';
		}
	}
	return false;
}

/* The code runs at 0:600, behind the BIOS's data: GRUB overwrites this program. */
static void boot_next(void)
{
	u8 *to = (u8 *)(uptr)0x600;
	u16 *vector = (u16 *)(uptr)(0x60 * 4);
	struct bios_registers r = { .edx = NEXT_DRIVE };

	for (const u8 *from = boot_next_drive; from < boot_next_drive_end; from++)
		*to++ = *from;
	vector[0] = 0x600;
	vector[1] = 0;
	bios_call(0x60, &r);
}

void test_main(void)
{
	enum spoil spoil = SPOIL_WORD;
	u8 *madt = spoil == SPOIL_RSDP ? NULL : find_madt();

	if (madt)
		spoil_madt(madt, spoil);
	if (!madt && !(spoil == SPOIL_RSDP && spoil_rsdp())) {
		ok(false, "there is a table to damage");
		return;
	}
	say("damaged: %u", (u32)spoil);
	boot_next();
}
