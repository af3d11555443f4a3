/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting the application processors. */
#include "xmhf/cpu/smp_hw.h"

#include "xmhf/cpu/apic_hw.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/physmap.h"
#include "xmhf/x86/insn.h"

#define DELAY_PORT	 0x80 /* reading it takes about a microsecond */
#define INIT_DELAY_US	 10000
#define SIPI_DELAY_US	 200
#define START_TIMEOUT_US 1000000

extern const u8 trampoline_start[], trampoline_data[], trampoline_end[];

/* As trampoline.S has it. */
struct __attribute__((packed)) trampoline_data {
	u16 gdt_limit;
	u32 gdt_base;
	u32 to_32;
	u16 to_32_selector;
	u32 to_64;
	u16 to_64_selector;
	u32 cr3;
	u64 stack, argument, entry;
};

static u8 saved[4096];
static u64 trampoline_page;

static void *page_pointer(void)
{
	return hpa_to_pointer(hpa(trampoline_page));
}

static struct trampoline_data *data(void)
{
	return (void *)((u8 *)page_pointer() + (trampoline_data - trampoline_start));
}

void smp_install_trampoline(u64 page)
{
	trampoline_page = page;
	memcpy(saved, page_pointer(), sizeof(saved));
	memcpy(page_pointer(), trampoline_start, (size_t)(trampoline_end - trampoline_start));
	data()->gdt_base += (u32)page;
	data()->to_32 += (u32)page;
	data()->to_64 += (u32)page;
}

void smp_remove_trampoline(void)
{
	memcpy(page_pointer(), saved, sizeof(saved));
}

static bool wait_until(volatile bool *flag, u32 microseconds)
{
	while (microseconds-- && !(flag && *flag))
		inb(DELAY_PORT);
	return flag && *flag;
}

bool smp_start(u32 apic_id, const struct smp_start *start)
{
	u32 sipi = APIC_ICR_SIPI | APIC_ICR_ASSERT | (u32)(trampoline_page >> 12);

	data()->cr3 = (u32)start->cr3;
	data()->stack = start->stack;
	data()->argument = (uptr)start->argument;
	data()->entry = (uptr)start->entry;
	apic_send(apic_id, APIC_ICR_INIT | APIC_ICR_ASSERT);
	wait_until(NULL, INIT_DELAY_US);
	for (unsigned int i = 0; i < 2 && !*start->started; i++) {
		apic_send(apic_id, sipi);
		wait_until(start->started, SIPI_DELAY_US);
	}
	return wait_until(start->started, START_TIMEOUT_US);
}
