/* SPDX-License-Identifier: BSD-2-Clause */
/* A bump allocator of pages, waiting, and the end of a run. */
#include "lhv/frame/machine.h"

#include "lhv/frame/console.h"
#include "xmhf/lib/bug.h"
#include "xmhf/lib/string.h"
#include "xmhf/x86/insn.h"

#define ARENA_PAGES    1024
#define IODEBUG_PORT   0x8a00
#define IODEBUG_ENABLE 0x8a00
#define IODEBUG_BREAK  0x8ae0
#define SHUTDOWN_PORT  0x8900

static u8 arena[ARENA_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static u32 arena_used;

void *page_alloc(unsigned int pages)
{
	u32 first = __atomic_fetch_add(&arena_used, pages, __ATOMIC_SEQ_CST);

	bug_if(first + pages > ARENA_PAGES);
	memset(arena[first], 0, pages * PAGE_SIZE);
	return arena[first];
}

static void shut_down_port(void)
{
	for (const char *p = "Shutdown"; *p; p++)
		outb(SHUTDOWN_PORT, (u8)*p);
}

_Noreturn void machine_stop(bool pass, u32 n, u32 m)
{
	static const struct descriptor_table_pointer no_idt;

	report("LAB-RESULT %s %u/%u\n", pass ? "pass" : "fail", n, m);
	console_flush();
	disable_interrupts();
	outw(IODEBUG_PORT, IODEBUG_ENABLE);
	outw(IODEBUG_PORT, IODEBUG_BREAK);
	shut_down_port();
	for (;;) {
		lidt(&no_idt);
		*(volatile u64 *)(uptr)0xfffffff0 = 0;
		disable_interrupts();
		halt();
	}
}

_Noreturn void bug_stop(const char *file, int line, const char *claim)
{
	report("# %s:%d: %s\n", file, line, claim);
	machine_stop(false, 0, 0);
}

void delay(u64 ticks)
{
	u64 start = rdtsc();

	while (rdtsc() - start < ticks)
		cpu_relax();
}

bool wait_for(const volatile u32 *flag, u64 ticks)
{
	u64 start = rdtsc();

	while (!*flag)
		if (rdtsc() - start > ticks)
			return false;
		else
			cpu_relax();
	return true;
}

bool machine_is_on_xmhf(void)
{
	struct cpuid_result r = cpuid(0x40000000, 0);

	return !memcmp(&r.ebx, "xmhf", sizeof(r.ebx));
}
