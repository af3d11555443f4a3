/* SPDX-License-Identifier: BSD-2-Clause */
/* Control registers, XCR0 and MSRs: what can be written, what faults, what reads back. */
#include "xmhf/test/l1/frame.h"

#define MSR_UNKNOWN_LOW	     0x00001234U
#define MSR_UNKNOWN_HIGH     0xc0001234U
#define MSR_UNKNOWN_NOWHERE  0x40001234U
#define MSR_SYSENTER_EIP     0x176U
#define MSR_MTRRCAP	     0xfeU
#define MSR_MTRR_PHYSBASE0   0x200U
#define MSR_MTRR_FIX4K_C8000 0x269U
#define MSR_MTRR_DEF_TYPE    0x2ffU
#define MSR_APIC_BASE	     0x1bU
#define MSR_BIOS_UPDT_TRIG   0x79U
#define MSR_MISC_ENABLE	     0x1a0U
#define MSR_PEBS_ENABLE	     0x3f1U
#define NO_BTS_NO_PEBS	     0x1800ULL
#define XD_DISABLE	     (1ULL << 34)
#define SPARE_VECTOR	     0x61U
#define PHYSMASK_VALID	     0x800U
#define TYPE_UC		     0U
#define TYPE_WB		     6U
#define GIB_1		     0x40000000ULL

static void check_cr0(void)
{
	u32 cr0 = read_cr0_32();

	ok(try_write_cr0(cr0 | CR0_NE) == NO_TRAP && (read_cr0_32() & CR0_NE), "CR0.NE can be set");
	ok(try_write_cr0(cr0 & ~(u32)CR0_NE) == NO_TRAP && !(read_cr0_32() & CR0_NE),
	   "CR0.NE can be cleared");
	ok(try_write_cr0(cr0 | (u32)CR0_NE | CR0_WP | CR0_AM | CR0_MP) == NO_TRAP &&
		   read_cr0_32() == (cr0 | (u32)CR0_NE | CR0_WP | CR0_AM | CR0_MP),
	   "CR0.NE together with other bits");
	ok(try_write_cr0((cr0 & ~(u32)(CR0_PE | CR0_NE)) | (u32)CR0_PG) == VECTOR_GP,
	   "CR0.PG without CR0.PE takes #GP");
	ok(try_write_cr0((cr0 & ~(u32)(CR0_NE | CR0_CD)) | (u32)CR0_NW) == VECTOR_GP,
	   "CR0.NW without CR0.CD takes #GP");
	ok(read_cr0_32() & CR0_NE, "a write that faults changes nothing");
	ok(try_write_cr0(cr0 | (u32)CR0_CD) == NO_TRAP && (read_cr0_32() & CR0_CD),
	   "CR0.CD can be set");
	ok(try_write_cr0(cr0) == NO_TRAP && read_cr0_32() == cr0, "CR0 is as it was");
}

static void check_lmsw(void)
{
	u32 cr0 = read_cr0_32();

	ok(try_lmsw((u16)(cr0 | CR0_MP | CR0_TS | CR0_NE)) == NO_TRAP &&
		   read_cr0_32() == (cr0 | (u32)CR0_MP | CR0_TS),
	   "LMSW sets MP and TS, and leaves NE alone");
	ok(smsw_16() == (u16)read_cr0_32(), "SMSW shows what MOV from CR0 shows");
	ok(try_lmsw(0) == NO_TRAP && (read_cr0_32() & CR0_PE), "LMSW does not clear PE");
	try_write_cr0(cr0);
}

static void check_cr4(void)
{
	u32 cr4 = read_cr4_32();
	struct cpuid_result features;
	bool smx;

	cpuid_32(1, 0, &features);
	smx = features.ecx & CPUID_1_ECX_SMX;
	ok(!(cr4 & CR4_VMXE), "CR4.VMXE is clear at first");
	if (features.ecx & CPUID_1_ECX_VMX) {
		ok(try_write_cr4(cr4 | CR4_VMXE) == NO_TRAP && (read_cr4_32() & CR4_VMXE),
		   "CR4.VMXE is writable if CPUID says VMX");
		ok(try_write_cr4(cr4) == NO_TRAP && read_cr4_32() == cr4,
		   "CR4.VMXE can be cleared");
	} else {
		ok(try_write_cr4(cr4 | CR4_VMXE) == VECTOR_GP,
		   "CR4.VMXE is writable if CPUID says VMX");
		ok(read_cr4_32() == cr4, "CR4.VMXE can be cleared");
	}
	ok((try_write_cr4(cr4 | CR4_SMXE) == NO_TRAP) == smx,
	   "CR4.SMXE is writable if CPUID says SMX");
	try_write_cr4(cr4);
	ok(try_write_cr4(cr4 | CR4_PSE | CR4_DE | CR4_PGE) == NO_TRAP &&
		   read_cr4_32() == (cr4 | (u32)(CR4_PSE | CR4_DE | CR4_PGE)),
	   "other bits of CR4");
	ok(try_write_cr4(cr4 | 1U << 15) == VECTOR_GP, "a reserved bit of CR4 takes #GP");
	ok(try_write_cr4(cr4 | 1U << 15 | CR4_VMXE) == VECTOR_GP, "the same together with VMXE");
	ok(try_write_cr4(cr4 | CR4_PCIDE) == VECTOR_GP, "CR4.PCIDE outside IA-32e mode takes #GP");
	try_write_cr4(cr4);
	ok(read_cr4_32() == cr4, "CR4 is as it was");
}

static void check_xcr0(void)
{
	struct cpuid_result features;
	u32 cr4 = read_cr4_32();

	ok(try_xsetbv(0, 1) == VECTOR_UD, "XSETBV without CR4.OSXSAVE takes #UD");
	cpuid_32(1, 0, &features);
	if (!(features.ecx & CPUID_1_ECX_XSAVE))
		return;
	ok(!(features.ecx & CPUID_1_ECX_OSXSAVE), "CPUID.OSXSAVE follows CR4: clear");
	try_write_cr4(cr4 | CR4_OSXSAVE);
	cpuid_32(1, 0, &features);
	ok(features.ecx & CPUID_1_ECX_OSXSAVE, "CPUID.OSXSAVE follows CR4: set");
	ok(try_xsetbv(0, 3) == NO_TRAP, "XSETBV of x87 and SSE");
	ok(try_xsetbv(0, 1) == NO_TRAP, "XSETBV of x87");
	ok(try_xsetbv(0, 2) == VECTOR_GP, "XSETBV without x87 takes #GP");
	ok(try_xsetbv(0, 5) == VECTOR_GP, "XSETBV of AVX without SSE takes #GP");
	ok(try_xsetbv(0, 1ULL << 63 | 1) == VECTOR_GP, "XSETBV of bit 63 takes #GP");
	ok(try_xsetbv(7, 1) == VECTOR_GP, "XSETBV of another register takes #GP");
	try_write_cr4(cr4);
}

static void check_msrs(void)
{
	u64 value, base;

	ok(try_rdmsr(MSR_UNKNOWN_LOW, &value) == VECTOR_GP,
	   "RDMSR of an unknown low MSR takes #GP");
	ok(try_rdmsr(MSR_UNKNOWN_HIGH, &value) == VECTOR_GP,
	   "RDMSR of an unknown high MSR takes #GP");
	ok(try_rdmsr(MSR_UNKNOWN_NOWHERE, &value) == VECTOR_GP,
	   "RDMSR outside both ranges takes #GP");
	ok(own_cpu()->trap_error_code == 0, "with error code 0");
	ok(try_wrmsr(MSR_UNKNOWN_LOW, 0) == VECTOR_GP, "WRMSR of an unknown low MSR takes #GP");
	ok(try_wrmsr(MSR_UNKNOWN_HIGH, 0) == VECTOR_GP, "WRMSR of an unknown high MSR takes #GP");
	ok(try_wrmsr(MSR_UNKNOWN_NOWHERE, 0) == VECTOR_GP, "WRMSR outside both ranges takes #GP");
	ok(try_wrmsr(MSR_SYSENTER_EIP, 0x12345678) == NO_TRAP &&
		   try_rdmsr(MSR_SYSENTER_EIP, &value) == NO_TRAP && value == 0x12345678,
	   "IA32_SYSENTER_EIP reads back");
	ok(try_wrmsr(MSR_MTRRCAP, 0) == VECTOR_GP, "IA32_MTRRCAP cannot be written");
	ok(try_rdmsr(MSR_APIC_BASE, &base) == NO_TRAP &&
		   try_wrmsr(MSR_APIC_BASE, base) == NO_TRAP &&
		   try_rdmsr(MSR_APIC_BASE, &value) == NO_TRAP && value == base,
	   "IA32_APIC_BASE can be written with its value");
	ok(try_wrmsr(MSR_APIC_BASE, base | 1) == VECTOR_GP,
	   "a reserved bit of IA32_APIC_BASE takes #GP");
}

/* L1 has no debug store, and cannot disable the execute-disable bit; some models have not even the
 * MSR. */
static void check_misc_enable(void)
{
	u64 value, back;

	ok(try_wrmsr(MSR_PEBS_ENABLE, 1) == VECTOR_GP, "IA32_PEBS_ENABLE cannot be set");
	if (try_rdmsr(MSR_MISC_ENABLE, &value) == VECTOR_GP)
		return;
	ok((value & NO_BTS_NO_PEBS) == NO_BTS_NO_PEBS, "IA32_MISC_ENABLE says no BTS, no PEBS");
	ok(!(value & XD_DISABLE), "IA32_MISC_ENABLE: execute-disable is not disabled");
	try_wrmsr(MSR_MISC_ENABLE, value | XD_DISABLE);
	ok(try_rdmsr(MSR_MISC_ENABLE, &back) == NO_TRAP && back == value, "nor by a write");
	ok(try_wrmsr(MSR_MISC_ENABLE, value) == NO_TRAP &&
		   try_rdmsr(MSR_MISC_ENABLE, &back) == NO_TRAP && back == value,
	   "IA32_MISC_ENABLE can be written with its value");
}

static bool reads_back(u32 index, u64 value)
{
	u64 back;

	return try_wrmsr(index, value) == NO_TRAP && try_rdmsr(index, &back) == NO_TRAP &&
	       back == value;
}

/* The mask of one MiB, as wide as physical addresses are. */
static u64 mask_of_1m(void)
{
	struct cpuid_result r;

	cpuid_32(0x80000008, 0, &r);
	return low_bits(r.eax & 0xff) & ~0xfffffULL;
}

static void check_mtrrs(void)
{
	u64 cap = 0, base = 0, mask = 0, fixed = 0, type = 0;
	u32 last;

	try_rdmsr(MSR_MTRRCAP, &cap);
	last = MSR_MTRR_PHYSBASE0 + 2 * ((u32)(cap & 0xff) - 1);
	try_rdmsr(last, &base);
	try_rdmsr(last + 1, &mask);
	try_rdmsr(MSR_MTRR_FIX4K_C8000, &fixed);
	try_rdmsr(MSR_MTRR_DEF_TYPE, &type);
	ok((cap & 0xff) >= 2, "there are variable MTRRs");
	ok(reads_back(last, GIB_1 | TYPE_UC), "a variable MTRR's base reads back");
	ok(reads_back(last + 1, mask_of_1m() | PHYSMASK_VALID),
	   "a variable MTRR's mask reads back");
	*(volatile u32 *)(uptr)0x100000 = 0x600df00d;
	ok(*(volatile u32 *)(uptr)0x100000 == 0x600df00d, "memory works behind it");
	ok(try_wrmsr(last, GIB_1 | 2) == VECTOR_GP, "memory type 2 takes #GP");
	ok(try_wrmsr(last, GIB_1 | TYPE_WB | 1ULL << 63) == VECTOR_GP, "a reserved bit takes #GP");
	ok(reads_back(last + 1, mask) && reads_back(last, base), "they can be put back");
	ok(reads_back(MSR_MTRR_FIX4K_C8000, 0x0606060606060606ULL), "a fixed MTRR reads back");
	ok(try_wrmsr(MSR_MTRR_FIX4K_C8000, 0x0606060606060603ULL) == VECTOR_GP,
	   "memory type 3 in a fixed MTRR takes #GP");
	ok(reads_back(MSR_MTRR_FIX4K_C8000, fixed), "it can be put back");
	ok(reads_back(MSR_MTRR_DEF_TYPE, 0xc00 | TYPE_WB), "IA32_MTRR_DEF_TYPE reads back");
	ok(try_wrmsr(MSR_MTRR_DEF_TYPE, 0xc02) == VECTOR_GP, "default type 2 takes #GP");
	ok(reads_back(MSR_MTRR_DEF_TYPE, 0), "the MTRRs can be turned off");
	*(volatile u32 *)(uptr)0x100000 = 0xcafe;
	ok(*(volatile u32 *)(uptr)0x100000 == 0xcafe, "memory works without them");
	ok(reads_back(MSR_MTRR_DEF_TYPE, type), "they can be turned on again");
}

extern const u8 real_mode_faults[], real_mode_gp[];

static void set_real_mode_vector(u32 vector, const u8 *handler)
{
	*(volatile u32 *)(uptr)(vector * 4) = (u32)(uptr)handler; /* in segment 0 */
}

static void check_real_mode(void)
{
	struct bios_registers r = { 0 };
	u32 old = *(volatile u32 *)(uptr)(VECTOR_GP * 4);

	set_real_mode_vector(SPARE_VECTOR, real_mode_faults);
	set_real_mode_vector(VECTOR_GP, real_mode_gp);
	bios_call(SPARE_VECTOR, &r);
	*(volatile u32 *)(uptr)(VECTOR_GP * 4) = old;
	ok((r.ebx & 0xffff) == 2, "RDMSR and MOV to CR4 take #GP in real mode, without error code");
}

static void check_vmx_instructions(void)
{
	struct cpuid_result features;
	u32 eax = 0, ebx = 0, ecx = 0, edx = 0;

	cpuid_32(1, 0, &features);
	ok(try_vmcall(&eax, &ebx, &ecx, &edx) == VECTOR_UD, "VMCALL takes #UD");
	ok(try_vmxoff() == VECTOR_UD, "VMXOFF outside VMX operation takes #UD");
	say("CPUID says VMX: %u", (features.ecx & CPUID_1_ECX_VMX) != 0);
	ok(!(features.ecx & CPUID_1_ECX_HYPERVISOR), "CPUID does not say hypervisor");
}

void test_main(void)
{
	check_cr0();
	check_lmsw();
	check_cr4();
	check_xcr0();
	check_msrs();
	check_misc_enable();
	check_mtrrs();
	check_real_mode();
	check_vmx_instructions();
}
