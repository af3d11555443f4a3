/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What keeps a wild L2 harmless: an EPT of the few pages it needs, and the list of
 * host-state and control bits whose flip L1 or the emulator would not survive.
 */
#include "lhv/vmdiff/vmdiff.h"

#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define TABLES	      16 /* page tables of 2 MiB each, from address 0 */
#define WB	      field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB)
#define LOW_PAGE      0x9000
#define CANONICAL_LOW 47
#define HOST_CR4_SAFE                                                                             \
	(CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | \
	 CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_VMXE | CR4_FSGSBASE | CR4_OSXSAVE)

extern u64 gdt[];

static u64 *tables;

static void allow(uptr address, uptr bytes)
{
	for (uptr a = address & ~(uptr)(PAGE_SIZE - 1); a < address + bytes; a += PAGE_SIZE)
		if (a / PAGE_SIZE < TABLES * 512)
			tables[a / PAGE_SIZE] = a | EPT_RWX | WB;
}

u64 vmdiff_ept(void)
{
	static u64 eptp;
	u64 *pml4, *pdpt, *pd;

	if (eptp)
		return eptp;
	pml4 = page_alloc(1);
	pdpt = page_alloc(1);
	pd = page_alloc(1);
	tables = page_alloc(TABLES);
	pml4[0] = (uptr)pdpt | EPT_RWX;
	pdpt[0] = (uptr)pd | EPT_RWX;
	for (unsigned int i = 0; i < TABLES; i++)
		pd[i] = (uptr)(tables + i * 512) | EPT_RWX;
	allow((uptr)vmdiff_vmcall(), PAGE_SIZE);
	allow((uptr)l2_interrupt_entries,
	      (uptr)l2_interrupt_return - (uptr)l2_interrupt_entries + 16);
	allow((uptr)vm_self()->stack_top - PAGE_SIZE, PAGE_SIZE);
	allow(l2_idt_base(), L2_IDT_LIMIT);
	allow((uptr)gdt, GDT_BYTES);
	allow(tss_base(0), 128);
	allow(LOW_PAGE, PAGE_SIZE);
	allow((uptr)vmdiff_code(0), 64);
	allow((uptr)l2_cr3_long(), PAGE_SIZE);
	allow((uptr)(*(u64 *)(uptr)l2_cr3_long() & PTE_ADDRESS), PAGE_SIZE);
	allow((uptr)l2_cr3_pae(), PAGE_SIZE);
	allow((uptr)l2_cr3_plain(), PAGE_SIZE);
	allow((uptr)(l2_pdptes()[0] & PTE_ADDRESS), 4 * PAGE_SIZE);
	eptp = eptp_of(pml4);
	return eptp;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

static u64 width_mask(u8 width)
{
	return width == VMCS_WIDTH_16 ? 0xffff : width == VMCS_WIDTH_32 ? 0xffffffff : ~0ULL;
}

static u64 host_bits(u32 encoding)
{
	switch (encoding) {
	case VMCS_host_rsp:
		return 0;
	case VMCS_host_rip:
	case VMCS_host_tr_base:
	case VMCS_host_gdtr_base:
	case VMCS_host_idtr_base:
		return FIELD(63, CANONICAL_LOW);
	case VMCS_host_cr3:
		return CR3_PCD | CR3_PWT | ~low_bits(facts.physical_bits);
	case VMCS_host_cr4:
		return HOST_CR4_SAFE | ~facts.cr4_fixed1;
	default:
		break;
	}
	/* of a selector only RPL and TI, which must be 0 */
	if (vmcs_encoding_width(encoding) == VMCS_WIDTH_16)
		return 7;
	return ~0ULL;
}

static u64 control_bits(const struct vmcs_field_info *f)
{
	switch (f->encoding) {
	case VMCS_exit_msr_store_count:
	case VMCS_exit_msr_load_count:
	case VMCS_entry_msr_load_count:
		return 0; /* lists are the business of the msr-lists cases */
	default:
		break;
	}
	if (ends_with(f->name, "_address") || ends_with(f->name, "_pointer") ||
	    f->encoding == VMCS_eptp)
		return ~(low_bits(facts.physical_bits) & ~0xfffULL);
	return ~0ULL;
}

u64 vmdiff_flippable(u32 encoding)
{
	enum vmcs_index i = vmcs_index_of(encoding);
	const struct vmcs_field_info *f = &vmcs_fields[i];

	switch (vmcs_encoding_type(encoding)) {
	case VMCS_TYPE_READ_ONLY:
		return 0;
	case VMCS_TYPE_HOST:
		return host_bits(encoding) & width_mask(f->width);
	case VMCS_TYPE_CONTROL:
		return control_bits(f) & width_mask(f->width);
	default:
		break;
	}
	if (encoding == VMCS_guest_activity_state)
		return 0xfffffffc; /* an inactive L2 would wait for ever */
	return width_mask(f->width);
}
