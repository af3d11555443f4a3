/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/device/acpi.c xmhf/test/fake_physmap.c */
/*
 * Any bytes as ACPI tables at 64 KiB, or in the BIOS area: no wild read, and a list without
 * duplicates or an error.  So that the fuzzer gets past the checksums, they are repaired for the
 * first tables whenever the first byte is odd.
 */
#include "xmhf/device/acpi.h"

#include <stdlib.h>
#include <string.h>

#include "xmhf/test/fake_physmap.h"

#define BASE	  0x10000
#define BIOS_AREA 0xe0000 /* where the root pointer is searched if nobody says where it is */

/* Where the repaired tables lie. */
#define ROOT 64
#define MADT 192

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void set_checksum(u8 *bytes, size_t length, size_t at)
{
	u8 sum = 0;

	bytes[at] = 0;
	for (size_t i = 0; i < length; i++)
		sum = (u8)(sum + bytes[i]);
	bytes[at] = (u8)-sum;
}

static void repair_table(u8 *bytes, size_t at, u32 length, const char *signature)
{
	memcpy(bytes + at, signature, 4);
	memcpy(bytes + at + 4, &length, 4);
	set_checksum(bytes + at, length, 9);
}

/* Root table with one entry; the MADT takes all that is left. */
static void repair(u8 *bytes, size_t size, u64 base)
{
	u64 madt_address = base + MADT, root_address = base + ROOT;
	u32 length = 36;

	if (size < MADT + 44)
		return;
	repair_table(bytes, MADT, (u32)(size - MADT), "APIC");
	memcpy(bytes + ROOT + 36, &madt_address, 8);
	repair_table(bytes, ROOT, 44, bytes[15] >= 2 ? "XSDT" : "RSDT");
	memcpy(bytes, "RSD PTR ", 8);
	memcpy(bytes + 16, &root_address, 4);
	memcpy(bytes + 20, &length, 4);
	memcpy(bytes + 24, &root_address, 8);
	set_checksum(bytes, 20, 8);
	set_checksum(bytes, 36, 32);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct cpu_list cpus;
	const char *error;
	bool searched;
	u64 base;
	u8 *bytes;

	if (size < 1)
		return 0;
	searched = data[0] & 2;
	base = searched ? BIOS_AREA : BASE;
	fake_physmap_reset();
	bytes = fake_physmap_add(base, data + 1, size - 1);
	if (data[0] & 1)
		repair(bytes, size - 1, base);
	error = acpi_find_cpus(searched ? 0 : BASE, &cpus);
	if (cpus.count > CPU_LIST_MAX || cpus.count > cpus.found || (error && cpus.found) ||
	    (!error && !cpus.count))
		abort();
	for (unsigned int i = 0; i < cpus.count; i++)
		for (unsigned int j = 0; j < i; j++)
			if (cpus.apic_id[i] == cpus.apic_id[j])
				abort();
	fake_physmap_reset();
	return 0;
}
