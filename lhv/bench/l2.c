/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries and exits, and what L2 does.  An instruction that exits and is not skipped
 * exits again at the next entry: so a round trip needs no VMREAD and no VMWRITE.
 */
#include "lhv/bench/operations.h"

#include "lhv/frame/machine.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define TOUCH_TABLES 2 /* page tables of 512 entries each */
#define TOUCH_PAGES  (TOUCH_TABLES * 512)
#define WB	     field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB)
#define RAM_2M_PAGES 64

static const u8 *ready(const u8 *program)
{
	vm_prepare(vm_self());
	vm_reset(L2_NATIVE);
	return program;
}

/* Enters once by VMLAUNCH; claim: it ended with @reason. */
static bool first_exit(const u8 *program, u32 reason)
{
	struct outcome o = vm_run(program);

	return o.result == VMX_SUCCEED && o.reason == reason;
}

static u64 bare_rounds(void)
{
	u64 start = bench_clock();

	for (unsigned int i = 0; i < BENCH_ROUNDS; i++)
		vm_enter_bare();
	return bench_clock() - start;
}

static u64 round_trip(void)
{
	return first_exit(ready(l2_vmcall), EXIT_REASON_VMCALL) ? bare_rounds() : BENCH_FAILED;
}

static u64 round_trip_noept(void)
{
	ready(l2_vmcall);
	vm_control(VMX_WORD_PROC2, 0, PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
	return first_exit(l2_vmcall, EXIT_REASON_VMCALL) ? bare_rounds() : BENCH_FAILED;
}

static u64 round_trip_2r1w(void)
{
	uptr value;
	u64 start;

	if (!first_exit(ready(l2_vmcall), EXIT_REASON_VMCALL))
		return BENCH_FAILED;
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++) {
		vm_enter_bare();
		vmread_checked(VMCS_exit_reason, &value);
		vmread_checked(VMCS_guest_rip, &value);
		vmwrite_checked(VMCS_guest_rip, value);
	}
	return bench_clock() - start;
}

static u64 round_trip_12r4w(void)
{
	static const u32 reads[12] = {
		VMCS_exit_reason,
		VMCS_exit_qualification,
		VMCS_exit_interruption_information,
		VMCS_idt_vectoring_information,
		VMCS_exit_instruction_length,
		VMCS_guest_cr0,
		VMCS_guest_cr4,
		VMCS_guest_cr3,
		VMCS_guest_rflags,
		VMCS_guest_rsp,
		VMCS_guest_interruptibility_state,
		VMCS_guest_rip,
	};
	static const u32 writes[4] = { VMCS_guest_rip, VMCS_guest_rsp, VMCS_guest_rflags,
				       VMCS_guest_interruptibility_state };
	uptr values[4];
	u64 start;

	if (!first_exit(ready(l2_vmcall), EXIT_REASON_VMCALL))
		return BENCH_FAILED;
	for (unsigned int i = 0; i < 4; i++)
		vmread_checked(writes[i], &values[i]);
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++) {
		uptr value;

		vm_enter_bare();
		for (unsigned int r = 0; r < 12; r++)
			vmread_checked(reads[r], &value);
		for (unsigned int w = 0; w < 4; w++)
			vmwrite_checked(writes[w], values[w]);
	}
	return bench_clock() - start;
}

/* RDMSR and WRMSR that bitmap12 does not pass, IN that the I/O controls do not pass. */
static u64 intercepted(const u8 *program, u32 reason)
{
	ready(program);
	vm_control(VMX_WORD_PROC1, 0, PROC1_USE_MSR_BITMAPS);
	vm_self()->regs.rcx = MSR_IA32_KERNEL_GS_BASE;
	vm_self()->regs.rdx = 0x80;
	return first_exit(program, reason) ? bare_rounds() : BENCH_FAILED;
}

static u64 l2_rdmsr_exits(void)
{
	return intercepted(l2_rdmsr, EXIT_REASON_RDMSR);
}

static u64 l2_wrmsr_exits(void)
{
	return intercepted(l2_wrmsr, EXIT_REASON_WRMSR);
}

static u64 l2_io_exits(void)
{
	return intercepted(l2_in_al, EXIT_REASON_IO_INSTRUCTION);
}

/* The same, all passed by L1: what L0 adds. */
static u64 passed(const u8 *program)
{
	struct vm *vm = vm_self();
	u64 value = rdmsr(MSR_IA32_KERNEL_GS_BASE), start;

	ready(program);
	vm_control(VMX_WORD_PROC1, 0, PROC1_UNCONDITIONAL_IO_EXITING);
	vm->regs.rbx = BENCH_ROUNDS;
	vm->regs.rcx = MSR_IA32_KERNEL_GS_BASE;
	vm->regs.rax = (uptr)(u32)value;
	vm->regs.rdx = program == l2_in_loop ? 0x80 : (uptr)(value >> 32);
	vm_set(VMCS_guest_rip, (uptr)program);
	start = bench_clock();
	if (vm_enter_bare() || vm->regs.rbx)
		return BENCH_FAILED;
	return bench_clock() - start;
}

static u64 l2_rdmsr_passed(void)
{
	return passed(l2_rdmsr_loop);
}

static u64 l2_wrmsr_passed(void)
{
	return passed(l2_wrmsr_loop);
}

static u64 l2_io_passed(void)
{
	return passed(l2_in_loop);
}

static struct ept_map *ready_ept(const u8 *program)
{
	struct ept_map *map;

	if (!ept_usable())
		return NULL;
	ready(program);
	map = ept_map_fresh();
	vm_set(VMCS_eptp, map->eptp);
	ept_flush(map);
	vm_self()->regs.rbx = EPT_FREE_BASE;
	return map;
}

static u64 ept_violation(void)
{
	if (!ready_ept(l2_read_bx))
		return BENCH_UNAVAILABLE;
	return first_exit(l2_read_bx, EXIT_REASON_EPT_VIOLATION) ? bare_rounds() : BENCH_FAILED;
}

/* One entry that reads @count places, @apart; ticks scaled to BENCH_ROUNDS of them. */
static u64 touch(unsigned int count, u64 apart)
{
	struct vm *vm = vm_self();
	u64 start;

	vm->regs.rcx = count;
	vm->regs.rdx = (uptr)apart;
	vm->regs.rbx = EPT_FREE_BASE;
	vm_set(VMCS_guest_rip, (uptr)l2_read_pages);
	start = bench_clock();
	if (vm_enter_bare() || vm->regs.rcx)
		return BENCH_FAILED;
	start = bench_clock() - start;
	vm->launched = true;
	vm->known[VMCS_INDEX_guest_rip] = false;
	return start * BENCH_ROUNDS / count;
}

static void map_small_pages(struct ept_map *map)
{
	static u64 *tables, *page;

	if (!tables) {
		tables = page_alloc(TOUCH_TABLES);
		page = page_alloc(1);
	}
	for (unsigned int i = 0; i < TOUCH_PAGES; i++)
		tables[i] = (uptr)page | EPT_RWX | WB;
	for (unsigned int i = 0; i < TOUCH_TABLES; i++)
		map->pd[i] = (uptr)(tables + i * 512) | EPT_RWX;
	map->pdpt[3] = (uptr)map->pd | EPT_RWX;
	ept_flush(map);
}

static u64 first_touch_4k(void)
{
	struct ept_map *map = ready_ept(l2_read_pages);

	if (!map)
		return BENCH_UNAVAILABLE;
	map_small_pages(map);
	return touch(TOUCH_PAGES, PAGE_SIZE);
}

static u64 first_touch_2m(void)
{
	struct ept_map *map = ready_ept(l2_read_pages);

	if (!map)
		return BENCH_UNAVAILABLE;
	for (unsigned int i = 0; i < 512; i++)
		map->pd[i] = (i % RAM_2M_PAGES) * PAGE_SIZE_2M | EPT_RWX | WB | EPT_LEAF;
	map->pdpt[3] = (uptr)map->pd | EPT_RWX;
	ept_flush(map);
	return touch(512, PAGE_SIZE_2M);
}

/* A 1 GiB page taken away, flushed, given back and touched: one round each. */
static u64 first_touch_1g(void)
{
	struct ept_map *map = ready_ept(l2_read_bx);
	u64 start;

	if (!map || !(facts.ept_vpid & EPT_CAP_1G))
		return BENCH_UNAVAILABLE;
	ept_map_1g(map, 0 | EPT_RWX | WB | EPT_LEAF);
	ept_flush(map);
	if (!first_exit(l2_read_bx, EXIT_REASON_VMCALL))
		return BENCH_FAILED;
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++) {
		ept_map_1g(map, 0);
		ept_flush(map);
		ept_map_1g(map, 0 | EPT_RWX | WB | EPT_LEAF);
		vmwrite_checked(VMCS_guest_rip, (uptr)l2_read_bx);
		vm_enter_bare();
	}
	return bench_clock() - start;
}

/* INVEPT while 512 small pages are warm, then all of them again; the whole, per INVEPT. */
static u64 invept_warm_512(void)
{
	struct ept_map *map = ready_ept(l2_read_pages);
	struct vm *vm = vm_self();
	u64 start;
	unsigned int rounds = 10;

	if (!map)
		return BENCH_UNAVAILABLE;
	map_small_pages(map);
	if (touch(512, PAGE_SIZE) == BENCH_FAILED)
		return BENCH_FAILED;
	start = bench_clock();
	for (unsigned int i = 0; i < rounds; i++) {
		ept_flush(map);
		vm->regs.rcx = 512;
		vm->regs.rbx = EPT_FREE_BASE;
		vmwrite_checked(VMCS_guest_rip, (uptr)l2_read_pages);
		vm_enter_bare();
	}
	return (bench_clock() - start) * BENCH_ROUNDS / rounds;
}

/* VMware's world switch, with an entry in it: VMXON, VMPTRLD, INVVPID, VMCLEAR, VMXOFF. */
static u64 vmware_loop(void)
{
	uptr region, on, cr4;
	u64 start;

	if (!first_exit(ready(l2_vmcall), EXIT_REASON_VMCALL))
		return BENCH_FAILED;
	region = (uptr)vm_self()->region;
	on = (uptr)vmxon_region();
	cr4 = read_cr4();
	vmclear(region);
	vmxoff();
	vm_self()->launched = false;
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++) {
		write_cr4(cr4);
		vmxon(on);
		vmptrld(region);
		vm_enter_bare();
		invvpid(INVVPID_ALL_CONTEXT, 0, 0);
		vmclear(region);
		vmxoff();
	}
	start = bench_clock() - start;
	vmx_note_on(false);
	return start;
}

static u64 switch_4_vmcs(void)
{
	static struct vm *vms[4];
	struct vm *first = vm_self();
	u64 start;

	for (unsigned int i = 0; i < 4; i++) {
		if (!vms[i])
			vms[i] = vm_new();
		vm_prepare(vms[i]);
		vm_reset(L2_NATIVE);
		if (!first_exit(l2_vmcall, EXIT_REASON_VMCALL))
			return BENCH_FAILED;
	}
	start = bench_clock();
	for (unsigned int i = 0; i < BENCH_ROUNDS; i++) {
		vm_load(vms[i % 4]);
		vm_enter_bare();
	}
	start = bench_clock() - start;
	vm_prepare(first);
	return start;
}

const struct bench_operation bench_l2_operations[] = {
	{ "round-trip", round_trip },
	{ "round-trip-noept", round_trip_noept },
	{ "round-trip-2r1w", round_trip_2r1w },
	{ "l2-rdmsr-intercepted", l2_rdmsr_exits },
	{ "l2-wrmsr-intercepted", l2_wrmsr_exits },
	{ "l2-io-intercepted", l2_io_exits },
	{ "l2-rdmsr", l2_rdmsr_passed },
	{ "l2-wrmsr", l2_wrmsr_passed },
	{ "l2-io", l2_io_passed },
	{ "ept-violation", ept_violation },
	{ "first-touch-4k", first_touch_4k },
	{ "first-touch-2m", first_touch_2m },
	{ "first-touch-1g", first_touch_1g },
	{ "invept-warm-512", invept_warm_512 },
	{ "vmware-loop", vmware_loop },
	{ "switch-4-vmcs", switch_4_vmcs },
	/* The last: L0 learns that its handler reads control registers, for some time. */
	{ "round-trip-12r4w", round_trip_12r4w },
};
const unsigned int bench_l2_count = ARRAY_SIZE(bench_l2_operations);
