/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "MSR-Bitmap Address", "I/O-Bitmap Addresses": each bit alone decides about its
 * MSR or port, at the edges of every range; the processor reads the page at each
 * access, so an edit needs no VM instruction.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

static u8 *msr_bitmap;
static u8 *io_bitmaps; /* A and B */

static void use_msr_bitmap(u8 fill)
{
	if (!msr_bitmap)
		msr_bitmap = page_alloc(1);
	memset(msr_bitmap, fill, PAGE_SIZE);
	vm_control(VMX_WORD_PROC1, PROC1_USE_MSR_BITMAPS, 0);
	vm_set(VMCS_msr_bitmap_address, (uptr)msr_bitmap);
}

/* Byte of the bitmap that decides; NULL: the MSR is in neither range. */
static u8 *byte_of(u32 msr, bool write)
{
	u32 low = msr & (MSR_BITMAP_RANGE_COUNT - 1);
	u8 *quarter = msr_bitmap + (write ? MSR_BITMAP_WRITE_LOW : MSR_BITMAP_READ_LOW);

	if (msr < MSR_BITMAP_RANGE_COUNT)
		return quarter + low / 8;
	if (msr - MSR_BITMAP_HIGH_FIRST < MSR_BITMAP_RANGE_COUNT)
		return quarter + MSR_BITMAP_READ_HIGH + low / 8;
	return NULL;
}

static u32 reason_of_access(u32 msr, bool write)
{
	struct outcome o;
	u64 value = 0;

	if (!write || msr == MSR_IA32_KERNEL_GS_BASE || msr == MSR_IA32_SYSENTER_EIP)
		value = 0x1000;
	vm_self()->regs.rcx = msr;
	vm_self()->regs.rax = (uptr)value;
	vm_self()->regs.rdx = 0;
	o = vm_run(write ? l2_wrmsr : l2_rdmsr);
	return o.result == VMX_SUCCEED ? o.reason : ~0U;
}

static const u32 edge_msrs[] = { 0,	     0x1fff,	 0xc0000000, 0xc0001fff, 0xc0000100,
				 0xc0000101, 0xc0000102, 0x174,	     0xc0000080, 0x48,
				 0xe7,	     0xe8,	 0x1000,     0xc0001000 };

/* All bits 0 but one: only this access exits. */
static void one_bit_set(void)
{
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(edge_msrs); i++) {
		u32 msr = edge_msrs[i / 2];
		bool write = i & 1;

		use_msr_bitmap(0);
		*byte_of(msr, write) |= (u8)(1 << (msr & 7));
		case_step("%s 0x%x", write ? "write" : "read", msr);
		check_eq(write ? EXIT_REASON_WRMSR : EXIT_REASON_RDMSR,
			 reason_of_access(msr, write), "exits");
		check_true(reason_of_access(msr, !write) !=
				   (write ? EXIT_REASON_RDMSR : EXIT_REASON_WRMSR),
			   "the other direction does not");
	}
}

/* All bits 1 but one: only this access is executed. */
static void one_bit_clear(void)
{
	static const u32 msrs[] = { 0x174,	0x175,	    0x176,	0x277,
				    0xc0000080, 0xc0000102, 0xc0000100, 0xc0000101 };

	for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++) {
		use_msr_bitmap(0xff);
		*byte_of(msrs[i], false) &= (u8) ~(1 << (msrs[i] & 7));
		case_step("read 0x%x", msrs[i]);
		check_eq(EXIT_REASON_VMCALL, reason_of_access(msrs[i], false), "is executed");
		check_eq(EXIT_REASON_WRMSR, reason_of_access(msrs[i], true), "write exits");
		check_eq(EXIT_REASON_RDMSR, reason_of_access(msrs[i] ^ 0x400, false),
			 "another MSR exits");
	}
}

/* MSRs in neither range exit whatever the bitmap holds. */
static void outside_ranges(void)
{
	static const u32 msrs[] = {
		0x2000, 0x10000, 0x40000000, 0xbfffffff, 0xc0002000, 0xffffffff
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++) {
		use_msr_bitmap(0);
		case_step("0x%x", msrs[i]);
		check_eq(EXIT_REASON_RDMSR, reason_of_access(msrs[i], false), "read");
		check_eq(EXIT_REASON_WRMSR, reason_of_access(msrs[i], true), "write");
	}
}

/* The bitmap page is edited between entries and nothing else is done. */
static void edited_between_entries(void)
{
	use_msr_bitmap(0);
	for (unsigned int i = 0; i < 16; i++) {
		u8 bit = 1 << (MSR_IA32_SYSENTER_EIP & 7);

		if (i & 1)
			*byte_of(MSR_IA32_SYSENTER_EIP, false) |= bit;
		else
			*byte_of(MSR_IA32_SYSENTER_EIP, false) &= (u8)~bit;
		case_step("round %u", i);
		check_eq(i & 1 ? EXIT_REASON_RDMSR : EXIT_REASON_VMCALL,
			 reason_of_access(MSR_IA32_SYSENTER_EIP, false), "read");
	}
}

/* What L2 writes to an MSR it was given, L1 reads afterwards; and the other way round. */
static void passed_values(void)
{
	u64 before = rdmsr(MSR_IA32_KERNEL_GS_BASE);

	use_msr_bitmap(0);
	wrmsr(MSR_IA32_KERNEL_GS_BASE, 0x11112000);
	check_eq(EXIT_REASON_VMCALL, reason_of_access(MSR_IA32_KERNEL_GS_BASE, false), "L2 reads");
	check_eq(0x11112000, (u32)vm_self()->regs.rax, "L1's value");
	check_eq(EXIT_REASON_VMCALL, reason_of_access(MSR_IA32_KERNEL_GS_BASE, true), "L2 writes");
	check_eq(0x1000, rdmsr(MSR_IA32_KERNEL_GS_BASE), "L2's value");
	wrmsr(MSR_IA32_KERNEL_GS_BASE, before);
}

/* FS and GS base of L2 are VMCS fields, whether read by MSR or set by it. */
static void segment_bases(void)
{
	use_msr_bitmap(0);
	vm_set(VMCS_guest_fs_base, 0x123000);
	check_eq(EXIT_REASON_VMCALL, reason_of_access(MSR_IA32_FS_BASE, false), "read of FS base");
	check_eq(0x123000, (u32)vm_self()->regs.rax, "FS base");
	vm_self()->regs.rcx = MSR_IA32_GS_BASE;
	vm_self()->regs.rax = 0x456000;
	vm_self()->regs.rdx = 0;
	check_exit(vm_run(l2_wrmsr), EXIT_REASON_VMCALL, "write of GS base");
	check_eq(0x456000, vm_get(VMCS_guest_gs_base), "saved GS base");
}

static void use_io_bitmaps(u8 fill)
{
	if (!io_bitmaps)
		io_bitmaps = page_alloc(2);
	memset(io_bitmaps, fill, 2 * PAGE_SIZE);
	vm_control(VMX_WORD_PROC1, PROC1_USE_IO_BITMAPS, 0);
	vm_set(VMCS_io_bitmap_a_address, (uptr)io_bitmaps);
	vm_set(VMCS_io_bitmap_b_address, (uptr)io_bitmaps + PAGE_SIZE);
}

/* IN of 1, 2 or 4 bytes, then VMCALL. */
static u32 reason_of_in(u16 port, unsigned int size)
{
	static u8 *code;
	static const u8 in1[] = { 0xec, 0x90, 0x0f, 0x01, 0xc1 };
	static const u8 in2[] = { 0x66, 0xed, 0x0f, 0x01, 0xc1 };
	static const u8 in4[] = { 0xed, 0x90, 0x0f, 0x01, 0xc1 };

	if (!code)
		code = page_alloc(1);
	memcpy(code, size == 1 ? in1 : size == 2 ? in2 : in4, sizeof(in1));
	vm_self()->regs.rdx = port;
	return vm_run(code).reason;
}

static const u16 edge_ports[] = { 0x80, 0x7f, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff };

/* An access exits if the bit of any of its bytes is 1. */
static void io_bits(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(edge_ports); i++) {
		for (unsigned int size = 1; size <= 4; size *= 2) {
			u16 port = edge_ports[i];
			bool wraps = (u32)port + size > 0x10000;

			for (unsigned int bit = 0; bit < size && !wraps; bit++) {
				use_io_bitmaps(0);
				io_bitmaps[(port + bit) / 8] |= (u8)(1 << ((port + bit) & 7));
				case_step("port 0x%x size %u bit %u", port, size, bit);
				check_eq(EXIT_REASON_IO_INSTRUCTION, reason_of_in(port, size),
					 "exits");
			}
			use_io_bitmaps(0);
			case_step("port 0x%x size %u, no bit", port, size);
			check_eq(wraps ? EXIT_REASON_IO_INSTRUCTION : EXIT_REASON_VMCALL,
				 reason_of_in(port, size), "executed unless it wraps");
		}
	}
}

/* With I/O bitmaps unconditional I/O exiting is ignored. */
static void io_unconditional_ignored(void)
{
	use_io_bitmaps(0);
	vm_control(VMX_WORD_PROC1, PROC1_UNCONDITIONAL_IO_EXITING, 0);
	check_eq(EXIT_REASON_VMCALL, reason_of_in(0x80, 1), "bits 0");
	use_io_bitmaps(0xff);
	vm_control(VMX_WORD_PROC1, 0, PROC1_UNCONDITIONAL_IO_EXITING);
	check_eq(EXIT_REASON_IO_INSTRUCTION, reason_of_in(0x80, 1), "bits 1");
}

static const struct lhv_case cases[] = {
	{ .name = "msr/one-bit-set", .needs = NEEDS_VMX, .run = one_bit_set },
	{ .name = "msr/one-bit-clear", .needs = NEEDS_VMX, .run = one_bit_clear },
	{ .name = "msr/outside-ranges", .needs = NEEDS_VMX, .run = outside_ranges },
	{ .name = "msr/edited-between-entries", .needs = NEEDS_VMX, .run = edited_between_entries },
	{ .name = "msr/passed-values", .needs = NEEDS_VMX | NEEDS_64BIT, .run = passed_values },
	{ .name = "msr/segment-bases", .needs = NEEDS_VMX | NEEDS_64BIT, .run = segment_bases },
	{ .name = "io/bits", .needs = NEEDS_VMX, .run = io_bits },
	{ .name = "io/unconditional-ignored", .needs = NEEDS_VMX, .run = io_unconditional_ignored },
};
LHV_TOPIC("bitmaps", cases);
