/* SPDX-License-Identifier: BSD-2-Clause */
/* Identity maps: L1's own, and one of each form for L2. */
#include "lhv/frame/paging.h"

#include "lhv/frame/cpu.h"
#include "lhv/frame/machine.h"
#include "xmhf/x86/insn.h"

#define ENTRIES	   512
#define TABLE_BITS (PTE_P | PTE_W | PTE_U)
#define LEAF_BITS  (TABLE_BITS | PTE_PS)

static enum paging_mode mode_used;
static u64 *wide_window;   /* page table of the window: 64-bit entries */
static u32 *narrow_window; /* the same in plain 32-bit paging */
static u64 *wide_directories;
static u32 *narrow_directory;
static uptr l1_cr3;
static u64 *l2_pml4, *l2_pae;
static u32 *l2_plain;
static u64 *l2_directories;

/* Four page directories that map 4 GiB by 2 MiB pages. */
static u64 *build_directories(void)
{
	u64 *pd = page_alloc(4);

	for (unsigned int i = 0; i < 4 * ENTRIES; i++)
		pd[i] = i * PAGE_SIZE_2M | LEAF_BITS;
	return pd;
}

static u64 *build_long(u64 *pd)
{
	u64 *pml4 = page_alloc(1), *pdpt = page_alloc(1);

	for (unsigned int i = 0; i < 4; i++)
		pdpt[i] = (uptr)(pd + i * ENTRIES) | TABLE_BITS;
	pml4[0] = (uptr)pdpt | TABLE_BITS;
	return pml4;
}

static void fill_pae(u64 *pdpt, const u64 *pd)
{
	for (unsigned int i = 0; i < 4; i++)
		pdpt[i] = (uptr)(pd + i * ENTRIES) | PTE_P;
}

static u64 *build_pae(u64 *pd)
{
	u64 *pdpt = page_alloc(1);

	fill_pae(pdpt, pd);
	return pdpt;
}

void l2_pdptes_repair(void)
{
	fill_pae(l2_pae, l2_directories);
}

static u32 *build_plain(void)
{
	u32 *pd = page_alloc(1);

	for (unsigned int i = 0; i < 1024; i++)
		pd[i] = (u32)(i * 4 * MIB) | (u32)LEAF_BITS;
	return pd;
}

static void open_wide_window(u64 *pd)
{
	wide_window = page_alloc(1);
	for (unsigned int i = 0; i < ENTRIES; i++)
		wide_window[i] = (WINDOW + i * PAGE_SIZE) | TABLE_BITS;
	pd[WINDOW / PAGE_SIZE_2M] = (uptr)wide_window | TABLE_BITS;
}

static void open_narrow_window(u32 *pd)
{
	narrow_window = page_alloc(1);
	for (unsigned int i = 0; i < 1024; i++)
		narrow_window[i] = (u32)((WINDOW + i * PAGE_SIZE) | TABLE_BITS);
	pd[WINDOW / (4 * MIB)] = (u32)(uptr)narrow_window | (u32)TABLE_BITS;
}

static void build_l1(void)
{
	if (mode_used == PAGING_PLAIN) {
		narrow_directory = build_plain();
		open_narrow_window(narrow_directory);
		l1_cr3 = (uptr)narrow_directory;
		return;
	}
	wide_directories = build_directories();
	open_wide_window(wide_directories);
	l1_cr3 = (uptr)(mode_used == PAGING_LONG ? build_long(wide_directories)
						 : build_pae(wide_directories));
}

void paging_init(enum paging_mode mode)
{
	u64 *pd = build_directories();

	mode_used = IS_64BIT ? PAGING_LONG : mode;
	l2_directories = pd;
	l2_pml4 = build_long(pd);
	l2_pae = build_pae(pd);
	l2_plain = build_plain();
	build_l1();
	paging_join();
}

void paging_join(void)
{
	uptr cr4 = read_cr4();

	if (mode_used != PAGING_LONG)
		write_cr4(cr4 | CR4_PSE | (mode_used == PAGING_PAE ? CR4_PAE : 0));
	write_cr3(l1_cr3);
	write_cr0(read_cr0() | (uptr)CR0_PG);
}

enum paging_mode paging_mode(void)
{
	return mode_used;
}

void window_set(unsigned int page, u64 entry)
{
	if (narrow_window)
		narrow_window[page] = (u32)entry;
	else
		wide_window[page] = entry;
	invlpg((uptr)window_page(page));
}

u64 window_get(unsigned int page)
{
	return narrow_window ? narrow_window[page] : wide_window[page];
}

/* The window hangs at the one entry that maps no page itself. */
void paging_supervisor(bool on)
{
	u32 user = on ? 0 : (u32)PTE_U;

	for (unsigned int i = 0; narrow_directory && i < 1024; i++)
		if (narrow_directory[i] & PTE_PS)
			narrow_directory[i] = (narrow_directory[i] & ~(u32)PTE_U) | user;
	for (unsigned int i = 0; wide_directories && i < 4 * ENTRIES; i++)
		if (wide_directories[i] & PTE_PS)
			wide_directories[i] = (wide_directories[i] & ~PTE_U) | user;
	write_cr3(read_cr3());
}

u64 l2_cr3_long(void)
{
	return (uptr)l2_pml4;
}

u64 l2_cr3_pae(void)
{
	return (uptr)l2_pae;
}

u64 l2_cr3_plain(void)
{
	return (uptr)l2_plain;
}

const u64 *l2_pdptes(void)
{
	return l2_pae;
}
