/* SPDX-License-Identifier: BSD-2-Clause */
/* The playground: L2's memory and tables, bitmaps, lists, and pointers to and from it. */
#include "lhv/hostile/world.h"

#include "lhv/frame/machine.h"
#include "xmhf/lib/string.h"

#define HANDLER_BYTES 8
#define TSS_OFFSET    0x800
#define TSS_BYTES     104
#define LIST_ENTRIES  256
/* No EPT entry has these bits, as memory type or as reserved ones: so L2's tables are no EPT. */
#define L2_TABLE_BITS (PTE_P | PTE_W | PTE_U | PTE_PWT | PTE_PCD)

extern u64 gdt[];

u64 world_page(const struct hostile *h, unsigned int page)
{
	return (uptr)h->play + page * PAGE_SIZE;
}

u64 world_hidden_address(struct hostile *h)
{
	return hostile_hidden_base + random_below(h, hostile_hidden_size / PAGE_SIZE) * PAGE_SIZE;
}

/* A page of the playground that anybody may write. */
static u64 free_page(struct hostile *h)
{
	return world_page(h, (unsigned int)random_below(h, PLAY_KEPT));
}

u64 world_wild_address(struct hostile *h)
{
	u64 a;

	switch (random_below(h, 12)) {
	case 0:
	case 1:
		a = world_hidden_address(h);
		break;
	case 2:
		a = NO_RAM;
		break;
	case 3:
		a = FAR_ADDRESS + (random_64(h) & 0xffff000);
		break;
	case 4:
		a = random_once_in(h, 2) ? VGA_MEMORY : BIOS_ROM;
		break;
	case 5:
		a = BIT(facts.physical_bits) - PAGE_SIZE;
		break;
	case 6:
		a = BIT(facts.physical_bits + random_below(h, 64 - facts.physical_bits));
		break;
	case 7:
		a = hostile_hidden_base + hostile_hidden_size - PAGE_SIZE;
		break;
	default:
		a = free_page(h);
		break;
	}
	if (random_once_in(h, 8))
		a |= random_64(h) & 0xfff;
	return a;
}

void world_build_l2_paging(struct hostile *h)
{
	u64 *pml4 = world_table(h, PLAY_L2_PAGING), *pdpt = pml4 + ENTRIES, *pd = pdpt + ENTRIES;
	u64 *pae = pd + ENTRIES;
	u32 *plain = (u32 *)(pae + ENTRIES);

	memset(pml4, 0, 5 * PAGE_SIZE);
	pml4[0] = (uptr)pdpt | L2_TABLE_BITS;
	pdpt[0] = (uptr)pd | L2_TABLE_BITS;
	for (unsigned int i = 0; i < ENTRIES; i++)
		pd[i] = i * PAGE_SIZE_2M | L2_TABLE_BITS | PTE_PS;
	for (unsigned int i = 0; i < 4; i++)
		pae[i] = (uptr)pd | PTE_P | PTE_PWT | PTE_PCD;
	for (unsigned int i = 0; i < 1024; i++)
		plain[i] = (u32)(i * 4 * MIB) | (u32)(L2_TABLE_BITS | PTE_PS);
}

static void build_l2_tables(struct hostile *h)
{
	u64 tss = world_page(h, PLAY_GDT) + TSS_OFFSET;
	u64 *idt = world_table(h, PLAY_IDT), *idt32 = world_table(h, PLAY_IDT32);
	u8 *handlers = h->play + PLAY_HANDLERS * PAGE_SIZE;

	memcpy(world_table(h, PLAY_GDT), gdt, GDT_BYTES);
	memset((void *)(uptr)tss, 0, TSS_BYTES);
	*(u64 *)(uptr)(tss + 4) = world_page(h, PLAY_DATA);
	for (unsigned int v = 0; v < 256; v++) {
		static const u8 code[HANDLER_BYTES] = { 0x0f, 0x01, 0xc1, 0x48, 0xcf, 0xcf, 0xf4 };
		u64 at = (uptr)(handlers + v * HANDLER_BYTES);
		u64 low = (at & 0xffff) | 0xee0000000000 | (at >> 16 & 0xffff) << 48;

		memcpy(handlers + v * HANDLER_BYTES, code, sizeof(code));
		idt[v * 2] = low | (u64)SELECTOR_CODE << 16;
		idt[v * 2 + 1] = 0;
		idt32[v] = low | (u64)SELECTOR_CODE32 << 16;
	}
}

/* MSRs of L2 that would outlive it and that L1 or the lab needs. */
static void keep_msrs(u8 *bitmap)
{
	static const u32 kept[] = { MSR_IA32_TIME_STAMP_COUNTER, MSR_IA32_APIC_BASE,
				    MSR_IA32_TSC_ADJUST, MSR_IA32_MISC_ENABLE,
				    MSR_IA32_TSC_DEADLINE };

	for (unsigned int i = 0; i < ARRAY_SIZE(kept); i++)
		bitmap[2048 + kept[i] / 8] |= (u8)BIT(kept[i] % 8);
	memset(bitmap + 2048 + 0x800 / 8, 0xff, 0x100 / 8);
}

/* Ports that L2 may have: 0x80 to 0x8f, and nothing else. */
static bool port_is_harmless(u32 byte_of_bitmap)
{
	return byte_of_bitmap == 0x80 / 8 || byte_of_bitmap == 0x88 / 8;
}

static void build_bitmaps(struct hostile *h)
{
	u8 *msr = (u8 *)world_table(h, PLAY_MSR_BITMAP);
	u64 r = random_64(h);

	memset(msr, r & 1 ? 0 : (u8)(r >> 8), PAGE_SIZE);
	keep_msrs(msr);
	memset(world_table(h, PLAY_IO_BITMAPS), 0xff, 2 * PAGE_SIZE);
	memset((u8 *)world_table(h, PLAY_IO_BITMAPS) + 0x80 / 8, (u8)(r >> 16), 2);
	memset(world_table(h, PLAY_VMREAD_BITMAP), (u8)(r >> 24), PAGE_SIZE);
	memset(world_table(h, PLAY_VMWRITE_BITMAP), (u8)(r >> 32), PAGE_SIZE);
	for (unsigned int i = 0; i < 64; i++)
		world_table(h, PLAY_EPTP_LIST)[i] = world_eptp(h);
}

/* MSRs that lists may load with any of these values at any time, also those of exits. */
static u64 list_index(struct hostile *h, bool store)
{
	static const u32 indices[] = { MSR_IA32_SYSENTER_CS,
				       MSR_IA32_SYSENTER_ESP,
				       MSR_IA32_SYSENTER_EIP,
				       MSR_IA32_STAR,
				       MSR_IA32_LSTAR,
				       MSR_IA32_KERNEL_GS_BASE,
				       MSR_IA32_TIME_STAMP_COUNTER,
				       MSR_IA32_APIC_BASE };

	return indices[random_below(h, ARRAY_SIZE(indices) - (store ? 0 : 2))];
}

static void fill_list(struct hostile *h, unsigned int page)
{
	u64 *list = world_table(h, page);

	for (unsigned int i = 0; i < LIST_ENTRIES; i++) {
		list[i * 2] = list_index(h, page == PLAY_LIST_EXIT_STORE);
		list[i * 2 + 1] = random_64(h) >> 20;
	}
}

/* Entry lists may say anything: what is refused fails the entry. */
static void bend_entry_list(struct hostile *h, u64 *list)
{
	static const u32 indices[] = { MSR_IA32_FS_BASE,
				       MSR_IA32_GS_BASE,
				       MSR_IA32_EFER,
				       MSR_IA32_VMX_BASIC,
				       MSR_IA32_FEATURE_CONTROL,
				       0x800,
				       0x8ff,
				       MSR_IA32_PAT,
				       MSR_IA32_DEBUGCTL,
				       0xc0000102,
				       0x79,
				       0x9b };
	u64 i = random_below(h, 8);

	list[i * 2] = random_once_in(h, 3) ? (u32)random_shape(h) & ~0x7ffU
					   : indices[random_below(h, ARRAY_SIZE(indices))];
	if (random_once_in(h, 8))
		list[i * 2] |= BIT(32 + (random_64(h) & 31));
	list[i * 2 + 1] = random_shape(h);
}

void world_bend_list(struct hostile *h, struct hostile *of)
{
	unsigned int page = PLAY_LIST_ENTRY_LOAD + (unsigned int)random_below(h, 3);
	u64 *list = world_table(of, page), i = random_below(h, LIST_ENTRIES);

	if (page == PLAY_LIST_ENTRY_LOAD && random_once_in(h, 2)) {
		bend_entry_list(h, list);
		return;
	}
	list[i * 2] = list_index(h, page == PLAY_LIST_EXIT_STORE);
	if (page != PLAY_LIST_EXIT_STORE)
		list[i * 2 + 1] = random_64(h) >> 20;
}

void world_bend_bitmap(struct hostile *h, struct hostile *of)
{
	u8 *msr = (u8 *)world_table(of, PLAY_MSR_BITMAP),
	   *io = (u8 *)world_table(of, PLAY_IO_BITMAPS);
	u32 at = (u32)random_below(h, PAGE_SIZE);

	switch (random_below(h, 6)) {
	case 0:
		if (port_is_harmless(0x80 / 8 + (at & 1)))
			io[0x80 / 8 + (at & 1)] = (u8)random_64(h);
		break;
	case 1:
		((u8 *)world_table(of, PLAY_VMREAD_BITMAP))[at] = (u8)random_64(h);
		break;
	case 2:
		((u8 *)world_table(of, PLAY_VMWRITE_BITMAP))[at] = (u8)random_64(h);
		break;
	case 3:
		world_table(of, PLAY_EPTP_LIST)[at % 64] = world_eptp_in(h, of);
		break;
	default:
		/* the bytes of the kept write bits are left alone: no moment without them */
		if (at < 2048 || at >= 2048 + 0x900 / 8)
			msr[at] = (u8)random_64(h);
		break;
	}
}

void world_bend_region(struct hostile *h, struct hostile *of)
{
	u8 *region = (u8 *)(uptr)world_page(
		of, PLAY_REGIONS + (unsigned int)random_below(h, PLAY_REGIONS_END - PLAY_REGIONS));
	u64 r = random_64(h);
	u32 at = (u32)random_below(h, 2048);

	switch (r & 7) {
	case 0: /* shadow or not */
		*(u32 *)(void *)region ^= VMCS_SHADOW_INDICATOR;
		break;
	case 1:
		*(u32 *)(void *)region = (u32)random_shape(h);
		break;
	case 2: /* the launch state, perhaps */
		((u32 *)(void *)region)[r >> 8 & 7] = (u32)(r >> 16 & 3);
		break;
	case 3:
		memcpy(region + 4, (u8 *)(uptr)world_page(of, PLAY_REGIONS + (u32)(r >> 8 & 7)) + 4,
		       2048);
		break;
	default:
		*(u64 *)(void *)(region + (at & ~7U)) = random_shape(h);
		break;
	}
}

void world_rebuild(struct hostile *h)
{
	h->undos = 0;
	world_build_ept(h);
	world_build_l2_paging(h);
	build_l2_tables(h);
	build_bitmaps(h);
	for (unsigned int i = 0; i < 3; i++)
		fill_list(h, PLAY_LIST_ENTRY_LOAD + i);
	for (unsigned int i = PLAY_REGIONS; i < PLAY_REGIONS_END; i++)
		*(u32 *)(uptr)world_page(h, i) = (u32)field_get(facts.basic, VMX_BASIC_REVISION);
	memset(world_table(h, PLAY_VE), 0, 3 * PAGE_SIZE);
}

/* What the golden state of lhv leads to in L1's memory leads to the playground. */
static void move_template(struct hostile *h, enum l2_mode mode, u64 *want)
{
	want[VMCS_INDEX_guest_gdtr_base] = world_page(h, PLAY_GDT);
	want[VMCS_INDEX_guest_tr_base] = world_page(h, PLAY_GDT) + TSS_OFFSET;
	if (mode == L2_LONG || mode == L2_COMPAT) {
		want[VMCS_INDEX_guest_idtr_base] = world_page(h, PLAY_IDT);
		want[VMCS_INDEX_guest_cr3] = world_page(h, PLAY_L2_PAGING);
	} else if (mode == L2_PAE) {
		want[VMCS_INDEX_guest_cr3] = world_page(h, PLAY_L2_PAGING + 3);
	} else {
		want[VMCS_INDEX_guest_cr3] = world_page(h, PLAY_L2_PAGING + 4);
	}
	if (mode != L2_LONG && mode != L2_COMPAT && mode != L2_REAL) {
		want[VMCS_INDEX_guest_idtr_base] = world_page(h, PLAY_IDT32);
		want[VMCS_INDEX_guest_idtr_limit] = 256 * 8 - 1;
	}
	for (unsigned int i = 0; mode == L2_PAE && i < 4; i++)
		want[VMCS_INDEX_guest_pdpte0 + i] = world_table(h, PLAY_L2_PAGING + 3)[i];
	want[VMCS_INDEX_guest_rip] = world_page(h, PLAY_CODE);
	want[VMCS_INDEX_guest_rsp] = world_page(h, PLAY_STACK + 1) - 64;
	if (mode == L2_REAL || mode == L2_V86)
		for (unsigned int n = 0; n < 6; n++) {
			/* virtual-8086 segments lie below 1 MiB: nothing of the playground does */
			u64 base = mode == L2_REAL ? world_page(h, PLAY_CODE) : 0;

			want[VMCS_INDEX_guest_es_base + n] = base;
			want[VMCS_INDEX_guest_es_selector + n] = (u16)(base >> 4);
		}
	if (mode == L2_REAL)
		want[VMCS_INDEX_guest_rip] = 0;
	want[VMCS_INDEX_eptp] = world_good_eptp(h);
	want[VMCS_INDEX_msr_bitmap_address] = world_page(h, PLAY_MSR_BITMAP);
	want[VMCS_INDEX_io_bitmap_a_address] = world_page(h, PLAY_IO_BITMAPS);
	want[VMCS_INDEX_io_bitmap_b_address] = world_page(h, PLAY_IO_BITMAPS + 1);
	want[VMCS_INDEX_entry_msr_load_address] = world_page(h, PLAY_LIST_ENTRY_LOAD);
	want[VMCS_INDEX_exit_msr_store_address] = world_page(h, PLAY_LIST_EXIT_STORE);
	want[VMCS_INDEX_exit_msr_load_address] = world_page(h, PLAY_LIST_EXIT_LOAD);
	want[VMCS_INDEX_virtual_apic_address] = world_page(h, PLAY_VIRTUAL_APIC);
	want[VMCS_INDEX_apic_access_address] = world_page(h, PLAY_APIC_ACCESS);
	want[VMCS_INDEX_posted_interrupt_descriptor_address] = world_page(h, PLAY_POSTED);
	want[VMCS_INDEX_pml_address] = world_page(h, PLAY_PML);
	want[VMCS_INDEX_pml_index] = ENTRIES - 1;
	want[VMCS_INDEX_eptp_list_address] = world_page(h, PLAY_EPTP_LIST);
	want[VMCS_INDEX_vmread_bitmap_address] = world_page(h, PLAY_VMREAD_BITMAP);
	want[VMCS_INDEX_vmwrite_bitmap_address] = world_page(h, PLAY_VMWRITE_BITMAP);
	want[VMCS_INDEX_virtualization_exception_information_address] = world_page(h, PLAY_VE);
	want[VMCS_INDEX_tsc_multiplier] = BIT(48);
	want[VMCS_INDEX_vpid] = 1;
}

void world_create(struct hostile *h)
{
	h->play = page_alloc(PLAY_PAGES);
	h->templates = page_alloc(4);
	_Static_assert(L2_MODE_COUNT * VMCS_FIELD_COUNT * sizeof(u64) <= 4 * PAGE_SIZE, "fits");
	vm_prepare(vm_self()); /* finds the fields that there are */
	world_rebuild(h);
	for (unsigned int mode = 0; mode < L2_MODE_COUNT; mode++) {
		vm_golden((enum l2_mode)mode, h->templates[mode]);
		move_template(h, (enum l2_mode)mode, h->templates[mode]);
	}
	for (unsigned int i = 0; i < HOSTILE_VMS; i++) {
		h->vms[i] = vm_new();
		h->vms[i]->exit_area = h->vms[0]->exit_area;
		h->vms[i]->region = (void *)(uptr)world_page(h, PLAY_REGIONS + 1 + i);
	}
}
