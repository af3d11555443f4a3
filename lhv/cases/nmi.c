/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NMIs: {NMI exiting, virtual NMIs} x blocking x what happens.  SDM "Non-Maskable
 * Interrupts", "Changes to Instruction Behavior in VMX Non-Root Operation" (IRET),
 * "Information for VM Exits Due to Vectored Events", "VM Exits Induced by NMI-Window".
 */
#include "lhv/suite/case.h"

#include "lhv/frame/apic.h"
#include "lhv/vm/programs.h"

#define APIC_ICR_ADDRESS 0xfee00300u
#define NMI_COMMAND	 (ICR_NMI | ICR_ASSERT)
#define NMI_INFORMATION	 0x80000202u

enum trigger { SELF_NMI_IN_L2, INJECTED, IRET, NOTHING, WINDOW, TRIGGER_COUNT };
enum nmi_mode { PASSED, EXITING, VIRTUAL, MODE_COUNT };

static const char *const trigger_names[] = { "nmi", "injected", "iret", "nothing", "window" };
static const char *const nmi_mode_names[] = { "passed", "exiting", "virtual" };

struct situation {
	enum nmi_mode mode;
	bool blocked;
	enum trigger trigger;
};

static struct situation situation_of(unsigned int row)
{
	return (struct situation){ (enum nmi_mode)(row / (2 * TRIGGER_COUNT)),
				   row / TRIGGER_COUNT & 1, (enum trigger)(row % TRIGGER_COUNT) };
}

static const char *situation_name(unsigned int row)
{
	static char name[64];
	struct situation s = situation_of(row);
	char *p = name;

	for (const char *q = nmi_mode_names[s.mode]; *q; q++)
		*p++ = *q;
	for (const char *q = s.blocked ? "-blocked-" : "-open-"; *q; q++)
		*p++ = *q;
	for (const char *q = trigger_names[s.trigger]; *q; q++)
		*p++ = *q;
	*p = 0;
	return name;
}

static void set_mode(struct situation s)
{
	vm_control(VMX_WORD_PIN,
		   (s.mode >= EXITING ? PIN_NMI_EXITING : 0) |
			   (s.mode == VIRTUAL ? PIN_VIRTUAL_NMIS : 0),
		   (s.mode < EXITING ? PIN_NMI_EXITING : 0) |
			   (s.mode != VIRTUAL ? PIN_VIRTUAL_NMIS : 0));
	vm_set(VMCS_guest_interruptibility_state, s.blocked ? BLOCKING_BY_NMI : 0);
	vm_set(VMCS_exception_bitmap, 0);
}

static bool blocked_after(void)
{
	return vm_get(VMCS_guest_interruptibility_state) & BLOCKING_BY_NMI;
}

/* NMIs that L1 took once it let them in. */
static u32 nmis_for_l1(void)
{
	nmi_unblock();
	return interrupt_take_count(VECTOR_NMI);
}

static bool in_l2_handler(u32 vector)
{
	uptr rip = (uptr)vm_get(VMCS_guest_rip);
	bool handler = rip >= (uptr)l2_interrupt_entries && rip < (uptr)l2_interrupt_return;

	return handler && *(uptr *)(uptr)vm_get(VMCS_guest_rsp) == vector;
}

static void self_nmi(struct situation s)
{
	struct outcome o;

	vm_self()->regs.rbx = APIC_ICR_ADDRESS;
	vm_self()->regs.rax = NMI_COMMAND;
	apic_write(APIC_ICR_HIGH, apic_id() << 24);
	o = vm_run(l2_write_bx);
	if (s.mode == VIRTUAL || (s.mode == EXITING && !s.blocked)) {
		check_exit(o, EXIT_REASON_EXCEPTION_OR_NMI, "exits");
		check_eq(NMI_INFORMATION, vm_get(VMCS_exit_interruption_information),
			 "interruption information");
		check_eq(s.blocked, blocked_after(), "blocking in L2 stays");
		check_eq(0, nmis_for_l1(), "the exit took the NMI");
		return;
	}
	check_exit(o, EXIT_REASON_VMCALL, "no NMI exit");
	check_eq(!s.blocked, in_l2_handler(VECTOR_NMI), "delivered to L2 unless blocked");
	check_true(blocked_after(), "blocking in L2");
	check_eq(s.blocked, nmis_for_l1(), "a held NMI comes to L1");
}

static void injected(struct situation s)
{
	struct outcome o;

	vm_set(VMCS_entry_interruption_information, NMI_INFORMATION);
	o = vm_run(l2_nops);
	if (s.mode == VIRTUAL && s.blocked) {
		check_entry_failure(o, EXIT_REASON_ENTRY_FAILURE_GUEST, 0, "not while blocked");
		return;
	}
	check_exit(o, EXIT_REASON_VMCALL, "delivered");
	check_true(in_l2_handler(VECTOR_NMI), "in L2's handler");
	check_true(blocked_after(), "blocking in L2");
	check_eq(0, nmis_for_l1(), "L1 sees none");
	if (s.mode == EXITING)
		return;
	/* its IRET opens */
	check_exit(vm_skip(), EXIT_REASON_VMCALL, "after IRET");
	check_true(!blocked_after(), "IRET ended the blocking");
}

static void iret(struct situation s)
{
	check_exit(vm_run(l2_iret_same), EXIT_REASON_VMCALL, "IRET");
	if (s.mode == EXITING)
		check_eq(s.blocked, blocked_after(), "IRET leaves the blocking");
	else
		check_true(!blocked_after(), "IRET ends the blocking");
	check_eq(0, nmis_for_l1(), "L1 sees none");
}

static void nothing(struct situation s)
{
	check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "runs");
	check_eq(s.blocked, blocked_after(), "blocking stays");
	check_eq(0, nmis_for_l1(), "L1 sees none");
}

/* NMI-window exiting: at once if open; after L2's IRET if blocked; needs virtual NMIs. */
static void window(struct situation s)
{
	struct outcome o;

	if (!case_requires(vm_allows(VMX_WORD_PROC1, PROC1_NMI_WINDOW_EXITING), "no NMI window"))
		return;
	vm_control(VMX_WORD_PROC1, PROC1_NMI_WINDOW_EXITING, 0);
	o = vm_run(l2_iret_same);
	if (s.mode != VIRTUAL) {
		check_vmfail(o, VMFAIL_ENTRY_INVALID_CONTROL, "needs virtual NMIs");
		return;
	}
	check_exit(o, EXIT_REASON_NMI_WINDOW, "window");
	if (s.blocked)
		check_true(vm_get(VMCS_guest_rip) > (uptr)l2_iret_same, "after IRET");
	else
		check_eq((uptr)l2_iret_same, vm_get(VMCS_guest_rip), "before any instruction");
	check_true(!blocked_after(), "open");
}

static void situation(unsigned int row)
{
	static void (*const checks[])(struct situation) = { self_nmi, injected, iret, nothing,
							    window };
	struct situation s = situation_of(row);
	struct cpu *cpu = cpu_self();

	if (!case_requires(s.mode != VIRTUAL || vm_allows(VMX_WORD_PIN, PIN_VIRTUAL_NMIS),
			   "no virtual NMIs"))
		return;
	if (!case_requires(!apic_is_x2apic() || s.trigger != SELF_NMI_IN_L2, "xAPIC only"))
		return;
	disable_interrupts();
	cpu->count_only_nmi = true;
	interrupt_take_count(VECTOR_NMI);
	set_mode(s);
	checks[s.trigger](s);
	nmi_unblock();
	cpu->count_only_nmi = false;
}

/* L1 counts NMIs, and blocks them as an exit of L2 left it. */
static void block_nmis(void)
{
	disable_interrupts();
	cpu_self()->count_only_nmi = true;
	interrupt_take_count(VECTOR_NMI);
	vm_set(VMCS_guest_interruptibility_state, BLOCKING_BY_NMI);
	vm_control(VMX_WORD_PIN, 0, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "leaves NMIs blocked in L1");
}

/* Two NMIs while L1 blocks them: the second one is lost. */
static void two_while_blocked(void)
{
	block_nmis();
	apic_send_self(ICR_NMI);
	apic_send_self(ICR_NMI);
	check_eq(0, interrupt_take_count(VECTOR_NMI), "held");
	check_eq(1, nmis_for_l1(), "one after IRET");
	cpu_self()->count_only_nmi = false;
}

/* L1 sends itself an NMI: its own handler takes it, VMX operation or not. */
static void to_self_in_root(void)
{
	struct cpu *cpu = cpu_self();

	cpu->count_only_nmi = true;
	interrupt_take_count(VECTOR_NMI);
	for (unsigned int i = 1; i <= 10; i++) {
		apic_send_self(ICR_NMI);
		case_step("NMI %u", i);
		check_eq(1, interrupt_take_count(VECTOR_NMI), "taken");
	}
	vmx_off();
	apic_send_self(ICR_NMI);
	case_step("outside VMX operation");
	check_eq(1, interrupt_take_count(VECTOR_NMI), "taken");
	cpu->count_only_nmi = false;
}

/* SDM "VM-Entry Failures During or After Loading Guest State": blocking by NMI is what it was
 * before the entry, whatever L2's state says. */
static void failed_entry(unsigned int row)
{
	static struct vmx_msr_entry refused[1]
		__attribute__((aligned(16))) = { { MSR_IA32_FS_BASE, 0, 0 } };
	block_nmis();
	vm_set(VMCS_guest_interruptibility_state, 0);
	if (row == 0) {
		vm_set(VMCS_guest_rflags, 0);
		check_entry_failure(vm_run(l2_nops), EXIT_REASON_ENTRY_FAILURE_GUEST, 0, "state");
	} else {
		vm_set(VMCS_entry_msr_load_address, (uptr)refused);
		vm_set(VMCS_entry_msr_load_count, 1);
		check_entry_failure(vm_run(l2_nops), EXIT_REASON_ENTRY_FAILURE_MSR, 1, "MSRs");
	}
	apic_send_self(ICR_NMI);
	check_eq(0, interrupt_take_count(VECTOR_NMI), "still blocked");
	check_eq(1, nmis_for_l1(), "one after IRET");
	cpu_self()->count_only_nmi = false;
}

static const char *failed_entry_name(unsigned int row)
{
	return row == 0 ? "state" : "msr-list";
}

static const struct lhv_case cases[] = {
	{ .name = "situation",
	  .needs = NEEDS_VMX,
	  .run_row = situation,
	  .row_name = situation_name,
	  .rows = MODE_COUNT * 2 * TRIGGER_COUNT },
	{ .name = "two-while-blocked", .needs = NEEDS_VMX, .run = two_while_blocked },
	{ .name = "to-self", .needs = NEEDS_VMX, .run = to_self_in_root },
	{ .name = "failed-entry",
	  .needs = NEEDS_VMX,
	  .run_row = failed_entry,
	  .row_name = failed_entry_name,
	  .rows = 2 },
};
LHV_TOPIC("nmi", cases);
