/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI tables Linux needs to find its CPUs and the I/O APIC (ACPI 6.4, chapter 5.2). */
#include <string.h>

#include "vmm.h"

#define HEADER_SIZE   36u
#define RSDP_SIZE     36u
#define FADT_SIZE     276u
#define LOCAL_APIC    0xfee00000u
#define IO_APIC	      0xfec00000u
#define PCAT_COMPAT   1u
#define TABLE_SPACING 0x200u

static void put(u8 *at, u64 value, size_t bytes)
{
	memcpy(at, &value, bytes);
}

static u8 negated_sum(const u8 *at, u32 bytes)
{
	u8 sum = 0;

	for (u32 i = 0; i < bytes; i++)
		sum = (u8)(sum + at[i]);
	return (u8)-sum;
}

static void finish_table(u8 *table, const char *signature, u32 bytes, u8 revision)
{
	memcpy(table, signature, 4);
	put(table + 4, bytes, 4);
	table[8] = revision;
	memcpy(table + 10, "LAB   VMM     ", 14);
	put(table + 24, 1, 4);
	memcpy(table + 28, "LAB ", 4);
	put(table + 32, 1, 4);
	table[9] = negated_sum(table, bytes);
}

/* A PC without SMI command port: ACPI is always on. */
static void write_fadt(u8 *fadt, u64 dsdt)
{
	put(fadt + 40, dsdt, 4);
	put(fadt + 46, ACPI_SCI, 2);
	put(fadt + 56, PM_PORTS, 4);
	put(fadt + 64, PM_PORTS + 4, 4);
	fadt[88] = 4;	       /* bytes of the event block */
	fadt[89] = 2;	       /* bytes of the control block */
	put(fadt + 109, 3, 2); /* legacy devices and an 8042 */
	finish_table(fadt, "FACP", FADT_SIZE, 5);
}

/* Local APICs numbered like the CPUs; one I/O APIC whose pins are the ISA interrupts. */
static void write_madt(u8 *madt, u32 cpus)
{
	u8 *entry = madt + HEADER_SIZE + 8;

	put(madt + HEADER_SIZE, LOCAL_APIC, 4);
	put(madt + HEADER_SIZE + 4, PCAT_COMPAT, 4);
	for (u32 i = 0; i < cpus; i++, entry += 8) {
		entry[0] = 0;
		entry[1] = 8;
		entry[2] = entry[3] = (u8)i;
		put(entry + 4, 1, 4);
	}
	entry[0] = 1;
	entry[1] = 12;
	entry[2] = (u8)cpus;
	put(entry + 4, IO_APIC, 4);
	finish_table(madt, "APIC", (u32)(entry + 12 - madt), 4);
}

static void write_rsdp(u8 *rsdp, u64 xsdt)
{
	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, "LAB   ", 6);
	rsdp[15] = 2;
	put(rsdp + 20, RSDP_SIZE, 4);
	put(rsdp + 24, xsdt, 8);
	rsdp[8] = negated_sum(rsdp, 20);
	rsdp[32] = negated_sum(rsdp, RSDP_SIZE);
}

void acpi_write(struct vm *vm)
{
	u64 xsdt = ACPI_RSDP + TABLE_SPACING, fadt = xsdt + TABLE_SPACING;
	u64 madt = fadt + TABLE_SPACING, dsdt = madt + TABLE_SPACING;
	u8 *memory = vm->memory;

	put(memory + xsdt + HEADER_SIZE, fadt, 8);
	put(memory + xsdt + HEADER_SIZE + 8, madt, 8);
	finish_table(memory + xsdt, "XSDT", HEADER_SIZE + 16, 1);
	write_fadt(memory + fadt, dsdt);
	write_madt(memory + madt, vm->cpus);
	finish_table(memory + dsdt, "DSDT", HEADER_SIZE, 2);
	write_rsdp(memory + ACPI_RSDP, xsdt);
}
