/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "EPT Violations" and "EPT Misconfigurations": the space of rights, memory types,
 * page sizes and reserved bits against a model, for reads, writes and fetches.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

enum page_size { SIZE_4K, SIZE_2M, SIZE_1G, SIZE_COUNT };
enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH, ACCESS_COUNT };

static const char *const size_names[] = { "4k", "2m", "1g" };
static const char *const access_names[] = { "read", "write", "fetch" };

#define WB		field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB)
#define RET_INSTRUCTION 0xc3

/* A page in the image, so that large pages at 4 MiB and at 0 reach it. */
static u8 target[PAGE_SIZE] __attribute__((aligned(4096)));

static const char *size_name(unsigned int size)
{
	return size_names[size];
}

static bool size_supported(enum page_size size)
{
	if (size == SIZE_1G)
		return facts.ept_vpid & EPT_CAP_1G;
	return true;
}

static u64 page_bytes(enum page_size size)
{
	return size == SIZE_4K ? PAGE_SIZE : size == SIZE_2M ? PAGE_SIZE_2M : PAGE_SIZE_1G;
}

/* The leaf's address part, and where in the free gibibyte the target then is. */
static u64 leaf_base(enum page_size size)
{
	return align_down((uptr)target, page_bytes(size));
}

static uptr target_gpa(enum page_size size)
{
	return (uptr)(EPT_FREE_BASE + ((uptr)target - leaf_base(size)));
}

static void map_leaf(struct ept_map *map, enum page_size size, u64 bits)
{
	u64 entry = leaf_base(size) | bits | (size == SIZE_4K ? 0 : EPT_LEAF);

	if (size == SIZE_4K)
		ept_map_4k(map, entry);
	else if (size == SIZE_2M)
		ept_map_2m(map, entry);
	else
		ept_map_1g(map, entry);
	ept_flush(map);
}

static struct ept_map *fresh(void)
{
	struct ept_map *map = ept_map_fresh();

	vm_reset(L2_NATIVE);
	vm_set(VMCS_eptp, map->eptp);
	target[0] = RET_INSTRUCTION;
	return map;
}

static struct outcome do_access(enum access access, uptr address)
{
	static const u8 *const programs[] = { l2_read_bx, l2_write_bx, l2_call_bx };

	vm_self()->regs.rbx = address;
	vm_self()->regs.rax = RET_INSTRUCTION;
	return vm_run(programs[access]);
}

static bool rights_misconfigured(u64 rights)
{
	if ((rights & EPT_WRITE) && !(rights & EPT_READ))
		return true;
	return rights == EPT_EXECUTE && !(facts.ept_vpid & EPT_CAP_EXECUTE_ONLY);
}

/* The model: what an access to a page with these rights leads to. */
static void check_rights(struct outcome o, u64 rights, enum access access, uptr gpa)
{
	u64 expected = BIT(access) | rights << 3 | EPT_VIOLATION_LINEAR_VALID | EPT_VIOLATION_FINAL;

	if (rights_misconfigured(rights)) {
		check_exit(o, EXIT_REASON_EPT_MISCONFIGURATION, "misconfiguration");
		check_eq(gpa, vm_get(VMCS_guest_physical_address), "guest-physical address");
		return;
	}
	if (rights & BIT(access)) {
		check_exit(o, EXIT_REASON_VMCALL, "allowed");
		return;
	}
	check_exit(o, EXIT_REASON_EPT_VIOLATION, "violation");
	check_bits(expected, 0x1bf, o.qualification, "qualification");
	check_eq(gpa, vm_get(VMCS_guest_physical_address), "guest-physical address");
	check_eq(gpa, vm_get(VMCS_guest_linear_address), "guest-linear address");
}

static void rights(unsigned int size)
{
	struct ept_map *map;

	if (!case_requires(size_supported((enum page_size)size), "no such page size"))
		return;
	for (u64 r = 0; r < 8; r++) {
		for (unsigned int access = 0; access < ACCESS_COUNT; access++) {
			uptr gpa = target_gpa((enum page_size)size);

			map = fresh();
			map_leaf(map, (enum page_size)size, r | (r ? WB : 0));
			case_step("rights %u, %s", (unsigned int)r, access_names[access]);
			check_rights(do_access((enum access)access, gpa), r, (enum access)access,
				     gpa);
		}
	}
}

static void memory_types(unsigned int size)
{
	if (!case_requires(size_supported((enum page_size)size), "no such page size"))
		return;
	for (u64 type = 0; type < 8; type++) {
		bool good = type == 0 || type == 1 || (type >= 4 && type <= 6);
		struct ept_map *map = fresh();

		map_leaf(map, (enum page_size)size, EPT_RWX | field_make(EPT_MEMORY_TYPE, type));
		case_step("type %u", (unsigned int)type);
		for (unsigned int a = 0; a < ACCESS_COUNT; a++)
			check_exit(do_access((enum access)a, target_gpa((enum page_size)size)),
				   good ? EXIT_REASON_VMCALL : EXIT_REASON_EPT_MISCONFIGURATION,
				   access_names[a]);
	}
}

/* Ignore PAT and bits 63:52 and 11 of a leaf change nothing that an access can see. */
static void ignored_bits(unsigned int size)
{
	if (!case_requires(size_supported((enum page_size)size), "no such page size"))
		return;
	for (unsigned int bit = 6; bit < 64; bit++) {
		struct ept_map *map;

		if (!(bit == 6 || bit == 11 || (bit >= 52 && bit <= 56) || bit == 62))
			continue;
		map = fresh();
		map_leaf(map, (enum page_size)size, EPT_RWX | WB | BIT(bit));
		case_step("bit %u", bit);
		check_exit(do_access(ACCESS_READ, target_gpa((enum page_size)size)),
			   EXIT_REASON_VMCALL, "read");
	}
}

/* Address bits below the page size and beyond the physical width are reserved. */
static void reserved_bits(unsigned int size)
{
	unsigned int low = size == SIZE_2M ? 20 : size == SIZE_1G ? 29 : 0;

	if (!case_requires(size_supported((enum page_size)size), "no such page size"))
		return;
	for (unsigned int bit = 12; bit < 52; bit++) {
		struct ept_map *map;

		if (bit > low && bit < facts.physical_bits)
			continue;
		map = fresh();
		map_leaf(map, (enum page_size)size, EPT_RWX | WB | BIT(bit));
		case_step("bit %u", bit);
		check_exit(do_access(ACCESS_READ, target_gpa((enum page_size)size)),
			   EXIT_REASON_EPT_MISCONFIGURATION, "read");
	}
}

/* PDPTEs and PDEs that refer to tables: bits 6:3 and those beyond the width. */
static void table_reserved_bits(void)
{
	for (unsigned int level = 1; level < 3; level++) {
		for (unsigned int bit = 3; bit < 52; bit++) {
			struct ept_map *map;

			if (bit > 6 && bit < facts.physical_bits)
				continue;
			map = fresh();
			map_leaf(map, SIZE_4K, EPT_RWX | WB);
			*(level == 1 ? &map->pdpt[3] : &map->pd[0]) |= BIT(bit);
			ept_flush(map);
			case_step("level %u bit %u", level, bit);
			check_exit(do_access(ACCESS_READ, EPT_FREE_BASE),
				   EXIT_REASON_EPT_MISCONFIGURATION, "read");
			check_eq(EPT_FREE_BASE, vm_get(VMCS_guest_physical_address),
				 "guest-physical address");
		}
	}
}

/* A PML4E with a reserved bit: the first fetch exits. */
static void pml4e_reserved_bits(void)
{
	for (unsigned int bit = 3; bit < 8; bit++) {
		struct ept_map *map = fresh();

		map->pml4[0] |= BIT(bit);
		ept_flush(map);
		case_step("bit %u", bit);
		check_exit(vm_run(l2_vmcall), EXIT_REASON_EPT_MISCONFIGURATION, "fetch");
		map->pml4[0] &= ~BIT(bit);
	}
}

/* An entry that is not present may hold anything: a violation, never a misconfiguration. */
static void not_present_junk(void)
{
	struct ept_map *map;

	for (unsigned int level = 1; level < 4; level++) {
		map = fresh();
		map_leaf(map, SIZE_4K, EPT_RWX | WB);
		*(level == 1 ? &map->pdpt[3] : level == 2 ? &map->pd[0] : &map->pt[0]) = ~7ULL;
		ept_flush(map);
		case_step("level %u", level);
		check_exit(do_access(ACCESS_READ, EPT_FREE_BASE), EXIT_REASON_EPT_VIOLATION,
			   "read");
		check_bits(0, FIELD(5, 3), vm_get(VMCS_exit_qualification), "no rights");
	}
}

/* The rights are those of all levels together. */
static void rights_of_all_levels(void)
{
	for (u64 upper = 0; upper < 8; upper++) {
		for (u64 leaf = 0; leaf < 8; leaf++) {
			struct ept_map *map;

			if (rights_misconfigured(upper) || rights_misconfigured(leaf) || !leaf ||
			    !upper)
				continue;
			for (unsigned int a = 0; a < ACCESS_COUNT; a++) {
				struct outcome o;

				map = fresh();
				map_leaf(map, SIZE_4K, leaf | WB);
				map->pd[0] = (map->pd[0] & ~EPT_RWX) | upper;
				ept_flush(map);
				o = do_access((enum access)a, EPT_FREE_BASE);
				case_step("PDE %u PTE %u %s", (unsigned int)upper,
					  (unsigned int)leaf, access_names[a]);
				if (upper & leaf & BIT(a)) {
					check_exit(o, EXIT_REASON_VMCALL, "allowed");
					continue;
				}
				check_exit(o, EXIT_REASON_EPT_VIOLATION, "violation");
				check_bits((upper & leaf) << 3, FIELD(5, 3), o.qualification,
					   "rights in the qualification");
			}
		}
	}
}

/* A large page translates every offset: L2 reads what L1 wrote at many places. */
static void large_page_offsets(unsigned int size)
{
	static u32 marks[8][1024];
	struct ept_map *map;

	if (!case_requires(size_supported((enum page_size)size), "no such page size"))
		return;
	map = fresh();
	map_leaf(map, (enum page_size)size, EPT_RWX | WB);
	for (unsigned int i = 0; i < 8; i++) {
		uptr gpa = (uptr)(EPT_FREE_BASE +
				  ((uptr)&marks[i][77] - leaf_base((enum page_size)size)));

		if (size == SIZE_4K)
			return (void)case_requires(false, "large pages only");
		if (align_down((uptr)&marks[i], page_bytes((enum page_size)size)) !=
		    leaf_base((enum page_size)size))
			continue;
		marks[i][77] = 0x1000 + i;
		case_step("mark %u", i);
		check_exit(do_access(ACCESS_READ, gpa), EXIT_REASON_VMCALL, "read");
		check_eq(0x1000 + i, (u32)vm_self()->regs.rax, "value");
	}
}

/* KVM's marker for MMIO: write and execute without read is a misconfiguration. */
static void mmio_marker(void)
{
	struct ept_map *map = fresh();

	map_leaf(map, SIZE_4K, EPT_WRITE | EPT_EXECUTE | 0xfff8000000000000);
	for (unsigned int a = 0; a < ACCESS_COUNT; a++) {
		case_step("%s", access_names[a]);
		check_exit(do_access((enum access)a, EPT_FREE_BASE + 0x10),
			   EXIT_REASON_EPT_MISCONFIGURATION, "exits");
		check_eq(EPT_FREE_BASE + 0x10, vm_get(VMCS_guest_physical_address),
			 "guest-physical address");
	}
}

static const struct lhv_case cases[] = {
	{ .name = "rights",
	  .needs = NEEDS_VMX | NEEDS_EPT,
	  .run_row = rights,
	  .row_name = size_name,
	  .rows = SIZE_COUNT },
	{ .name = "memory-types",
	  .needs = NEEDS_VMX | NEEDS_EPT,
	  .run_row = memory_types,
	  .row_name = size_name,
	  .rows = SIZE_COUNT },
	{ .name = "ignored-bits",
	  .needs = NEEDS_VMX | NEEDS_EPT,
	  .run_row = ignored_bits,
	  .row_name = size_name,
	  .rows = SIZE_COUNT },
	{ .name = "reserved-bits",
	  .needs = NEEDS_VMX | NEEDS_EPT,
	  .run_row = reserved_bits,
	  .row_name = size_name,
	  .rows = SIZE_COUNT },
	{ .name = "reserved-bits/tables",
	  .needs = NEEDS_VMX | NEEDS_EPT,
	  .run = table_reserved_bits },
	{ .name = "reserved-bits/pml4e",
	  .needs = NEEDS_VMX | NEEDS_EPT,
	  .run = pml4e_reserved_bits },
	{ .name = "not-present-junk", .needs = NEEDS_VMX | NEEDS_EPT, .run = not_present_junk },
	{ .name = "rights/all-levels",
	  .needs = NEEDS_VMX | NEEDS_EPT,
	  .run = rights_of_all_levels },
	{ .name = "offsets",
	  .needs = NEEDS_VMX | NEEDS_EPT,
	  .run_row = large_page_offsets,
	  .row_name = size_name,
	  .rows = SIZE_COUNT },
	{ .name = "mmio-marker", .needs = NEEDS_VMX | NEEDS_EPT, .run = mmio_marker },
};
LHV_TOPIC("ept", cases);
