/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding the processors in the ACPI tables. */
#include "xmhf/device/acpi.h"

#include "xmhf/lib/bits.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/physmap.h"

/* Where a BIOS leaves the RSDP: the first KiB of the EBDA, or the BIOS area below 1 MiB. */
#define EBDA_SEGMENT_POINTER 0x40e
#define EBDA_SEARCH_SIZE     KIB
#define BIOS_AREA	     0xe0000
#define BIOS_AREA_SIZE	     0x20000
#define RSDP_ALIGN	     16

/* Bounds the work on a damaged length; real tables of these kinds are far smaller. */
#define TABLE_SIZE_MAX MIB

/* Root System Description Pointer; all after @rsdt from revision 2 on. */
struct rsdp {
	char signature[8];
	u8 checksum;
	char oem[6];
	u8 revision;
	u32 rsdt;
	u32 length;
	u64 xsdt;
	u8 extended_checksum;
	u8 reserved[3];
} __attribute__((packed));

#define RSDP_SIZE_1 20

/* The header of every other table. */
struct table_header {
	char signature[4];
	u32 length;
	u8 revision, checksum;
	char oem[6], oem_table[8];
	u32 oem_revision, creator, creator_revision;
};

/* MADT: header, local APIC address, flags, then entries that start with type and length. */
#define MADT_ENTRIES	 (sizeof(struct table_header) + 8)
#define MADT_XAPIC	 0
#define MADT_X2APIC	 9
#define MADT_ENABLED	 BIT32(0)
#define MADT_ONLINE_LATE BIT32(1) /* "online capable" */

struct madt_xapic {
	u8 type, length, processor, apic_id;
	u32 flags;
};

struct madt_x2apic {
	u8 type, length;
	u8 reserved[2];
	u32 apic_id, flags, processor;
};

#define XAPIC_BROADCAST	 0xffU
#define X2APIC_BROADCAST 0xffffffffU

static bool read(u64 address, void *out, u64 size)
{
	const void *in = physmap_view(address, size);

	if (in)
		memcpy(out, in, size);
	return in;
}

static bool sums_to_zero(const u8 *bytes, u64 size)
{
	u8 sum = 0;

	for (u64 i = 0; i < size; i++)
		sum = (u8)(sum + bytes[i]);
	return sum == 0;
}

static bool has_valid_checksum(u64 address, u64 size)
{
	const u8 *bytes = physmap_view(address, size);

	return bytes && sums_to_zero(bytes, size);
}

static bool is_rsdp(u64 address)
{
	const u8 *bytes = physmap_view(address, RSDP_SIZE_1);

	return bytes && !memcmp(bytes, "RSD PTR ", 8) && sums_to_zero(bytes, RSDP_SIZE_1);
}

/* The address of the RSDP in [start, start + size); 0 if it is not there. */
static u64 search_rsdp(u64 start, u64 size)
{
	for (u64 address = start; address + RSDP_SIZE_1 <= start + size; address += RSDP_ALIGN)
		if (is_rsdp(address))
			return address;
	return 0;
}

static u64 find_rsdp(void)
{
	u16 segment;
	u64 found = 0;

	if (read(EBDA_SEGMENT_POINTER, &segment, sizeof(segment)) && segment)
		found = search_rsdp((u64)segment << 4, EBDA_SEARCH_SIZE);
	return found ? found : search_rsdp(BIOS_AREA, BIOS_AREA_SIZE);
}

static const char *read_rsdp(u64 address, struct rsdp *rsdp)
{
	memset(rsdp, 0, sizeof(*rsdp));
	if (!read(address, rsdp, RSDP_SIZE_1))
		return "RSDP lies outside of memory";
	if (memcmp(rsdp->signature, "RSD PTR ", 8))
		return "RSDP has a wrong signature";
	if (!has_valid_checksum(address, RSDP_SIZE_1))
		return "RSDP has a wrong checksum";
	if (rsdp->revision < 2)
		return NULL;
	if (!read(address, rsdp, sizeof(*rsdp)) || rsdp->length < sizeof(*rsdp) ||
	    rsdp->length > KIB)
		return "RSDP has a bad size";
	if (!has_valid_checksum(address, rsdp->length))
		return "RSDP has a wrong extended checksum";
	return NULL;
}

/* What can be wrong with one table, in words that name it. */
struct table_errors {
	const char *outside, *signature, *size, *checksum;
};

static const struct table_errors rsdt_errors = {
	"RSDT lies outside of memory",
	"RSDT has a wrong signature",
	"RSDT has a bad size",
	"RSDT has a wrong checksum",
};
static const struct table_errors xsdt_errors = {
	"XSDT lies outside of memory",
	"XSDT has a wrong signature",
	"XSDT has a bad size",
	"XSDT has a wrong checksum",
};
static const struct table_errors madt_errors = {
	"MADT lies outside of memory",
	"MADT has a wrong signature",
	"MADT has a bad size",
	"MADT has a wrong checksum",
};

/* A table with its header checked. */
struct table {
	u64 address, length;
};

static const char *check_table(u64 address, const char *signature, u64 length_min,
			       const struct table_errors *errors, struct table *table)
{
	struct table_header header;

	if (!read(address, &header, sizeof(header)))
		return errors->outside;
	if (memcmp(header.signature, signature, sizeof(header.signature)))
		return errors->signature;
	if (header.length < length_min || header.length > TABLE_SIZE_MAX)
		return errors->size;
	if (!physmap_view(address, header.length))
		return errors->outside;
	if (!has_valid_checksum(address, header.length))
		return errors->checksum;
	*table = (struct table){ address, header.length };
	return NULL;
}

/* Claim: the table at @address calls itself a MADT. */
static bool is_madt(u64 address)
{
	char signature[4];

	return read(address, signature, sizeof(signature)) && !memcmp(signature, "APIC", 4);
}

/* Looks for the MADT in the root table, whose entries are addresses of @width bytes. */
static const char *find_madt(const struct table *root, u64 width, struct table *madt)
{
	for (u64 i = sizeof(struct table_header); i + width <= root->length; i += width) {
		u64 address = 0;

		if (read(root->address + i, &address, width) && is_madt(address))
			return check_table(address, "APIC", MADT_ENTRIES, &madt_errors, madt);
	}
	return "no MADT";
}

static void add_cpu(struct cpu_list *cpus, u32 apic_id, u32 flags)
{
	if (!(flags & (MADT_ENABLED | MADT_ONLINE_LATE)))
		return;
	for (unsigned int i = 0; i < cpus->count; i++)
		if (cpus->apic_id[i] == apic_id)
			return;
	cpus->found++;
	if (cpus->count < CPU_LIST_MAX)
		cpus->apic_id[cpus->count++] = apic_id;
}

/* Reads one MADT entry of @length bytes at @address; false if it is too short for its type. */
static bool read_madt_entry(u64 address, u8 type, u8 length, struct cpu_list *cpus)
{
	struct madt_x2apic x2apic;
	struct madt_xapic xapic;

	if (type == MADT_XAPIC) {
		if (length < sizeof(xapic) || !read(address, &xapic, sizeof(xapic)))
			return false;
		if (xapic.apic_id != XAPIC_BROADCAST)
			add_cpu(cpus, xapic.apic_id, xapic.flags);
	} else if (type == MADT_X2APIC) {
		if (length < sizeof(x2apic) || !read(address, &x2apic, sizeof(x2apic)))
			return false;
		if (x2apic.apic_id != X2APIC_BROADCAST)
			add_cpu(cpus, x2apic.apic_id, x2apic.flags);
	}
	return true;
}

static const char *read_madt(const struct table *madt, struct cpu_list *cpus)
{
	u64 at = MADT_ENTRIES;

	while (at < madt->length) {
		u8 head[2]; /* type, length */

		if (at + sizeof(head) > madt->length)
			return "MADT ends inside an entry";
		if (!read(madt->address + at, head, sizeof(head)))
			return madt_errors.outside;
		if (head[1] < sizeof(head))
			return "MADT has an entry of no size";
		if (head[1] > madt->length - at)
			return "MADT ends inside an entry";
		if (!read_madt_entry(madt->address + at, head[0], head[1], cpus))
			return "MADT has a processor entry that is too short";
		at += head[1];
	}
	return cpus->found ? NULL : "MADT names no processor";
}

static const char *find_cpus(u64 address, struct cpu_list *cpus)
{
	struct table root, madt;
	struct rsdp rsdp;
	const char *error;
	bool has_xsdt;

	if (!address)
		address = find_rsdp();
	if (!address)
		return "no RSDP";
	error = read_rsdp(address, &rsdp);
	if (error)
		return error;
	has_xsdt = rsdp.revision >= 2 && rsdp.xsdt;
	error = has_xsdt ? check_table(rsdp.xsdt, "XSDT", sizeof(struct table_header), &xsdt_errors,
				       &root)
			 : check_table(rsdp.rsdt, "RSDT", sizeof(struct table_header), &rsdt_errors,
				       &root);
	if (!error)
		error = find_madt(&root, has_xsdt ? sizeof(u64) : sizeof(u32), &madt);
	return error ? error : read_madt(&madt, cpus);
}

const char *acpi_find_cpus(u64 rsdp, struct cpu_list *cpus)
{
	const char *error;

	cpus->count = cpus->found = 0;
	error = find_cpus(rsdp, cpus);
	if (error)
		cpus->count = cpus->found = 0;
	return error;
}
