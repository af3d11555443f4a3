/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of each CPU. */
#include "xmhf/boot/cpu_area.h"

#include "xmhf/cpu/descriptor_tables.h"
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/bug.h"
#include "xmhf/memory/physmap.h"

/* One slot for each CPU, below the last GiB of the address space. */
#define AREA_BASE   0xffffffffc0000000ULL
#define AREA_SIZE   (8 * MIB)
#define STACK_PAGES (VCPU_STACK_SIZE / PAGE_SIZE)

/* Pages outside the area: VMXON region, VMCS01, MSR lists, and those of the step. */
#define COPIES	    (hypapp_intercepts ? ARRAY_SIZE(((struct vcpu *)0)->step.copies) : 0)
#define LOOSE_PAGES (3 + 2 + ARRAY_SIZE(((struct vcpu *)0)->step.tables) + COPIES)

static u64 pages_of(u64 bytes)
{
	return align_up(bytes, PAGE_SIZE) / PAGE_SIZE;
}

u64 cpu_area_pages(void)
{
	return IST_COUNT + STACK_PAGES + pages_of(sizeof(struct vcpu)) +
	       pages_of(hypapp_cpu_memory) + LOOSE_PAGES + 2; /* page tables of the slot */
}

static hpa_t take_page(void)
{
	hpa_t page;

	/* The pool was sized by cpu_area_pages(). */
	bug_if(!page_pool_alloc(&machine.pool, &page));
	return page;
}

/* Maps @count fresh pages at @va and returns the address behind a guard page after them. */
static u64 map_pages(struct host_paging *paging, u64 va, u64 count)
{
	for (u64 i = 0; i < count; i++)
		bug_if(!host_paging_map(paging, va + i * PAGE_SIZE, take_page(), PAGE_SIZE,
					HOST_READ_WRITE));
	return va + (count + 1) * PAGE_SIZE;
}

static hpa_t vmx_region(void)
{
	hpa_t page = take_page();

	*(u32 *)hpa_to_pointer(page) = (u32)field_get(machine.caps.basic, VMX_BASIC_REVISION);
	return page;
}

static void take_loose_pages(struct vcpu *vcpu)
{
	vcpu->vmxon_region = vmx_region();
	vcpu->vmcs01 = vmx_region();
	vcpu->msr_area_address = take_page();
	vcpu->msr_area = hpa_to_pointer(vcpu->msr_area_address);
	vcpu->step.root = take_page();
	vcpu->step.scratch = take_page();
	for (unsigned int i = 0; i < ARRAY_SIZE(vcpu->step.tables); i++)
		vcpu->step.tables[i] = take_page();
	for (unsigned int i = 0; hypapp_intercepts && i < ARRAY_SIZE(vcpu->step.copies); i++)
		vcpu->step.copies[i] = take_page();
}

struct vcpu *cpu_area_build(struct host_paging *paging, u32 id, u32 apic_id)
{
	u64 va = AREA_BASE + id * AREA_SIZE + PAGE_SIZE;
	u64 ist = va, stack, vcpu_at, hypapp_at;
	struct vcpu *vcpu;

	va = map_pages(paging, va, IST_COUNT);
	stack = va;
	map_pages(paging, stack, STACK_PAGES + pages_of(sizeof(struct vcpu)));
	vcpu_at = stack + STACK_PAGES * PAGE_SIZE;
	hypapp_at = vcpu_at + (pages_of(sizeof(struct vcpu)) + 1) * PAGE_SIZE;
	if (hypapp_cpu_memory)
		map_pages(paging, hypapp_at, pages_of(hypapp_cpu_memory));

	vcpu = (struct vcpu *)(uptr)vcpu_at;
	vcpu->cpu.id = id;
	vcpu->cpu.apic_id = apic_id;
	vcpu->cpu.ist_stacks = (u8 *)(uptr)ist;
	descriptor_tables_build(&vcpu->cpu);
	take_loose_pages(vcpu);
	hypapp_init_cpu(id, hypapp_cpu_memory ? (void *)(uptr)hypapp_at : NULL);
	return vcpu;
}
