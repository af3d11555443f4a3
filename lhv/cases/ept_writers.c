/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who writes EPT12 and the MSR bitmap does not matter: L1, its L2s on this or another CPU,
 * or a device.  After INVEPT the processor uses what is in memory (SDM "Operations that Invalidate
 * Cached Mappings"), and it reads the bitmap at each access ("MSR-Bitmap Address").
 * The tables here are data of L2 before they become tables.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/frame/smp.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"

#define RWX_WB	   ((uptr)(EPT_RWX | field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB)))
#define WAIT_TICKS 3000000

static u64 page_a[512] __attribute__((aligned(4096)));
static u64 page_b[512] __attribute__((aligned(4096)));
static u64 table[512] __attribute__((aligned(4096)));
static u64 table_of_cpu1[512] __attribute__((aligned(4096)));
static u64 table_of_device[512] __attribute__((aligned(4096)));
static u64 bitmap[512] __attribute__((aligned(4096)));

/* L2 stores the low 32 bits of @value, by the identity map below the free gibibyte. */
static void l2_writes(volatile void *at, uptr value)
{
	vm_self()->regs.rbx = (uptr)at;
	vm_self()->regs.rax = value;
	check_exit(vm_run(l2_write_bx), EXIT_REASON_VMCALL, "L2 writes");
}

static u64 l2_reads_free_page(void)
{
	struct outcome o;

	vm_self()->regs.rbx = EPT_FREE_BASE;
	o = vm_run(l2_read_bx);
	return check_exit(o, EXIT_REASON_VMCALL, "L2 reads") ? (u32)vm_self()->regs.rax : ~0ULL;
}

static struct ept_map *fresh(void)
{
	struct ept_map *map = ept_map_fresh();

	vm_reset(L2_NATIVE);
	vm_set(VMCS_eptp, map->eptp);
	page_a[0] = 0xaaaa;
	page_b[0] = 0xbbbb;
	return map;
}

/* @pt maps the free gibibyte's first page to page_a, and L2 has used it since an INVEPT. */
static void use_table(struct ept_map *map, u64 *pt)
{
	map->pdpt[3] = (uptr)map->pd | EPT_RWX;
	map->pd[0] = (uptr)pt | EPT_RWX;
	pt[0] = (uptr)page_a | RWX_WB;
	for (unsigned int i = 0; i < 2; i++) {
		ept_flush(map);
		case_step("used %u", i);
		check_eq(0xaaaa, l2_reads_free_page(), "first page");
	}
}

static void by_l2(void)
{
	struct ept_map *map = fresh();

	l2_writes(table, 0);
	use_table(map, table);
	for (unsigned int i = 0; i < 4; i++) {
		bool b = i % 2 == 0;

		l2_writes(table, (uptr)(b ? page_b : page_a) | RWX_WB);
		ept_flush(map);
		case_step("change %u", i);
		check_eq(b ? 0xbbbb : 0xaaaa, l2_reads_free_page(), "the page that L2 chose");
	}
}

/* CPU 1's L2 has its own EPT, which maps the table as data. */
static void write_on_cpu1(void *value)
{
	static bool prepared;

	if (!prepared) {
		vm_prepare(vm_self());
		fresh();
		prepared = true;
	}
	l2_writes(table_of_cpu1, (uptr)value);
}

static void leave_on_cpu1(void *unused)
{
	(void)unused;
	vmclear((uptr)vm_self()->region);
	vmx_off();
}

static void on_cpu1(void (*work)(void *), void *argument)
{
	smp_send_work(1, work, argument);
	check_true(smp_wait(1, WAIT_TICKS), "CPU 1 is done");
}

static void by_l2_of_another_cpu(void)
{
	struct ept_map *map = fresh();

	on_cpu1(write_on_cpu1, NULL);
	use_table(map, table_of_cpu1);
	for (unsigned int i = 0; i < 4; i++) {
		bool b = i % 2 == 0;

		on_cpu1(write_on_cpu1, (void *)((uptr)(b ? page_b : page_a) | (uptr)RWX_WB));
		ept_flush(map);
		case_step("change %u", i);
		check_eq(b ? 0xbbbb : 0xaaaa, l2_reads_free_page(), "the page that L2 chose");
	}
	on_cpu1(leave_on_cpu1, NULL);
}

static u32 reason_of_rdmsr(void)
{
	vm_self()->regs.rcx = MSR_IA32_KERNEL_GS_BASE;
	return vm_run(l2_rdmsr).reason;
}

/* The bit of the MSR for reads; L2 writes the word that holds it. */
static void bitmap_by_l2(void)
{
	u32 bit =
		MSR_BITMAP_READ_HIGH * 8 + (MSR_IA32_KERNEL_GS_BASE & (MSR_BITMAP_RANGE_COUNT - 1));
	volatile u32 *word = (volatile u32 *)(void *)bitmap + bit / 32;

	if (!case_requires(vm_allows(VMX_WORD_PROC1, PROC1_USE_MSR_BITMAPS), "no MSR bitmaps"))
		return;
	fresh();
	l2_writes(word, 0);
	vm_control(VMX_WORD_PROC1, PROC1_USE_MSR_BITMAPS, 0);
	vm_set(VMCS_msr_bitmap_address, (uptr)bitmap);
	for (unsigned int i = 0; i < 4; i++) {
		case_step("time %u", i);
		l2_writes(word, BIT32(bit % 32));
		check_eq(EXIT_REASON_RDMSR, reason_of_rdmsr(), "with the bit");
		l2_writes(word, 0);
		check_eq(EXIT_REASON_VMCALL, reason_of_rdmsr(), "without");
	}
}

/* --- A device: the first IDE channel's master, by bus-master DMA --- */

#define PCI_ADDRESS    0xcf8
#define PCI_DATA       0xcfc
#define PCI_COMMAND    0x04
#define PCI_CLASS      0x08
#define PCI_BAR4       0x20
#define PCI_BUS_MASTER BIT32(2)
#define PCI_CLASS_IDE  0x0101u
#define ATA_COMMAND    0x1f7
#define ATA_CONTROL    0x3f6
#define ATA_READ_DMA   0xc8
#define ATA_BUSY       0x80
#define ATA_NO_IRQ     0x02
#define BM_START_READ  0x09 /* the device's data go to memory */
#define BM_ACTIVE      0x01
#define PRD_LAST       BIT32(31)
#define SECTOR	       512
#define SECTORS_TO_TRY 2048u

static u32 pci_read(u32 function, u32 offset)
{
	outl(PCI_ADDRESS, BIT32(31) | function << 8 | offset);
	return inl(PCI_DATA);
}

/* Port of the bus-master registers of the IDE function of bus 0; 0: there is none. */
static u16 find_bus_master(void)
{
	for (u32 function = 0; function < 256; function++) {
		u32 bar;

		if (pci_read(function, PCI_CLASS) >> 16 != PCI_CLASS_IDE)
			continue;
		bar = pci_read(function, PCI_BAR4);
		outl(PCI_ADDRESS, BIT32(31) | function << 8 | PCI_COMMAND);
		outl(PCI_DATA, inl(PCI_DATA) | PCI_BUS_MASTER);
		return bar & 1 ? (u16)(bar & 0xfffc) : 0;
	}
	return 0;
}

static bool read_sector(u16 bus_master, u32 number, void *to)
{
	static u32 prd[2] __attribute__((aligned(8)));
	u64 start = rdtsc();

	prd[0] = (u32)(uptr)to;
	prd[1] = SECTOR | PRD_LAST;
	outb(ATA_CONTROL, ATA_NO_IRQ);
	outb(bus_master, 0);
	outl((u16)(bus_master + 4), (u32)(uptr)prd);
	outb(0x1f2, 1);
	outb(0x1f3, (u8)number);
	outb(0x1f4, (u8)(number >> 8));
	outb(0x1f5, (u8)(number >> 16));
	outb(0x1f6, 0xe0);
	outb(ATA_COMMAND, ATA_READ_DMA);
	outb(bus_master, BM_START_READ);
	while ((inb((u16)(bus_master + 2)) & BM_ACTIVE) || (inb(ATA_CONTROL) & ATA_BUSY)) {
		if (rdtsc() - start > WAIT_TICKS)
			return false;
	}
	outb(bus_master, 0);
	return true;
}

static bool is_zero(const u64 *sector)
{
	for (unsigned int i = 0; i < SECTOR / sizeof(*sector); i++)
		if (sector[i])
			return false;
	return true;
}

/* A sector of zeroes, found by reading all of them into @buffer; 0: none, or no DMA. */
static u32 find_zeroes(u16 bus_master, u64 *buffer)
{
	for (u32 i = 1; bus_master && i < SECTORS_TO_TRY; i++) {
		buffer[0] = 1;
		if (!read_sector(bus_master, i, buffer))
			return 0;
		if (is_zero(buffer))
			return i;
	}
	return 0;
}

static void by_device(void)
{
	u16 bus_master = find_bus_master();
	u32 zeroes = find_zeroes(bus_master, page_b);
	struct ept_map *map = fresh();

	if (!case_requires(zeroes, "no IDE disk with DMA and an empty sector") ||
	    !case_requires(facts.ept_vpid & EPT_CAP_INVEPT_ALL, "no all-context INVEPT"))
		return;
	use_table(map, table_of_device);
	check_true(read_sector(bus_master, zeroes, table_of_device), "DMA into the table");
	check_eq(0, table_of_device[0], "the entry");
	invept(INVEPT_ALL_CONTEXT, 0);
	check_exit(vm_run(l2_read_bx), EXIT_REASON_EPT_VIOLATION, "taken away");
}

static const struct lhv_case cases[] = {
	{ .name = "l2", .needs = NEEDS_VMX | NEEDS_EPT, .run = by_l2 },
	{ .name = "l2-of-another-cpu",
	  .needs = NEEDS_VMX | NEEDS_EPT | NEEDS_CPUS,
	  .run = by_l2_of_another_cpu },
	{ .name = "device", .needs = NEEDS_VMX | NEEDS_EPT, .run = by_device },
	{ .name = "msr-bitmap/l2", .needs = NEEDS_VMX | NEEDS_EPT, .run = bitmap_by_l2 },
};
LHV_TOPIC("writers", cases);
