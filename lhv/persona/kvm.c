/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM: two virtual CPUs with a VMCS each, VMPTRLD from one to the other, VMCLEAR when one
 * moves to another CPU; IA32_EFER by MSR lists; MMIO as EPT misconfiguration; pages on demand;
 * the guest's timer is the VMX-preemption timer; dozens of fields read at each exit.
 */
#include "lhv/frame/apic.h"
#include "lhv/frame/asm_hw.h"
#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/smp.h"
#include "lhv/persona/work.h"
#include "lhv/vm/ept.h"
#include "xmhf/lib/bug.h"

#define VCPUS	      2
#define MIGRATE_EVERY 25
#define TIMER_SOON    100
#define DATA_PAGE     1 /* of the fourth gibibyte */
#define APIC_PAGE     2
#define APIC_ICR      0x300
#define WAIT_TICKS    200000000

extern const u8 l2_kvm[], l2_kvm_apic[], l2_kvm_apic_end[];

static struct {
	struct vm *vcpu[VCPUS];
	struct work_ept ept;
	u32 *data; /* what the demand page becomes */
	u8 *apic;  /* the page of its local APIC */
} kvm;

static const char *refuses(void)
{
	if (!vm_allows(VMX_WORD_PIN, PERSONA_PIN))
		return "external-interrupt or NMI exiting";
	if (!vm_allows(VMX_WORD_PROC1, PERSONA_PROC1))
		return "a primary control of its minimum";
	if (!vm_allows(VMX_WORD_EXIT, EXIT_ACKNOWLEDGE_INTERRUPT | EXIT_SAVE_DEBUG_CONTROLS))
		return "acknowledge interrupt on exit";
	if (!vm_allows(VMX_WORD_ENTRY, ENTRY_LOAD_DEBUG_CONTROLS))
		return "load debug controls";
	if (field_get(facts.basic, VMX_BASIC_REGION_SIZE) > PAGE_SIZE)
		return "a VMCS region of at most 4096 bytes";
	if (field_get(facts.basic, VMX_BASIC_MEMORY_TYPE) != MEMORY_TYPE_WB)
		return "write-back VMCS access";
	return NULL;
}

static void read_hot_fields(void)
{
	static const u32 hot[] = {
		VMCS_guest_rip,
		VMCS_guest_rsp,
		VMCS_guest_rflags,
		VMCS_guest_cr0,
		VMCS_guest_cr3,
		VMCS_guest_cr4,
		VMCS_guest_cs_selector,
		VMCS_guest_cs_access_rights,
		VMCS_guest_cs_base,
		VMCS_guest_ss_access_rights,
		VMCS_guest_interruptibility_state,
		VMCS_guest_activity_state,
		VMCS_exit_reason,
		VMCS_exit_qualification,
		VMCS_exit_interruption_information,
		VMCS_exit_interruption_error_code,
		VMCS_idt_vectoring_information,
		VMCS_idt_vectoring_error_code,
		VMCS_exit_instruction_length,
		VMCS_exit_instruction_information,
		VMCS_guest_linear_address,
		VMCS_guest_physical_address,
		VMCS_guest_pdpte0,
		VMCS_guest_pdpte1,
		VMCS_guest_pdpte2,
		VMCS_guest_pdpte3,
		VMCS_guest_gs_base,
		VMCS_guest_fs_base,
		VMCS_guest_ia32_sysenter_cs,
		VMCS_guest_ia32_sysenter_esp,
		VMCS_guest_ia32_sysenter_eip,
		VMCS_guest_dr7,
		VMCS_cr0_read_shadow,
		VMCS_cr4_read_shadow,
		VMCS_processor_based_controls,
		VMCS_tpr_threshold,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(hot); i++)
		vm_get(hot[i]);
}

static void each_exit(void)
{
	read_hot_fields();
	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE))
		return;
	/* L1's XCR0 and back to L2's */
	write_cr4(read_cr4() | (uptr)CR4_OSXSAVE);
	xsetbv(0, 1);
	xsetbv(0, 1);
}

static void prepare_vcpu(const struct persona *p, struct vm *vm)
{
	u8 *bitmap;

	vm_prepare(vm);
	vm_reset(L2_NATIVE);
	work_set_controls(p, L2_NATIVE);
	vm_set(VMCS_apic_access_address, (uptr)kvm.apic);
	bitmap = work_msr_bitmap();
	work_msr_pass(bitmap, MSR_IA32_FS_BASE);
	work_msr_pass(bitmap, MSR_IA32_GS_BASE);
	work_msr_pass(bitmap, MSR_IA32_KERNEL_GS_BASE);
	work_efer_lists();
	vm_set(VMCS_eptp, kvm.ept.eptp);
}

static void prepare(const struct persona *p)
{
	kvm.ept = work_ept_new(false);
	kvm.data = page_alloc(1);
	kvm.apic = page_alloc(1);
	kvm.ept.pt[APIC_PAGE] = work_page(kvm.apic, EPT_RWX);
	kvm.ept.pt[0] = EPT_WRITE | EPT_EXECUTE; /* the marker of MMIO */
	kvm.vcpu[0] = vm_self();
	kvm.vcpu[1] = vm_new();
	for (unsigned int i = 0; i < VCPUS; i++)
		prepare_vcpu(p, kvm.vcpu[i]);
	work_at_each_exit(each_exit);
}

static bool has_timer(void)
{
	return vm_allows(VMX_WORD_PIN, PIN_ACTIVATE_PREEMPTION_TIMER);
}

static void map_data(void)
{
	work_check(vm_get(VMCS_guest_physical_address) == EPT_FREE_BASE + DATA_PAGE * PAGE_SIZE,
		   "address of the violation");
	kvm.ept.pt[DATA_PAGE] = work_page(kvm.data, EPT_RWX);
}

/* The guest programs its timer: the preemption timer if there is one, else the host's. */
static void arm_timer(void)
{
	if (has_timer()) {
		vm_control(VMX_WORD_PIN, PIN_ACTIVATE_PREEMPTION_TIMER, 0);
		vm_set(VMCS_preemption_timer_value, TIMER_SOON);
	} else {
		apic_timer_once(VECTOR_TIMER, TIMER_SOON);
	}
	work_skip();
}

static void timer_fired(void)
{
	vm_control(VMX_WORD_PIN, 0, PIN_ACTIVATE_PREEMPTION_TIMER);
	work_inject_interrupt();
}

static void host_interrupt(void)
{
	work_check(vm_get(VMCS_exit_interruption_information) == (BIT32(31) | VECTOR_TIMER),
		   "vector acknowledged on exit");
	apic_eoi();
	work_inject_interrupt();
}

static void want_window(void)
{
	vm_control(VMX_WORD_PROC1, PROC1_INTERRUPT_WINDOW_EXITING, 0);
	work_skip();
}

static void window_open(void)
{
	vm_control(VMX_WORD_PROC1, 0, PROC1_INTERRUPT_WINDOW_EXITING);
	work_inject_interrupt();
}

static void halted(void)
{
	vm_self()->regs.rsi = EPT_FREE_BASE + APIC_PAGE * PAGE_SIZE;
	work_skip();
}

static void apic_access(void)
{
	work_check((vm_get(VMCS_exit_qualification) & 0xfff) == APIC_ICR, "register of the APIC");
	vm_set(VMCS_guest_rip, vm_get(VMCS_guest_rip) + (u64)(l2_kvm_apic_end - l2_kvm_apic));
}

static void work_of(u32 round)
{
	bool apic = work_uses(VMX_WORD_PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES);
	const struct step steps[] = {
		{ EXIT_REASON_CPUID, work_cpuid, false },
		{ EXIT_REASON_IO_INSTRUCTION, work_in, false },
		{ EXIT_REASON_EPT_MISCONFIGURATION, work_mmio, false },
		{ EXIT_REASON_RDMSR, work_rdmsr, false },
		{ EXIT_REASON_EPT_VIOLATION, map_data, false },
		{ EXIT_REASON_WRMSR, arm_timer, false },
		{ EXIT_REASON_PREEMPTION_TIMER, timer_fired, !has_timer() },
		{ EXIT_REASON_EXTERNAL_INTERRUPT, host_interrupt, has_timer() },
		{ EXIT_REASON_VMCALL, work_interrupt_handled, false },
		{ EXIT_REASON_VMCALL, want_window, false },
		{ EXIT_REASON_INTERRUPT_WINDOW, window_open, false },
		{ EXIT_REASON_VMCALL, work_interrupt_handled, false },
		{ EXIT_REASON_EXCEPTION_OR_NMI, work_reflect, false },
		{ EXIT_REASON_VMCALL, work_return_behind_2, false },
		{ EXIT_REASON_DR_ACCESS, work_mov_from_dr7, false },
		{ EXIT_REASON_WBINVD, NULL, !work_uses(VMX_WORD_PROC2, PROC2_WBINVD_EXITING) },
		{ EXIT_REASON_HLT, halted, false },
		{ EXIT_REASON_APIC_ACCESS, apic_access, !apic },
		{ EXIT_REASON_VMCALL, NULL, false },
	};
	u32 sum = work_ordinary_start(round);

	kvm.ept.pt[DATA_PAGE] = 0;
	work_flush(&kvm.ept);
	vm_self()->regs.rdi = EPT_FREE_BASE + DATA_PAGE * PAGE_SIZE;
	vm_set(VMCS_guest_rip, (uptr)l2_kvm);
	if (!work_script(steps, ARRAY_SIZE(steps)))
		return;
	work_check(kvm.data[0] == sum, "what L2 wrote to the page");
	work_check((u32)vm_self()->regs.rbp == 2 * sum, "the sum of L2");
}

struct remote {
	struct vm *vm;
	u32 round;
};

static void host_of_this_cpu(void)
{
	vm_set(VMCS_host_tr_selector, read_tr());
	vm_set(VMCS_host_tr_base, tss_base(cpu_self()->index));
}

static void remote_work(void *argument)
{
	struct remote *r = argument;

	disable_interrupts();
	bug_if(!vmx_on());
	vm_load(r->vm);
	r->vm->launched = false;
	host_of_this_cpu();
	work_of(r->round);
	vmclear((uptr)r->vm->region);
	vm_use(NULL);
	enable_interrupts();
}

/* VMCLEAR here, VMPTRLD and VMLAUNCH on another CPU if there is one; then back. */
static void migrate(struct vm *vm, u32 round)
{
	struct remote r = { vm, round };

	vmclear((uptr)vm->region);
	if (cpu_count > 1) {
		smp_send_work(1, remote_work, &r);
		work_check(smp_wait(1, WAIT_TICKS), "the other CPU");
	}
	vm_load(vm);
	vm->launched = false;
	host_of_this_cpu();
}

static void kvm_round(u32 round)
{
	struct vm *vm = kvm.vcpu[round % VCPUS];

	if (round % MIGRATE_EVERY == 0)
		migrate(vm, round);
	vm_load(vm);
	work_of(round);
}

const struct persona persona_kvm = { .name = "kvm",
				     .pin = 0x3f,
				     .primary = 0xb5a06dfa,
				     .secondary = 0xe3,
				     .exit = 0x3efff,
				     .entry = 0x13ff,
				     .exception_bitmap = 0x60042,
				     .refuses = refuses,
				     .prepare = prepare,
				     .round = kvm_round };
