/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hypapp with intercepts, as guard.c: L2, at once and on all CPUs, and what L0 does for L1 at
 * addresses in VMCS12.
 */
#include "lhv/cases/guard.h"

#include "lhv/frame/apic.h"
#include "lhv/frame/asm_hw.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/smp.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define WAIT_TICKS 3000000
#define SETTLE	   50000
#define RWX_WB	   (EPT_RWX | field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB))

static u32 page[1024] __attribute__((aligned(4096)));
static u64 bitmaps[2][512] __attribute__((aligned(4096)));

static struct outcome l2_writes(uptr address, u32 value)
{
	vm_self()->regs.rbx = address;
	vm_self()->regs.rax = value;
	return vm_run(l2_write_bx);
}

/* The page that L2 has at @gpa, which was free until now. */
static void check_protected(uptr gpa)
{
	uptr before = guard_count(0);

	page[0] = 1;
	check_exit(l2_writes(gpa, 2), EXIT_REASON_VMCALL, "a write while the page is free");
	check_eq(2, page[0], "is done");
	guard_protect(page, EPT_READ, HANDLE);
	check_exit(l2_writes(gpa, 3), EXIT_REASON_VMCALL, "a write");
	check_eq(2, page[0], "is lost");
	check_eq(before + 1, guard_count(0), "and counted");
	check_eq((uptr)page, hypercall_2(LAST, 0, 0).bx, "with L1's address");
	check_eq(EPT_WRITE | 1 << 8, hypercall_2(LAST, 0, 0).dx, "as L2's");
	guard_protect(page, EPT_READ, PASS);
	check_exit(l2_writes(gpa, 4), EXIT_REASON_VMCALL, "a write that passes");
	check_eq(4, page[0], "is done");
	vm_set(VMCS_exception_bitmap, BIT32(VECTOR_GP) | BIT32(VECTOR_PF));
	guard_protect(page, EPT_READ, DENY);
	check_exit(l2_writes(gpa, 5), EXIT_REASON_EXCEPTION_OR_NMI, "a denied write");
	check_eq(0x80000b0d, vm_get(VMCS_exit_interruption_information), "#GP");
	guard_protect(page, EPT_READ, FAULT);
	check_exit(l2_writes(gpa, 5), EXIT_REASON_EXCEPTION_OR_NMI, "a write that faults");
	check_eq(0x80000b0e, vm_get(VMCS_exit_interruption_information), "#PF");
	check_eq(gpa, vm_get(VMCS_exit_qualification), "there");
	vm_set(VMCS_exception_bitmap, 0);
	check_eq(4, page[0], "nothing is done");
	guard_protect(page, 0, PASS);
	vm_self()->regs.rbx = gpa;
	check_exit(vm_run(l2_read_bx), EXIT_REASON_VMCALL, "a read of a page without rights");
	check_eq(4, (u32)vm_self()->regs.rax, "passes");
	guard_protect(page, EPT_RWX, PASS);
	before = guard_count(0);
	check_exit(l2_writes(gpa, 6), EXIT_REASON_VMCALL, "free again");
	check_eq(6, page[0], "is done");
	check_eq(before, guard_count(0), "and not counted");
}

enum mapping { IDENTITY_2M, ALONE_4K, WITHOUT_EPT, MAPPINGS };

static const char *mapping_name(unsigned int mapping)
{
	static const char *const names[] = { "identity-2m", "4k", "without-ept" };

	return names[mapping];
}

static void memory_of_l2(unsigned int mapping)
{
	struct ept_map *map;

	if (!guard_is_there())
		return;
	if (mapping == WITHOUT_EPT) {
		vm_control(VMX_WORD_PROC2, 0, PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
		check_protected((uptr)page);
		return;
	}
	map = ept_map_fresh();
	vm_reset(L2_NATIVE);
	vm_set(VMCS_eptp, map->eptp);
	ept_map_4k(map, (uptr)page | RWX_WB);
	check_protected(mapping == IDENTITY_2M ? (uptr)page : EPT_FREE_BASE);
}

/* EPT12 forbids more than the hypapp: that is L1's exit, and the hypapp does not hear of it. */
static void memory_that_l1_forbids(void)
{
	struct ept_map *map;
	uptr before;

	if (!guard_is_there())
		return;
	map = ept_map_fresh();
	vm_reset(L2_NATIVE);
	vm_set(VMCS_eptp, map->eptp);
	ept_map_4k(map, (uptr)page | EPT_READ | field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB));
	guard_protect(page, EPT_READ, HANDLE);
	before = guard_count(0);
	check_exit(l2_writes(EPT_FREE_BASE, 1), EXIT_REASON_EPT_VIOLATION, "L1's violation");
	check_eq(before, guard_count(0), "not the hypapp's");
	guard_protect(page, EPT_RWX, PASS);
}

struct remote {
	bool ept;
	volatile u32 ready;
	struct outcome outcome;
};

static void add_on_cpu1(void *argument)
{
	struct remote *r = argument;

	vm_prepare(vm_self());
	vm_reset(L2_NATIVE);
	if (r->ept)
		vm_set(VMCS_eptp, ept_map_fresh()->eptp);
	else
		vm_control(VMX_WORD_PROC2, 0, PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
	vm_self()->regs.rbx = (uptr)page;
	disable_interrupts();
	r->ready = 1;
	r->outcome = vm_run(l2_add_loop);
	nmi_unblock();
	vmclear((uptr)vm_self()->region);
	vmx_off();
	enable_interrupts();
}

static u32 sum(void)
{
	return *(volatile u32 *)page;
}

/* L2 on CPU 1 adds to the page all the time: after the hypercall not once more. */
static void while_l2_runs(unsigned int with_ept)
{
	struct remote r = { .ept = with_ept };
	u32 before;

	if (!guard_is_there())
		return;
	page[0] = 0;
	smp_send_work(1, add_on_cpu1, &r);
	if (!check_true(wait_for(&r.ready, WAIT_TICKS), "CPU 1 is ready"))
		return;
	delay(SETTLE);
	for (unsigned int i = 0; i < 3; i++) {
		case_step("time %u", i);
		before = sum();
		delay(SETTLE);
		check_true(sum() != before, "L2 adds");
		guard_protect(page, EPT_READ, HANDLE);
		before = sum();
		delay(SETTLE);
		check_eq(before, sum(), "and no more");
		guard_protect(page, EPT_RWX, PASS);
	}
	apic_send(cpus[1].apic_id, ICR_NMI | ICR_ASSERT);
	check_true(smp_wait(1, WAIT_TICKS), "CPU 1 came out of L2");
	check_exit(r.outcome, EXIT_REASON_EXCEPTION_OR_NMI, "by the NMI");
}

static const char *ept_name(unsigned int with_ept)
{
	return with_ept ? "ept" : "without-ept";
}

static struct outcome l2_in(u16 port)
{
	vm_self()->regs.rdx = port;
	vm_self()->regs.rax = 0;
	return vm_run(l2_in_al);
}

static void use_io_bitmaps(u8 fill)
{
	memset(bitmaps, fill, sizeof(bitmaps));
	vm_control(VMX_WORD_PROC1, PROC1_USE_IO_BITMAPS, PROC1_UNCONDITIONAL_IO_EXITING);
	vm_set(VMCS_io_bitmap_a_address, (uptr)bitmaps[0]);
	vm_set(VMCS_io_bitmap_b_address, (uptr)bitmaps[1]);
}

/* What L1 does not intercept. */
static void check_port_of_l2(void)
{
	uptr before = guard_count(1);

	/* An instruction that meets an EPT violation begins again, and the hypapp is asked again.
	 */
	vm_self()->regs.rbx = (uptr)page;
	check_exit(vm_run(l2_read_bx), EXIT_REASON_VMCALL, "the page is there");
	guard_set(SET_PORT, GUARD_PORT, 1, PASS);
	check_exit(l2_in(GUARD_PORT), EXIT_REASON_VMCALL, "an IN that passes");
	check_eq(0xff, (u8)vm_self()->regs.rax, "reads nothing");
	check_eq(before + 1, guard_count(1), "and is counted");
	check_exit(l2_in(GUARD_PORT + 1), EXIT_REASON_VMCALL, "the port above is free");
	check_eq(before + 1, guard_count(1), "and not counted");
	vm_self()->regs.rdx = GUARD_PORT;
	vm_self()->regs.rsi = (uptr)page;
	check_exit(vm_run(l2_outsb), EXIT_REASON_VMCALL, "OUTS passes");
	check_eq((uptr)page + 1, vm_self()->regs.rsi, "and is done once");
	check_eq(before + 2, guard_count(1), "and counted");
	guard_set(SET_PORT, GUARD_PORT, 1, HANDLE);
	check_exit(l2_in(GUARD_PORT), EXIT_REASON_VMCALL, "one that the hypapp handles");
	check_eq((u8)GUARD_VALUE, (u8)vm_self()->regs.rax, "has its value");
	vm_set(VMCS_exception_bitmap, BIT32(VECTOR_GP));
	guard_set(SET_PORT, GUARD_PORT, 1, DENY);
	check_exit(l2_in(GUARD_PORT), EXIT_REASON_EXCEPTION_OR_NMI, "denied");
	check_eq(0x80000b0d, vm_get(VMCS_exit_interruption_information), "#GP");
	vm_set(VMCS_exception_bitmap, 0);
	guard_set(SET_PORT, GUARD_PORT, 0, PASS);
	before = guard_count(1);
	check_exit(l2_in(GUARD_PORT), EXIT_REASON_VMCALL, "free again");
	check_eq(before, guard_count(1), "and not counted");
}

static void port_of_l2(void)
{
	uptr before;

	if (!guard_is_there())
		return;
	case_step("no exits of L1's");
	vm_control(VMX_WORD_PROC1, 0, PROC1_USE_IO_BITMAPS | PROC1_UNCONDITIONAL_IO_EXITING);
	check_port_of_l2();
	case_step("empty bitmaps");
	use_io_bitmaps(0);
	check_port_of_l2();
	case_step("L1's own");
	guard_set(SET_PORT, GUARD_PORT, 1, HANDLE);
	before = guard_count(1);
	((u8 *)bitmaps)[(GUARD_PORT + 1) / 8] |= (u8)BIT32((GUARD_PORT + 1) % 8);
	check_exit(l2_in(GUARD_PORT + 1), EXIT_REASON_IO_INSTRUCTION, "another port");
	((u8 *)bitmaps)[GUARD_PORT / 8] |= (u8)BIT32(GUARD_PORT % 8);
	check_exit(l2_in(GUARD_PORT), EXIT_REASON_IO_INSTRUCTION, "the same port");
	check_eq(before, guard_count(1), "which the hypapp does not see");
	((u8 *)bitmaps)[GUARD_PORT / 8] = 0;
	check_exit(l2_in(GUARD_PORT), EXIT_REASON_VMCALL, "L1 wants it no more");
	check_eq((u8)GUARD_VALUE, (u8)vm_self()->regs.rax, "the hypapp does");
	vm_control(VMX_WORD_PROC1, PROC1_UNCONDITIONAL_IO_EXITING, PROC1_USE_IO_BITMAPS);
	check_exit(l2_in(GUARD_PORT), EXIT_REASON_IO_INSTRUCTION, "L1 wants all");
	check_exit(l2_in(GUARD_PORT + 0x80), EXIT_REASON_IO_INSTRUCTION, "all");
	guard_set(SET_PORT, GUARD_PORT, 0, PASS);
}

static struct outcome l2_reads_msr(void)
{
	vm_self()->regs.rcx = GUARD_MSR;
	vm_self()->regs.rax = 0;
	return vm_run(l2_rdmsr);
}

static void msr_of_l2(void)
{
	u64 value = rdmsr(GUARD_MSR);

	if (!guard_is_there() ||
	    !case_requires(vm_allows(VMX_WORD_PROC1, PROC1_USE_MSR_BITMAPS), "no MSR bitmaps"))
		return;
	memset(bitmaps, 0, sizeof(bitmaps));
	vm_control(VMX_WORD_PROC1, PROC1_USE_MSR_BITMAPS, 0);
	vm_set(VMCS_msr_bitmap_address, (uptr)bitmaps[0]);
	for (unsigned int i = 0; i < 2; i++) {
		case_step("time %u", i);
		check_exit(l2_reads_msr(), EXIT_REASON_VMCALL, "free");
		check_eq((u32)value, (u32)vm_self()->regs.rax, "its value");
		guard_set(SET_MSR, GUARD_MSR, 1, HANDLE);
		check_exit(l2_reads_msr(), EXIT_REASON_VMCALL, "watched");
		check_eq(GUARD_VALUE, (u32)vm_self()->regs.rax, "the hypapp's value");
		guard_set(SET_MSR, GUARD_MSR, 0, PASS);
	}
	guard_set(SET_MSR, GUARD_MSR, 1, HANDLE);
	memset(bitmaps, 0xff, sizeof(bitmaps));
	check_exit(l2_reads_msr(), EXIT_REASON_RDMSR, "L1's own exit comes first");
	vm_control(VMX_WORD_PROC1, 0, PROC1_USE_MSR_BITMAPS);
	check_exit(l2_reads_msr(), EXIT_REASON_RDMSR, "as it does without bitmaps");
	guard_set(SET_MSR, GUARD_MSR, 0, PASS);
}

/* --- Addresses in VMCS12, and what L0 does for L1 --- */

/* A bitmap that may not be read reads as ones. */
static void bitmap_without_rights(void)
{
	if (!guard_is_there() ||
	    !case_requires(vm_allows(VMX_WORD_PROC1, PROC1_USE_MSR_BITMAPS), "no MSR bitmaps"))
		return;
	use_io_bitmaps(0);
	vm_control(VMX_WORD_PROC1, PROC1_USE_MSR_BITMAPS, 0);
	vm_set(VMCS_msr_bitmap_address, (uptr)page);
	memset(page, 0, sizeof(page));
	for (unsigned int i = 0; i < 2; i++) {
		case_step("time %u", i);
		check_exit(l2_reads_msr(), EXIT_REASON_VMCALL, "MSR bitmap");
		guard_protect(page, 0, DENY);
		check_exit(l2_reads_msr(), EXIT_REASON_RDMSR, "MSR bitmap without rights");
		guard_protect(page, EPT_RWX, PASS);
		check_exit(l2_in(GUARD_PORT), EXIT_REASON_VMCALL, "I/O bitmap");
		guard_protect(bitmaps[0], 0, DENY);
		check_exit(l2_in(GUARD_PORT), EXIT_REASON_IO_INSTRUCTION,
			   "I/O bitmap without rights");
		guard_protect(bitmaps[0], EPT_RWX, PASS);
	}
}

/* The processor writes L2's TPR to the virtual-APIC page: not where the hypapp forbids it. */
static void virtual_apic_page(void)
{
	if (!guard_is_there() ||
	    !case_requires(vm_allows(VMX_WORD_PROC1, PROC1_USE_TPR_SHADOW), "no TPR shadow"))
		return;
	memset(page, 0, sizeof(page));
	vm_control(VMX_WORD_PROC1, PROC1_USE_TPR_SHADOW,
		   PROC1_CR8_LOAD_EXITING | PROC1_CR8_STORE_EXITING);
	vm_set(VMCS_virtual_apic_address, (uptr)page);
	vm_set(VMCS_tpr_threshold, 0);
	vm_self()->regs.rax = 2;
	check_exit(vm_run(l2_write_cr8), EXIT_REASON_VMCALL, "CR8");
	check_eq(0x20, page[0x20], "goes to the page");
	guard_protect(page, EPT_READ, DENY);
	vm_self()->regs.rax = 3;
	check_exit(vm_run(l2_write_cr8), EXIT_REASON_VMCALL, "CR8");
	check_eq(0x20, page[0x20], "not where it is forbidden");
	guard_protect(page, EPT_RWX, PASS);
	vm_self()->regs.rax = 4;
	check_exit(vm_run(l2_write_cr8), EXIT_REASON_VMCALL, "CR8");
	check_eq(0x40, page[0x20], "free again");
}

/* What L0 does for L1: it reads ones, and what it writes is lost. */
static void memory_for_l1(void)
{
	struct vmx_msr_entry *list = (struct vmx_msr_entry *)(void *)page;
	u64 *at = (u64 *)(void *)page;

	if (!guard_is_there())
		return;
	*at = 0;
	guard_protect(page, EPT_READ, DENY);
	vmptrst(at);
	check_eq(0, *at, "VMPTRST changes nothing");
	guard_protect(page, EPT_RWX, PASS);
	vmptrst(at);
	check_eq((uptr)vm_self()->region, *at, "free again");
	*list = (struct vmx_msr_entry){ .index = GUARD_MSR, .value = rdmsr(GUARD_MSR) };
	vm_set(VMCS_entry_msr_load_address, (uptr)page);
	vm_set(VMCS_entry_msr_load_count, 1);
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "an MSR list");
	guard_protect(page, 0, DENY);
	check_entry_failure(vm_run(l2_vmcall), EXIT_REASON_ENTRY_FAILURE_MSR, 1,
			    "one that reads as ones");
	guard_protect(page, EPT_RWX, PASS);
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "free again");
	guard_set(SET_MSR, GUARD_MSR, 3, DENY);
	check_entry_failure(vm_run(l2_vmcall), EXIT_REASON_ENTRY_FAILURE_MSR, 1,
			    "an MSR of the hypapp's");
	guard_set(SET_MSR, GUARD_MSR, 0, PASS);
}

#define GUARD NEEDS_VMX | NEEDS_EPT
static const struct lhv_case cases[] = {
	{ .name = "l2/memory",
	  .needs = GUARD,
	  .run_row = memory_of_l2,
	  .row_name = mapping_name,
	  .rows = MAPPINGS },
	{ .name = "l2/memory/l1-forbids", .needs = GUARD, .run = memory_that_l1_forbids },
	{ .name = "l2/while-it-runs",
	  .needs = GUARD | NEEDS_CPUS,
	  .run_row = while_l2_runs,
	  .row_name = ept_name,
	  .rows = 2 },
	{ .name = "l2/port", .needs = GUARD, .run = port_of_l2 },
	{ .name = "l2/msr", .needs = GUARD, .run = msr_of_l2 },
	{ .name = "vmcs12/bitmaps", .needs = GUARD, .run = bitmap_without_rights },
	{ .name = "vmcs12/virtual-apic", .needs = GUARD | NEEDS_64BIT, .run = virtual_apic_page },
	{ .name = "vmcs12/for-l1", .needs = GUARD, .run = memory_for_l1 },
};
LHV_TOPIC("guard", cases);
