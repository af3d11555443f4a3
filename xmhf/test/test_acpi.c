/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/device/acpi.c xmhf/test/fake_physmap.c */
/* ACPI tables, good and damaged in every place that is looked at. */
#include "xmhf/device/acpi.h"

#include <string.h>

#include "xmhf/test/fake_physmap.h"
#include "xmhf/test/tap.h"

#define RSDP_AT	 0x100000
#define RSDT_AT	 0x200000
#define XSDT_AT	 0x300000
#define MADT_AT	 0x400000
#define OTHER_AT 0x500000

/* Bytes of the tables; tests change them before load(). */
static u8 rsdp[36], rsdt[64], xsdt[64], other[36], madt[8192];
static u32 rsdt_size, xsdt_size, madt_size;
static struct cpu_list cpus;

static void put32(u8 *at, u32 value)
{
	memcpy(at, &value, 4);
}

static void put64(u8 *at, u64 value)
{
	memcpy(at, &value, 8);
}

/* Makes the @size bytes at @bytes sum to zero with the byte @at. */
static void set_checksum(u8 *bytes, u32 size, u32 at)
{
	u8 sum = 0;

	bytes[at] = 0;
	for (u32 i = 0; i < size; i++)
		sum = (u8)(sum + bytes[i]);
	bytes[at] = (u8)-sum;
}

static void start_table(u8 *bytes, const char *signature)
{
	memset(bytes, 0, 36);
	memcpy(bytes, signature, 4);
}

static void finish_table(u8 *bytes, u32 size)
{
	put32(bytes + 4, size);
	set_checksum(bytes, size, 9);
}

static void finish_rsdp(void)
{
	set_checksum(rsdp, 20, 8);
	set_checksum(rsdp, 36, 32);
}

static void add_xapic(u8 id, u32 flags)
{
	u8 *e = madt + madt_size;

	memcpy(e, (u8[4]){ 0, 8, 0, id }, 4);
	put32(e + 4, flags);
	madt_size += 8;
	finish_table(madt, madt_size);
}

static void add_x2apic(u32 id, u32 flags)
{
	u8 *e = madt + madt_size;

	memset(e, 0, 16);
	memcpy(e, (u8[2]){ 9, 16 }, 2);
	put32(e + 4, id);
	put32(e + 8, flags);
	madt_size += 16;
	finish_table(madt, madt_size);
}

/* An entry of @type and @length, its other bytes 1. */
static void add_entry(u8 type, u8 length, u32 bytes)
{
	memset(madt + madt_size, 1, bytes);
	madt[madt_size] = type;
	madt[madt_size + 1] = length;
	madt_size += bytes;
	finish_table(madt, madt_size);
}

/* Revision 2, one other table before the MADT in both root tables, one CPU. */
static void good(void)
{
	memset(rsdp, 0, sizeof(rsdp));
	memcpy(rsdp, "RSD PTR ", 8);
	rsdp[15] = 2;
	put32(rsdp + 16, RSDT_AT);
	put32(rsdp + 20, 36);
	put64(rsdp + 24, XSDT_AT);
	finish_rsdp();
	start_table(rsdt, "RSDT");
	put32(rsdt + 36, OTHER_AT);
	put32(rsdt + 40, MADT_AT);
	finish_table(rsdt, rsdt_size = 44);
	start_table(xsdt, "XSDT");
	put64(xsdt + 36, OTHER_AT);
	put64(xsdt + 44, MADT_AT);
	finish_table(xsdt, xsdt_size = 52);
	start_table(other, "FACP");
	finish_table(other, 36);
	start_table(madt, "APIC");
	put64(madt + 36, 0xfee00000);
	madt_size = 44;
	add_xapic(0, 1);
}

static void load_tables(void)
{
	fake_physmap_reset();
	fake_physmap_add(RSDT_AT, rsdt, rsdt_size);
	fake_physmap_add(XSDT_AT, xsdt, xsdt_size);
	fake_physmap_add(MADT_AT, madt, madt_size);
	fake_physmap_add(OTHER_AT, other, sizeof(other));
}

static const char *find(void)
{
	load_tables();
	fake_physmap_add(RSDP_AT, rsdp, rsdp[15] >= 2 ? 36 : 20);
	return acpi_find_cpus(RSDP_AT, &cpus);
}

static void is_error(const char *got, const char *expected)
{
	ok(expected ? got && !strcmp(got, expected) : !got, "error is \"%s\", expected \"%s\"",
	   got ? got : "none", expected ? expected : "none");
	ok(!expected || (!cpus.count && !cpus.found), "no CPUs with an error");
}

static void test_entries(void)
{
	good();
	add_xapic(4, 1);
	add_xapic(6, 0);
	add_xapic(7, 2);
	add_xapic(8, 4);
	add_xapic(0xff, 1);
	add_xapic(4, 1);
	add_entry(1, 12, 12);
	add_x2apic(0x100, 1);
	add_x2apic(0x101, 0);
	add_x2apic(0x102, 2);
	add_x2apic(0xffffffff, 1);
	add_x2apic(4, 1);
	add_x2apic(0xff, 1);
	is_error(find(), NULL);
	is_u64(cpus.count, 6, "CPUs");
	is_u64(cpus.found, 6, "found");
	ok(!memcmp(cpus.apic_id, (u32[]){ 0, 4, 7, 0x100, 0x102, 0xff }, 6 * sizeof(u32)),
	   "enabled or online capable, sparse ids, no broadcast, no duplicates, in order");
}

static void test_many(void)
{
	good();
	for (u32 i = 1; i < CPU_LIST_MAX; i++)
		add_x2apic(i * 2, 1);
	is_error(find(), NULL);
	ok(cpus.count == CPU_LIST_MAX && cpus.found == CPU_LIST_MAX, "a full list");
	add_x2apic(1001, 1);
	add_x2apic(1003, 1);
	is_error(find(), NULL);
	ok(cpus.count == CPU_LIST_MAX && cpus.found == CPU_LIST_MAX + 2, "two without room");
}

static void test_roots(void)
{
	good();
	put32(rsdt + 40, OTHER_AT);
	finish_table(rsdt, rsdt_size);
	is_error(find(), NULL);
	put64(rsdp + 24, 0);
	finish_rsdp();
	is_error(find(), "no MADT");
	good();
	put64(rsdp + 24, 0);
	finish_rsdp();
	is_error(find(), NULL);
	good();
	rsdp[15] = 0;
	finish_rsdp();
	put64(xsdt + 44, OTHER_AT);
	finish_table(xsdt, xsdt_size);
	is_error(find(), NULL);
	good();
	put64(xsdt + 36, 0xdead000);
	finish_table(xsdt, xsdt_size);
	is_error(find(), NULL);
	finish_table(xsdt, 51);
	is_error(find(), "no MADT");
}

/* Without an address: EBDA, then the BIOS area. */
static void test_search(void)
{
	u16 segment = 0x9fc0;
	u8 *low;

	good();
	load_tables();
	is_error(acpi_find_cpus(0, &cpus), "no RSDP");
	low = fake_physmap_add(0, NULL, 0x100000);
	memcpy(low + 0x10, rsdp, 36);
	is_error(acpi_find_cpus(0, &cpus), "no RSDP");
	memcpy(low + 0xfffd0, rsdp, 36);
	is_error(acpi_find_cpus(0, &cpus), NULL);
	memset(low + 0xfffd0, 0, 36);
	memcpy(low + 0xe0000, rsdp, 36);
	is_error(acpi_find_cpus(0, &cpus), NULL);
	low[0xe0008]++;
	is_error(acpi_find_cpus(0, &cpus), "no RSDP");
	memcpy(low + 0xe0018, rsdp, 36);
	is_error(acpi_find_cpus(0, &cpus), "no RSDP");
	memcpy(low + 0xe0040, rsdp, 36);
	is_error(acpi_find_cpus(0, &cpus), NULL);
	low[0xe0040] = 0;
	memcpy(low + 0x9fc00 + 0x3e0, rsdp, 36);
	is_error(acpi_find_cpus(0, &cpus), "no RSDP");
	memcpy(low + 0x40e, &segment, 2);
	is_error(acpi_find_cpus(0, &cpus), NULL);
	memset(low + 0x9fc00, 0, 0x400);
	memcpy(low + 0x9fc00 + 0x400, rsdp, 36);
	is_error(acpi_find_cpus(0, &cpus), "no RSDP");
}

static void test_bad_rsdp(void)
{
	good();
	is_error(acpi_find_cpus(0xdead000, &cpus), "RSDP lies outside of memory");
	rsdp[0]++;
	is_error(find(), "RSDP has a wrong signature");
	good();
	rsdp[9]++;
	is_error(find(), "RSDP has a wrong checksum");
	good();
	rsdp[33]++;
	is_error(find(), "RSDP has a wrong extended checksum");
	good();
	put32(rsdp + 20, 35);
	finish_rsdp();
	is_error(find(), "RSDP has a bad size");
	put32(rsdp + 20, 1025);
	finish_rsdp();
	is_error(find(), "RSDP has a bad size");
	good();
	load_tables();
	fake_physmap_add(RSDP_AT, rsdp, 20);
	is_error(acpi_find_cpus(RSDP_AT, &cpus), "RSDP has a bad size");
}

static void test_bad_roots(void)
{
	good();
	put64(rsdp + 24, 0xdead000);
	finish_rsdp();
	is_error(find(), "XSDT lies outside of memory");
	good();
	xsdt[0]++;
	is_error(find(), "XSDT has a wrong signature");
	good();
	xsdt[20]++;
	is_error(find(), "XSDT has a wrong checksum");
	good();
	put32(xsdt + 4, 35);
	is_error(find(), "XSDT has a bad size");
	put32(xsdt + 4, 0x100001);
	is_error(find(), "XSDT has a bad size");
	put32(xsdt + 4, 0x100000);
	is_error(find(), "XSDT lies outside of memory");

	good();
	rsdp[15] = 1;
	put32(rsdp + 16, 0xdead000);
	finish_rsdp();
	is_error(find(), "RSDT lies outside of memory");
	put32(rsdp + 16, RSDT_AT);
	finish_rsdp();
	rsdt[3]++;
	is_error(find(), "RSDT has a wrong signature");
	rsdt[3]--;
	rsdt[20]++;
	is_error(find(), "RSDT has a wrong checksum");
	put32(rsdt + 4, 0);
	is_error(find(), "RSDT has a bad size");
}

static void test_bad_madt(void)
{
	good();
	madt[0]++;
	is_error(find(), "no MADT");
	good();
	madt[40]++;
	is_error(find(), "MADT has a wrong checksum");
	good();
	put32(madt + 4, 43);
	is_error(find(), "MADT has a bad size");
	put32(madt + 4, 0xffffffff);
	is_error(find(), "MADT has a bad size");
	put32(madt + 4, 0x1000);
	is_error(find(), "MADT lies outside of memory");
	good();
	finish_table(madt, 44);
	is_error(find(), "MADT names no processor");
	good();
	madt[44 + 4] = 0;
	finish_table(madt, madt_size);
	is_error(find(), "MADT names no processor");
	good();
	add_entry(5, 0, 2);
	is_error(find(), "MADT has an entry of no size");
	good();
	add_entry(5, 1, 2);
	is_error(find(), "MADT has an entry of no size");
	good();
	add_entry(5, 2, 1);
	is_error(find(), "MADT ends inside an entry");
	good();
	add_entry(5, 3, 2);
	is_error(find(), "MADT ends inside an entry");
	good();
	add_entry(5, 2, 2);
	is_error(find(), NULL);
	good();
	add_entry(0, 7, 7);
	is_error(find(), "MADT has a processor entry that is too short");
	good();
	add_entry(9, 15, 15);
	is_error(find(), "MADT has a processor entry that is too short");
}

int main(void)
{
	test_entries();
	test_many();
	test_roots();
	test_search();
	test_bad_rsdp();
	test_bad_roots();
	test_bad_madt();
	fake_physmap_reset();
	return tap_end();
}
