/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS shadowing as L1 uses it for an L2 that is a hypervisor: VMREAD and VMWRITE of L2 act
 * on a shadow VMCS where the bitmaps let them.
 * SDM "VMREAD", "VMWRITE", "VMCS Shadowing".
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define REVISION ((u32)field_get(facts.basic, VMX_BASIC_REVISION))
#define NO_FIELD 0x5ffe

/* Each ends with PUSHF; POP RDX; VMCALL. */
static const u8 read_to_ax[] = { 0x0f, 0x78, 0xc8, 0x9c, 0x5a, 0x0f, 0x01, 0xc1 };
static const u8 write_from_ax[] = { 0x0f, 0x79, 0xc8, 0x9c, 0x5a, 0x0f, 0x01, 0xc1 };
static const u8 read_to_bx[] = { 0x0f, 0x78, 0x0b, 0x9c, 0x5a, 0x0f, 0x01, 0xc1 };
static const u8 write_from_bx[] = { 0x0f, 0x79, 0x0b, 0x9c, 0x5a, 0x0f, 0x01, 0xc1 };

static u8 *code;
static u8 *reads, *writes;
static u32 *shadow;
static u64 data[512] __attribute__((aligned(4096)));

static void make_shadow(void)
{
	struct vm *vm = vm_self();

	if (!shadow) {
		shadow = page_alloc(1);
		reads = page_alloc(1);
		writes = page_alloc(1);
		code = page_alloc(1);
	}
	shadow[0] = REVISION;
	vmclear((uptr)shadow);
	shadow[0] = REVISION | BIT32(31);
	check_vmx(VMX_SUCCEED, 0, vmptrld((uptr)shadow), "VMPTRLD of the shadow VMCS");
	vm_write_raw(VMCS_guest_rip, 0x1234567);
	vm_write_raw(VMCS_tsc_offset, 0x1122334455667788);
	vm_write_raw(VMCS_guest_es_selector, 0xabcd);
	vmclear((uptr)shadow);
	vm_load(vm);
}

/* A VM whose bitmaps let everything through. */
static bool prepare(void)
{
	if (!case_requires(vm_allows(VMX_WORD_PROC2, PROC2_VMCS_SHADOWING), "no VMCS shadowing"))
		return false;
	make_shadow();
	memset(reads, 0, PAGE_SIZE);
	memset(writes, 0, PAGE_SIZE);
	vm_control(VMX_WORD_PROC2, PROC2_VMCS_SHADOWING, 0);
	vm_set(VMCS_vmread_bitmap_address, (uptr)reads);
	vm_set(VMCS_vmwrite_bitmap_address, (uptr)writes);
	vm_set(VMCS_vmcs_link_pointer, (uptr)shadow);
	return true;
}

static void finish(void)
{
	vmclear((uptr)shadow);
	shadow[0] = REVISION;
	vm_forget(vm_self());
}

static struct outcome run(const u8 *program, u32 encoding, uptr value)
{
	memcpy(code, program, sizeof(read_to_ax));
	vm_self()->regs.rcx = encoding;
	vm_self()->regs.rax = value;
	return vm_run(code);
}

static void flags(u64 expected, const char *what)
{
	check_bits(expected, RFLAGS_CF | RFLAGS_ZF, vm_self()->regs.rdx, what);
}

static void registers(void)
{
	if (!prepare())
		return;
	check_exit(run(read_to_ax, VMCS_guest_rip, 0), EXIT_REASON_VMCALL, "VMREAD");
	check_eq(0x1234567, vm_self()->regs.rax, "the shadow VMCS's RIP");
	flags(0, "VMsucceed");
	check_exit(run(write_from_ax, VMCS_guest_rip, 0x7654321), EXIT_REASON_VMCALL, "VMWRITE");
	flags(0, "VMsucceed");
	check_exit(run(read_to_ax, VMCS_guest_rip, 0), EXIT_REASON_VMCALL, "VMREAD again");
	check_eq(0x7654321, vm_self()->regs.rax, "what was written");
	check_exit(run(write_from_ax, VMCS_guest_es_selector, 0x12345), EXIT_REASON_VMCALL,
		   "VMWRITE of 16 bits");
	check_exit(run(read_to_ax, VMCS_guest_es_selector, 0), EXIT_REASON_VMCALL, "VMREAD of it");
	check_eq(0x2345, vm_self()->regs.rax, "cut to 16 bits");
	check_exit(run(read_to_ax, VMCS_tsc_offset | 1, 0), EXIT_REASON_VMCALL, "upper half");
	check_eq(0x11223344, vm_self()->regs.rax, "value of the upper half");
	check_exit(run(write_from_ax, VMCS_tsc_offset | 1, 0x99), EXIT_REASON_VMCALL, "write it");
	check_exit(run(read_to_ax, VMCS_tsc_offset, 0), EXIT_REASON_VMCALL, "all of it");
	check_eq((uptr)0x9955667788, vm_self()->regs.rax, "both halves");
	check_true(vm_get(VMCS_guest_rip) != 0x7654321, "the current VMCS is not touched");
	finish();
}

static void memory_operands(void)
{
	if (!prepare())
		return;
	vm_self()->regs.rbx = (uptr)data;
	data[0] = data[1] = ~0ULL;
	check_exit(run(read_to_bx, VMCS_guest_rip, 0), EXIT_REASON_VMCALL, "VMREAD");
	check_eq(0x1234567, *(uptr *)data, "in memory");
	check_eq(~0ULL, data[1], "the bytes after it");
	*(uptr *)data = 0x42424242;
	check_exit(run(write_from_bx, VMCS_guest_rip, 0), EXIT_REASON_VMCALL, "VMWRITE");
	check_exit(run(read_to_ax, VMCS_guest_rip, 0), EXIT_REASON_VMCALL, "VMREAD of it");
	check_eq(0x42424242, vm_self()->regs.rax, "from memory");
	finish();
}

static void bitmaps(void)
{
	struct outcome o;

	if (!prepare())
		return;
	reads[VMCS_guest_rip / 8] = (u8)BIT32(VMCS_guest_rip % 8);
	o = run(read_to_ax, VMCS_guest_rip, 0);
	check_exit(o, EXIT_REASON_VMREAD, "the bit of the VMREAD bitmap");
	check_exit(run(write_from_ax, VMCS_guest_rip, 5), EXIT_REASON_VMCALL, "VMWRITE passes");
	check_exit(run(read_to_ax, VMCS_guest_rsp, 0), EXIT_REASON_VMCALL, "VMREAD of another");
	writes[VMCS_guest_rip / 8] = (u8)BIT32(VMCS_guest_rip % 8);
	check_exit(run(write_from_ax, VMCS_guest_rip, 5), EXIT_REASON_VMWRITE, "and of VMWRITE's");
	check_exit(run(read_to_ax, 0x8000, 0), EXIT_REASON_VMREAD, "beyond 15 bits");
	vm_control(VMX_WORD_PROC2, 0, PROC2_VMCS_SHADOWING);
	vm_set(VMCS_vmcs_link_pointer, ~0ULL);
	check_exit(run(read_to_ax, VMCS_guest_rsp, 0), EXIT_REASON_VMREAD, "without the control");
	finish();
}

static void failures(void)
{
	if (!prepare())
		return;
	check_exit(run(read_to_ax, NO_FIELD, 0x77), EXIT_REASON_VMCALL, "no such field");
	flags(RFLAGS_ZF, "VMfailValid");
	check_eq(0x77, vm_self()->regs.rax, "the register stays");
	check_exit(run(write_from_ax, NO_FIELD, 0), EXIT_REASON_VMCALL, "VMWRITE to none");
	flags(RFLAGS_ZF, "VMfailValid");
	vm_set(VMCS_vmcs_link_pointer, ~0ULL);
	check_exit(run(read_to_ax, VMCS_guest_rip, 0), EXIT_REASON_VMCALL, "no link pointer");
	flags(RFLAGS_CF, "VMfailInvalid");
	finish();
}

/* The operand of L2 goes through EPT like any other access. */
static void operand_in_ept(void)
{
	struct ept_map *map;
	struct outcome o;

	if (!prepare())
		return;
	map = ept_map_fresh();
	vm_set(VMCS_eptp, map->eptp);
	ept_map_4k(map, (uptr)data | EPT_RWX | field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB));
	ept_flush(map);
	vm_self()->regs.rbx = EPT_FREE_BASE + 0x100;
	check_exit(run(read_to_bx, VMCS_guest_rip, 0), EXIT_REASON_VMCALL, "VMREAD");
	check_eq(0x1234567, *(uptr *)&data[0x100 / 8], "where EPT leads");
	ept_map_4k(map, (uptr)data | EPT_READ | field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB));
	ept_flush(map);
	vm_self()->regs.rbx = EPT_FREE_BASE + 0x108;
	o = run(read_to_bx, VMCS_guest_rip, 0);
	check_exit(o, EXIT_REASON_EPT_VIOLATION, "VMREAD to a read-only page");
	check_bits(EPT_VIOLATION_WRITE | EPT_VIOLATION_READ << 3 | EPT_VIOLATION_LINEAR_VALID |
			   EPT_VIOLATION_FINAL,
		   FIELD(5, 1) | EPT_VIOLATION_LINEAR_VALID | EPT_VIOLATION_FINAL, o.qualification,
		   "qualification");
	check_eq(EPT_FREE_BASE + 0x108, vm_get(VMCS_guest_physical_address), "physical address");
	check_eq(EPT_FREE_BASE + 0x108, vm_get(VMCS_guest_linear_address), "linear address");
	check_exit(run(write_from_bx, VMCS_guest_rip, 0), EXIT_REASON_VMCALL, "VMWRITE from it");
	ept_map_4k(map, 0);
	ept_flush(map);
	check_exit(run(write_from_bx, VMCS_guest_rip, 0), EXIT_REASON_EPT_VIOLATION, "absent");
	finish();
}

/* L1 has the shadow VMCS active while L2 uses it. */
static void active_in_l1(void)
{
	struct vm *vm = vm_self();

	if (!prepare())
		return;
	vmptrld((uptr)shadow);
	vm_write_raw(VMCS_guest_rip, 0xabc);
	vm_load(vm);
	check_exit(run(read_to_ax, VMCS_guest_rip, 0), EXIT_REASON_VMCALL, "VMREAD");
	check_eq(0xabc, vm_self()->regs.rax, "what L1 wrote");
	check_exit(run(write_from_ax, VMCS_guest_rip, 0xdef), EXIT_REASON_VMCALL, "VMWRITE");
	vmptrld((uptr)shadow);
	vm_forget(vm);
	check_eq(0xdef, vm_get(VMCS_guest_rip), "what L2 wrote");
	vm_load(vm);
	finish();
}

static const struct lhv_case cases[] = {
	{ .name = "registers", .needs = NEEDS_VMX, .run = registers },
	{ .name = "memory", .needs = NEEDS_VMX, .run = memory_operands },
	{ .name = "bitmaps", .needs = NEEDS_VMX, .run = bitmaps },
	{ .name = "failures", .needs = NEEDS_VMX, .run = failures },
	{ .name = "ept", .needs = NEEDS_VMX | NEEDS_EPT, .run = operand_in_ept },
	{ .name = "active", .needs = NEEDS_VMX, .run = active_in_l1 },
};
LHV_TOPIC("shadowing", cases);
