/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VirtualBox: the guest boots without paging, MOV CR0 that turns it on is emulated, and the
 * control words differ before, after and in 64-bit code; the system-call MSRs are L2's
 * until L1 needs its own; a timer at every entry; interrupts are not acknowledged on exit; it
 * leaves VMX operation now and then; guests are hypervisors only with VMCS shadowing.
 */
#include "lhv/frame/apic.h"
#include "lhv/frame/asm_hw.h"
#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/persona/work.h"
#include "lhv/vm/ept.h"
#include "xmhf/lib/bug.h"

#define PRIMARY_NO_PAGING 0xb5a0fdfau
#define PRIMARY_PAGING	  0xb5a07dfeu
#define REBOOT_EVERY	  25
#define LEAVE_EVERY	  4
#define TIMER_LONG	  0x7fffffff
#define TIMER_SOON	  50
#define L2_LSTAR	  0x6b6b6b6bu
#define L1_LSTAR	  0x1a1a1a1au
#define TSC_VALUE	  0x7150u
#define CR0_BOOT	  0x15u /* as the guest sees it */
#define SHADOWED_VALUE	  0x5ad0

extern const u8 l2_virtualbox[], l2_paging_later[];

static struct {
	const struct persona *p;
	struct vm *boot, *work;
	struct work_ept ept;
	u32 *shadow; /* shadow VMCS, if there is VMCS shadowing */
	u64 guest_lstar;
	u32 timer;
} vb;

static const char *refuses(void)
{
	if (!vm_allows(VMX_WORD_PIN, PERSONA_PIN))
		return "external-interrupt or NMI exiting";
	if (!vm_allows(VMX_WORD_PROC1, PERSONA_PROC1 & ~PROC1_MWAIT_EXITING))
		return "a primary control of its minimum";
	if (!vm_allows_0(VMX_WORD_PROC1, PROC1_CR3_LOAD_EXITING | PROC1_CR3_STORE_EXITING))
		return "CR3 exiting that can be off";
	if (!vm_allows(VMX_WORD_EXIT, EXIT_SAVE_DEBUG_CONTROLS))
		return "save debug controls";
	return NULL;
}

static bool has_timer(void)
{
	return vm_allows(VMX_WORD_PIN, PIN_ACTIVATE_PREEMPTION_TIMER);
}

static void set_timer(void)
{
	if (has_timer())
		vm_set(VMCS_preemption_timer_value, vb.timer);
}

/* The VMCS that VMREAD and VMWRITE of a guest hypervisor act on. */
static void make_shadow(void)
{
	u32 revision = (u32)field_get(facts.basic, VMX_BASIC_REVISION);

	if (!vm_allows(VMX_WORD_PROC2, PROC2_VMCS_SHADOWING))
		return;
	vb.shadow = page_alloc(1);
	vb.shadow[0] = revision;
	vmclear((uptr)vb.shadow);
	bug_if(vmptrld((uptr)vb.shadow) != VMX_SUCCEED);
	vm_write_raw(VMCS_guest_es_selector, SHADOWED_VALUE);
	vmclear((uptr)vb.shadow);
	vb.shadow[0] = revision | BIT32(31);
	vm_load(vb.work);
	vm_control(VMX_WORD_PROC2, PROC2_VMCS_SHADOWING, 0);
	vm_set(VMCS_vmread_bitmap_address, (uptr)page_alloc(1));
	vm_set(VMCS_vmwrite_bitmap_address, (uptr)page_alloc(1));
	vm_set(VMCS_vmcs_link_pointer, (uptr)vb.shadow);
}

static void prepare(const struct persona *p)
{
	u8 *bitmap;

	vb.p = p;
	vb.work = vm_self();
	vb.boot = vm_new();
	vb.ept = work_ept_new(false);
	vb.timer = TIMER_LONG;
	work_set_controls(p, L2_NATIVE);
	bitmap = work_msr_bitmap();
	work_msr_pass(bitmap, MSR_IA32_STAR);
	work_msr_pass(bitmap, MSR_IA32_LSTAR);
	work_msr_pass(bitmap, MSR_IA32_FMASK);
	work_msr_pass(bitmap, MSR_IA32_KERNEL_GS_BASE);
	work_efer_lists();
	vm_set(VMCS_eptp, vb.ept.eptp);
	make_shadow();
	work_at_each_exit(set_timer);
}

static void rdtsc_value(void)
{
	vm_self()->regs.rax = TSC_VALUE;
	work_skip();
}

/* MOV to CR3: the value is kept and loaded. */
static void cr3_loaded(void)
{
	vm_set(VMCS_guest_cr3, vm_self()->regs.rcx);
	work_skip();
}

/* MOV to CR0 that turns paging on: the new control words, IA32_EFER left as it is. */
static void paging_on(void)
{
	u64 cr0 = vm_self()->regs.rbx;

	vm_set(VMCS_cr0_read_shadow, cr0);
	vm_set(VMCS_guest_cr0, cr0 | CR0_NE | CR0_ET);
	vm_set(VMCS_processor_based_controls,
	       (PRIMARY_PAGING | facts.word[VMX_WORD_PROC1].must) & facts.word[VMX_WORD_PROC1].may);
	work_skip();
}

/* Whatever waited for the window is gone. */
static void window_open(void)
{
	vm_control(VMX_WORD_PROC1, 0, PROC1_INTERRUPT_WINDOW_EXITING);
}

static void boot_guest(void)
{
	static const struct step steps[] = {
		{ EXIT_REASON_CR_ACCESS, cr3_loaded, false },
		{ EXIT_REASON_RDTSC, rdtsc_value, false },
		{ EXIT_REASON_CR_ACCESS, paging_on, false },
		{ EXIT_REASON_RDTSC, rdtsc_value, false },
		{ EXIT_REASON_INTERRUPT_WINDOW, window_open, false },
		{ EXIT_REASON_VMCALL, NULL, false },
	};
	struct persona words = *vb.p;

	vm_prepare(vb.boot);
	if (!vm_reset(L2_FLAT)) {
		vm_load(vb.work);
		return;
	}
	words.primary = PRIMARY_NO_PAGING;
	work_set_controls(&words, L2_FLAT);
	vm_set(VMCS_cr0_guest_host_mask, ~0ULL);
	vm_set(VMCS_cr0_read_shadow, CR0_BOOT);
	set_timer();
	vm_self()->regs.rcx = (uptr)l2_cr3_plain();
	vm_self()->regs.rbx = (uptr)(CR0_BOOT | CR0_PG);
	vm_self()->regs.rbp = 0;
	vm_start_at(L2_FLAT, l2_paging_later);
	if (work_script(steps, ARRAY_SIZE(steps))) {
		work_check(vm_self()->regs.rbp == 2 * TSC_VALUE, "RDTSC while booting");
		work_check(vm_self()->regs.rax == l2_cr3_plain(), "CR3 after booting");
	}
	vmclear((uptr)vb.boot->region);
	vm_load(vb.work);
}

/* L2's system-call MSRs stay in the processor until L1 wants its own. */
static void give_msrs_back(void)
{
	vb.guest_lstar = rdmsr(MSR_IA32_LSTAR);
	work_check(vb.guest_lstar == L2_LSTAR, "L2's IA32_LSTAR");
	wrmsr(MSR_IA32_LSTAR, L1_LSTAR);
	work_skip();
	work_check(rdmsr(MSR_IA32_LSTAR) == L1_LSTAR, "L1's IA32_LSTAR");
	wrmsr(MSR_IA32_LSTAR, vb.guest_lstar);
}

static void interrupt_of_host(void)
{
	interrupt_take_count(VECTOR_TEST);
	apic_send_self(ICR_FIXED | VECTOR_TEST);
}

static void gp_handled(void)
{
	work_return_behind_2();
	vb.timer = TIMER_SOON;
	set_timer();
	if (!has_timer())
		interrupt_of_host();
}

static void timer_fired(void)
{
	vb.timer = TIMER_LONG;
	set_timer();
	interrupt_of_host();
}

/* Not acknowledged: L1 opens its interrupts for it. */
static void host_interrupt(void)
{
	work_check(!(vm_get(VMCS_exit_interruption_information) >> 31), "not acknowledged");
	interrupts_through();
	work_check(interrupt_take_count(VECTOR_TEST) == 1, "the host's interrupt");
	vm_self()->regs.rsi = 1;
}

static void work_of(u32 round)
{
	const struct step steps[] = {
		{ EXIT_REASON_CPUID, work_cpuid, false },
		{ EXIT_REASON_IO_INSTRUCTION, work_in, false },
		{ EXIT_REASON_EPT_VIOLATION, work_mmio, false },
		{ EXIT_REASON_RDMSR, work_rdmsr, false },
		{ EXIT_REASON_VMCALL, give_msrs_back, false },
		{ EXIT_REASON_EXCEPTION_OR_NMI, work_reflect, false },
		{ EXIT_REASON_VMCALL, gp_handled, false },
		{ EXIT_REASON_PREEMPTION_TIMER, timer_fired, !has_timer() },
		{ EXIT_REASON_EXTERNAL_INTERRUPT, host_interrupt, false },
		{ EXIT_REASON_VMREAD, work_inject_ud, vb.shadow },
		{ EXIT_REASON_VMCALL, work_return_behind_3, vb.shadow },
		{ EXIT_REASON_HLT, NULL, false },
		{ EXIT_REASON_VMCALL, NULL, false },
	};
	u32 sum = work_ordinary_start(round);
	struct l2_registers *r = &vm_self()->regs;

	r->rdi = VMCS_guest_es_selector;
	vm_set(VMCS_guest_rip, (uptr)l2_virtualbox);
	set_timer();
	if (!work_script(steps, ARRAY_SIZE(steps)))
		return;
	sum += L2_LSTAR + (vb.shadow ? SHADOWED_VALUE : 0xfff8);
	work_check((u32)r->rbp == sum, "the sum of L2");
}

static void leave_and_return(void)
{
	vmclear((uptr)vb.work->region);
	vmx_off();
	write_cr4(read_cr4() & ~(uptr)CR4_VMXE);
	work_check(vmx_on(), "VMXON");
	vm_load(vb.work);
	vb.work->launched = false;
}

static void virtualbox_round(u32 round)
{
	if (round % REBOOT_EVERY == 0)
		boot_guest();
	if (round % LEAVE_EVERY == 0)
		leave_and_return();
	work_of(round);
}

const struct persona persona_virtualbox = { .name = "virtualbox",
					    .pin = 0x7f,
					    .primary = 0xb5a06dfa,
					    .secondary = 0xeb,
					    .exit = 0x436fff,
					    .entry = 0x13ff,
					    .exception_bitmap = 0x22002,
					    .refuses = refuses,
					    .prepare = prepare,
					    .round = virtualbox_round };
