/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hyper-V: reads the capabilities in its own order; a first entry that fails with error 7,
 * then seventeen VMCALLs; synthetic MSRs and hypercalls; descriptor-table exiting; two levels of
 * trust with an EPT each, of 1 GiB pages where there are any; NMIs to itself.
 */
#include "lhv/frame/apic.h"
#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "lhv/persona/work.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define FIRST_VMCALLS  17
#define NMI_EVERY      20
#define SECURE_PAGE    1
#define TIME_VALUE     0x71e5u
#define GUEST_OS_ID    0x40000000u
#define REFERENCE_TIME 0x40000020u
#define SYNTHETIC_EOI  0x40000070u
#define CALL_FLUSH     2u
#define CALL_SECURE    0x11u
#define CALL_RETURN    0x12u
#define WRITE_BYTES    2 /* of `mov %eax, (DI)` */

extern const u8 l2_hyperv[], l2_fs_gs[];

static struct {
	struct work_ept normal, secure; /* VTL 0 and VTL 1 */
	u32 *data;
	u8 table[16]; /* where L2's SGDT stores */
} hyperv;

static const char *refuses(void)
{
	if (!vm_allows(VMX_WORD_PROC1, PROC1_USE_MSR_BITMAPS))
		return "MSR bitmaps";
	if (!vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_EPT))
		return "EPT";
	return NULL;
}

static void read_capabilities(void)
{
	static const u32 order[] = { 0x480, 0x48d, 0x48e, 0x48f, 0x490, 0x486, 0x487,
				     0x488, 0x489, 0x48b, 0x48c, 0x491, 0x485 };

	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++) {
		if (order[i] == MSR_IA32_VMX_VMFUNC && !facts.vmfunc)
			continue;
		if (order[i] >= MSR_IA32_VMX_TRUE_PINBASED_CTLS &&
		    order[i] <= MSR_IA32_VMX_TRUE_ENTRY_CTLS && !facts.true_controls)
			continue;
		rdmsr(order[i]);
	}
}

/* VPID 0 is error 7; the entry after it succeeds. */
static void bad_entry_first(void)
{
	struct outcome o;

	if (!work_uses(VMX_WORD_PROC2, PROC2_ENABLE_VPID))
		return;
	vm_set(VMCS_vpid, 0);
	o = vm_run(l2_vmcall);
	work_check(o.result == VMX_FAIL_VALID && o.error == VMFAIL_ENTRY_INVALID_CONTROL,
		   "error 7");
	vm_set(VMCS_vpid, 1);
	vm_control(VMX_WORD_PROC1, 0, PROC1_MOV_DR_EXITING);
}

static void first_vmcalls(void)
{
	vm_set(VMCS_guest_rip, (uptr)l2_vmcall);
	for (unsigned int i = 0; i < FIRST_VMCALLS; i++) {
		if (!work_enter(EXIT_REASON_VMCALL))
			return;
		vm_set(VMCS_guest_rip, (uptr)l2_vmcall);
	}
}

static void l2_writes_bases(void)
{
	vm_self()->regs.rax = 0x123000;
	vm_self()->regs.rbx = 0x456000;
	vm_set(VMCS_guest_rip, (uptr)l2_fs_gs);
	if (!work_enter(EXIT_REASON_VMCALL))
		return;
	work_check(vm_get(VMCS_guest_fs_base) == 0x123000, "FS base");
	work_check(vm_get(VMCS_guest_gs_base) == 0x456000, "GS base");
}

static void prepare(const struct persona *p)
{
	bool gib = facts.ept_vpid & EPT_CAP_1G;
	u8 *bitmap;

	read_capabilities();
	hyperv.data = page_alloc(1);
	hyperv.normal = work_ept_new(gib);
	hyperv.secure = work_ept_new(gib);
	hyperv.normal.pt[SECURE_PAGE] = work_page(hyperv.data, EPT_READ);
	hyperv.secure.pt[SECURE_PAGE] = work_page(hyperv.data, EPT_RWX);
	work_set_controls(p, L2_NATIVE);
	bitmap = work_msr_bitmap();
	work_msr_pass(bitmap, MSR_IA32_FS_BASE);
	work_msr_pass(bitmap, MSR_IA32_GS_BASE);
	work_efer_lists();
	vm_set(VMCS_host_ia32_efer, ~0ULL); /* its control is off */
	vm_set(VMCS_eptp, hyperv.normal.eptp);
	bad_entry_first();
	first_vmcalls();
	if (IS_64BIT)
		l2_writes_bases();
}

static void synthetic(u32 msr)
{
	work_check((u32)vm_self()->regs.rcx == msr, "synthetic MSR");
	vm_self()->regs.rax = TIME_VALUE;
	work_skip();
}

static void guest_os_id(void)
{
	synthetic(GUEST_OS_ID);
}

static void reference_time(void)
{
	synthetic(REFERENCE_TIME);
}

static void synthetic_eoi(void)
{
	synthetic(SYNTHETIC_EOI);
}

static void store_gdtr(void)
{
	struct descriptor_table_pointer p = { (u16)vm_get(VMCS_guest_gdtr_limit),
					      (uptr)vm_get(VMCS_guest_gdtr_base) };

	memcpy(hyperv.table, &p, sizeof(p));
	work_skip();
}

static void load_gdtr(void)
{
	struct descriptor_table_pointer p;

	memcpy(&p, hyperv.table, sizeof(p));
	vm_set(VMCS_guest_gdtr_limit, p.limit);
	vm_set(VMCS_guest_gdtr_base, p.base);
	work_skip();
}

static void hypercall(u32 number)
{
	work_check((u32)vm_self()->regs.rcx == number, "hypercall");
	work_skip();
}

static void flush(void)
{
	hypercall(CALL_FLUSH);
	if (facts.ept_vpid & EPT_CAP_INVVPID_SINGLE)
		invvpid(INVVPID_SINGLE_CONTEXT, 1, 0);
}

static void call_secure(void)
{
	hypercall(CALL_SECURE);
	vm_set(VMCS_eptp, hyperv.secure.eptp);
}

static void return_normal(void)
{
	hypercall(CALL_RETURN);
	vm_set(VMCS_eptp, hyperv.normal.eptp);
}

/* The normal level may only read the secure level's page: the write is left out. */
static void write_refused(void)
{
	work_check(vm_get(VMCS_guest_physical_address) == EPT_FREE_BASE + SECURE_PAGE * PAGE_SIZE,
		   "address of the violation");
	vm_set(VMCS_guest_rip, vm_get(VMCS_guest_rip) + WRITE_BYTES);
}

static void self_nmi(void)
{
	struct cpu *cpu = cpu_self();

	cpu->count_only_nmi = true;
	interrupt_take_count(VECTOR_NMI);
	apic_send_self(ICR_NMI);
	work_check(interrupt_take_count(VECTOR_NMI) == 1, "NMI to itself");
	cpu->count_only_nmi = false;
}

static void hyperv_round(u32 round)
{
	bool tables = work_uses(VMX_WORD_PROC2, PROC2_DESCRIPTOR_TABLE_EXITING);
	const struct step steps[] = {
		{ EXIT_REASON_CPUID, work_cpuid, false },
		{ EXIT_REASON_IO_INSTRUCTION, work_in, false },
		{ EXIT_REASON_EPT_VIOLATION, work_mmio, false },
		{ EXIT_REASON_RDMSR, work_rdmsr, false },
		{ EXIT_REASON_WRMSR, guest_os_id, false },
		{ EXIT_REASON_RDMSR, reference_time, false },
		{ EXIT_REASON_WRMSR, synthetic_eoi, false },
		{ EXIT_REASON_GDTR_IDTR_ACCESS, store_gdtr, !tables },
		{ EXIT_REASON_GDTR_IDTR_ACCESS, load_gdtr, !tables },
		{ EXIT_REASON_LDTR_TR_ACCESS, NULL, !tables },
		{ EXIT_REASON_LDTR_TR_ACCESS, NULL, !tables },
		{ EXIT_REASON_VMCALL, flush, false },
		{ EXIT_REASON_VMCALL, call_secure, false },
		{ EXIT_REASON_VMCALL, return_normal, false },
		{ EXIT_REASON_EPT_VIOLATION, write_refused, false },
		{ EXIT_REASON_VMCALL, NULL, false },
	};
	u32 sum = work_ordinary_start(round) + TIME_VALUE;

	if (round % NMI_EVERY == 0)
		self_nmi();
	vm_self()->regs.rdi = EPT_FREE_BASE + SECURE_PAGE * PAGE_SIZE;
	vm_self()->regs.rsi = (uptr)hyperv.table;
	vm_set(VMCS_guest_rip, (uptr)l2_hyperv);
	if (!work_script(steps, ARRAY_SIZE(steps)))
		return;
	work_check(hyperv.data[0] == sum, "what the secure level wrote");
	work_check((u32)vm_self()->regs.rbp == 2 * sum, "the sum of L2");
}

const struct persona persona_hyperv = { .name = "hyperv",
					.pin = 0x3f,
					.primary = 0xb6a06dfa,
					.secondary = 0x001810af,
					.exit = 0x103efff,
					.entry = 0x213ff,
					.exception_bitmap = 0x60002,
					.refuses = refuses,
					.prepare = prepare,
					.round = hyperv_round };
