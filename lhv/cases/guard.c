/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hypapp with intercepts holds for L1 and L2 alike, at once and on all CPUs: L1.  Only on
 * xmhf-nest with the hypapp guard, skipped elsewhere.
 */
#include "lhv/cases/guard.h"

#include "lhv/frame/asm_hw.h"

#define SIGNATURE_EBX 0x66686d78u /* CPUID.40000000H */
#define GUARD_ID      4

#define COUNTERS 2

#define RAM_AS_LARGE_PAGES 0x3000000u /* nobody uses it */

static u32 page[1024] __attribute__((aligned(4096)));

bool guard_is_there(void)
{
	return case_requires(cpuid(0x40000000, 0).ebx == SIGNATURE_EBX &&
				     hypercall_2(VERSION, 0, 0).dx == GUARD_ID,
			     "no hypapp guard below");
}

uptr guard_count(unsigned int which)
{
	struct hypercall_result r = hypercall_2(COUNTS, 0, 0);

	return which == 0 ? r.bx : which == 1 ? r.cx : r.dx;
}

void guard_set(enum guard_call what, u32 argument, u32 how, enum guard_answer answer)
{
	check_eq(0, hypercall_2(what, argument, how | (u32)answer << 8).status, "hypercall");
}

void guard_protect(const void *address, u32 rights, enum guard_answer answer)
{
	guard_set(SET_PAGE, (u32)((uptr)address / PAGE_SIZE), rights, answer);
}

static void set_page_0(void *value)
{
	*(volatile u32 *)page = (u32)(uptr)value;
}

static u32 read_page_0(void)
{
	return *(volatile u32 *)page;
}

static void memory_of_l1(void)
{
	uptr before;
	struct fault fault;

	if (!guard_is_there())
		return;
	page[0] = 1;
	before = guard_count(0);
	guard_protect(page, EPT_READ, HANDLE);
	check_no_fault(fault_try(set_page_0, (void *)2), "a write");
	check_eq(1, read_page_0(), "is lost");
	check_eq(before + 1, guard_count(0), "and counted");
	check_eq((uptr)page, hypercall_2(LAST, 0, 0).bx, "address");
	check_eq(EPT_WRITE, hypercall_2(LAST, 0, 0).dx, "kind");
	guard_protect(page, EPT_READ, PASS);
	check_no_fault(fault_try(set_page_0, (void *)3), "a write that passes");
	check_eq(3, read_page_0(), "is done");
	guard_protect(page, EPT_READ, DENY);
	fault = fault_try(set_page_0, (void *)4);
	check_fault(fault, VECTOR_GP, 0, "a write that is denied");
	guard_protect(page, EPT_READ, FAULT);
	fault = fault_try(set_page_0, (void *)4);
	check_fault(fault, VECTOR_PF, 3, "a write that faults");
	check_eq((uptr)page, fault.address, "there");
	guard_protect(page, 0, HANDLE);
	check_eq(3, read_page_0(), "a read of a page without rights, on a copy");
	guard_protect(page, 0, DENY);
	check_fault(fault_try(set_page_0, (void *)4), VECTOR_GP, 0, "a denied read");
	guard_protect(page, EPT_RWX, PASS);
	before = guard_count(0);
	set_page_0((void *)5);
	check_eq(5, read_page_0(), "free again");
	check_eq(before, guard_count(0), "and not counted");
}

static uptr free_pages_of_l0(void)
{
	return hypercall_2(COUNTERS, 6, 0).bx;
}

/* Rights of one page take L0 a page for a table; when they end L0 has it back. */
static void large_pages(void)
{
	uptr before;
	const u8 *first = (const u8 *)(uptr)RAM_AS_LARGE_PAGES;

	if (!guard_is_there())
		return;
	before = free_pages_of_l0();
	for (unsigned int i = 0; i < 3; i++) {
		case_step("time %u", i);
		guard_protect(first + 3 * PAGE_SIZE, EPT_READ, PASS);
		guard_protect(first + 5 * PAGE_SIZE, EPT_READ, PASS);
		check_eq(before - 1, free_pages_of_l0(), "a table");
		guard_protect(first + 5 * PAGE_SIZE, EPT_RWX, PASS);
		check_eq(before - 1, free_pages_of_l0(), "which one page still needs");
		guard_protect(first + 3 * PAGE_SIZE, EPT_RWX, PASS);
		check_eq(before, free_pages_of_l0(), "and none");
	}
}

static void port_in(void *value)
{
	*(u32 *)value = inl(GUARD_PORT);
}

static void port_of_l1(void)
{
	uptr before;
	u32 value;

	if (!guard_is_there())
		return;
	before = guard_count(1);
	inl(GUARD_PORT);
	check_eq(before, guard_count(1), "not watched");
	guard_set(SET_PORT, GUARD_PORT, 1, PASS);
	check_eq(0xffffffff, inl(GUARD_PORT), "an IN that passes");
	check_eq(before + 1, guard_count(1), "is counted");
	outb(GUARD_PORT, 1);
	check_eq(0xff, inb(GUARD_PORT - 1), "the port below is free");
	check_eq(before + 2, guard_count(1), "OUT is counted");
	inl(GUARD_PORT - 3);
	check_eq(before + 3, guard_count(1), "as is an access that begins below");
	guard_set(SET_PORT, GUARD_PORT, 1, HANDLE);
	check_eq(GUARD_VALUE, inl(GUARD_PORT), "the hypapp's value");
	check_eq((u8)GUARD_VALUE, inb(GUARD_PORT), "a byte of it");
	guard_set(SET_PORT, GUARD_PORT, 1, DENY);
	check_fault(fault_try(port_in, &value), VECTOR_GP, 0, "denied");
	guard_set(SET_PORT, GUARD_PORT, 0, PASS);
	check_eq(0xffffffff, inl(GUARD_PORT), "free again");
}

static void msr_read(void *value)
{
	*(u64 *)value = rdmsr(GUARD_MSR);
}

static void msr_of_l1(void)
{
	u64 old = rdmsr(GUARD_MSR), value;

	if (!guard_is_there())
		return;
	guard_set(SET_MSR, GUARD_MSR, 3, HANDLE);
	check_eq(GUARD_VALUE, rdmsr(GUARD_MSR), "the hypapp's value");
	wrmsr(GUARD_MSR, 0x1000);
	guard_set(SET_MSR, GUARD_MSR, 2, PASS);
	check_eq(old, rdmsr(GUARD_MSR), "the write was lost");
	wrmsr(GUARD_MSR, 0x2000);
	check_eq(0x2000, rdmsr(GUARD_MSR), "this one passed");
	guard_set(SET_MSR, GUARD_MSR, 1, DENY);
	check_fault(fault_try(msr_read, &value), VECTOR_GP, 0, "a read is denied");
	wrmsr(GUARD_MSR, old);
	guard_set(SET_MSR, GUARD_MSR, 0, PASS);
	check_eq(old, rdmsr(GUARD_MSR), "free again");
}

static void cpuid_of_l1(void)
{
	if (!guard_is_there())
		return;
	guard_set(SET_CPUID, 0, 1, PASS);
	check_eq(GUARD_VALUE, cpuid(0, 0).edx, "the hypapp's answer");
	check_true(cpuid(1, 0).edx != GUARD_VALUE, "to one leaf only");
	guard_set(SET_CPUID, 0, 0, PASS);
	check_true(cpuid(0, 0).edx != GUARD_VALUE, "free again");
}

static const struct lhv_case cases[] = {
	{ .name = "l1/memory", .run = memory_of_l1 },
	{ .name = "l1/large-pages", .run = large_pages },
	{ .name = "l1/port", .run = port_of_l1 },
	{ .name = "l1/msr", .run = msr_of_l1 },
	{ .name = "l1/cpuid", .run = cpuid_of_l1 },
};
LHV_TOPIC("guard", cases);
