/* SPDX-License-Identifier: BSD-2-Clause */
/* Each rule on exit and entry controls accepts a VMCS12 and refuses it with one thing broken. */
/* sources: nested/entry/entry.c nested/entry/execution_controls.c
 * nested/entry/exit_controls.c nested/entry/entry_controls.c nested/entry/host_registers.c
 * nested/entry/host_segments.c nested/entry/address_space_size.c nested/entry/guest_registers.c
 * nested/entry/guest_segments.c nested/entry/guest_descriptor_tables.c
 * nested/entry/guest_rip_rflags.c nested/entry/guest_activity.c
 * nested/entry/guest_interruptibility.c nested/entry/guest_link_pointer.c
 * nested/entry/guest_pdptes.c
 */
#include "nested/test/entry_trial.h"

static void test_exit_controls(void)
{
	trial_begin();
	t.v.secondary_exit_controls = ~0ULL;
	accepted();
	trial_clear(&t.v.exit_controls, BIT32(0));
	refused_control("control_allowed(e->exit, &e->caps->exit)");
	trial_clear(&t.caps.exit.may_be_1, EXIT_LOAD_IA32_PAT);
	accepted();
	t.v.exit_controls |= EXIT_LOAD_IA32_PAT;
	refused_control("control_allowed(e->exit, &e->caps->exit)");
	t.v.exit_controls |= EXIT_ACTIVATE_SECONDARY_CONTROLS;
	refused_control("!(e->exit2 & ~e->caps->exit2)");

	t.v.pin_based_controls |= PIN_ACTIVATE_PREEMPTION_TIMER;
	t.v.exit_controls |= EXIT_SAVE_PREEMPTION_TIMER;
	accepted();
	trial_clear(&t.v.pin_based_controls, PIN_ACTIVATE_PREEMPTION_TIMER);
	refused_control("IMPLIES(e->exit & EXIT_SAVE_PREEMPTION_TIMER, "
			"e->pin & PIN_ACTIVATE_PREEMPTION_TIMER)");
}

/* The list at @address with @count entries is refused by @first when its address is bad, by
 * @last when only its end is. */
static void msr_list(u64 *address, u32 *count, const char *first, const char *last)
{
	trial_begin();
	*count = 1;
	structure_address(address, 16, first);
	*count = 512;
	*address = BEYOND_WIDTH - 512 * 16;
	accepted();
	*address += 16;
	refused_control(last);
	*count = 513;
	refused_control(last);
	*count = ~0U;
	refused_control(last);
	*address = 16;
	*count = ~0U;
	accepted();
	*count = 1;
	*address = BEYOND_WIDTH - 16;
	accepted();
}

static void test_msr_lists(void)
{
	msr_list(&t.v.exit_msr_store_address, &t.v.exit_msr_store_count,
		 "IMPLIES(stores, entry_is_structure_address(e, store, size))",
		 "IMPLIES(stores, entry_is_structure_address(e, last_store, size))");
	msr_list(&t.v.exit_msr_load_address, &t.v.exit_msr_load_count,
		 "IMPLIES(loads, entry_is_structure_address(e, load, size))",
		 "IMPLIES(loads, entry_is_structure_address(e, last_load, size))");
	msr_list(&t.v.entry_msr_load_address, &t.v.entry_msr_load_count,
		 "IMPLIES(loads, entry_is_structure_address(e, load, size))",
		 "IMPLIES(loads, entry_is_structure_address(e, last_load, size))");
}

static void test_entry_controls(void)
{
	trial_begin();
	accepted();
	trial_clear(&t.v.entry_controls, BIT32(0));
	refused_control("control_allowed(e->entry, &e->caps->entry)");
	trial_clear(&t.caps.entry.may_be_1, ENTRY_LOAD_IA32_EFER);
	accepted();
	t.v.entry_controls |= ENTRY_LOAD_IA32_EFER;
	refused_control("control_allowed(e->entry, &e->caps->entry)");
	t.v.entry_controls |= ENTRY_ENTRY_TO_SMM;
	refused_control("!(e->entry & ENTRY_ENTRY_TO_SMM)");
	t.v.entry_controls |= ENTRY_DEACTIVATE_DUAL_MONITOR;
	refused_control("!(e->entry & ENTRY_DEACTIVATE_DUAL_MONITOR)");
	t.v.entry_controls |= ENTRY_LOAD_IA32_RTIT_CTL;
	t.v.guest_ia32_rtit_ctl = 0;
	accepted();
	t.in.l1_traces = true;
	refused_control("IMPLIES(e->entry & ENTRY_LOAD_IA32_RTIT_CTL, !e->in->l1_traces)");
}

static void test_injected_type_and_vector(void)
{
	trial_begin();
	trial_inject(INTR_TYPE_NMI, VECTOR_NMI);
	accepted();
	trial_inject(INTR_TYPE_NMI, 3);
	refused_control("IMPLIES(type == INTR_TYPE_NMI, vector == VECTOR_NMI)");
	trial_inject(INTR_TYPE_RESERVED, 2);
	refused_control("type != INTR_TYPE_RESERVED");
	trial_inject(INTR_TYPE_HARDWARE_EXCEPTION, 31);
	accepted();
	trial_inject(INTR_TYPE_HARDWARE_EXCEPTION, 32);
	refused_control("IMPLIES(type == INTR_TYPE_HARDWARE_EXCEPTION, "
			"vector <= LAST_EXCEPTION_VECTOR)");
	trial_inject(INTR_TYPE_OTHER_EVENT, 0);
	accepted();
	trial_inject(INTR_TYPE_OTHER_EVENT, 1);
	refused_control("IMPLIES(type == INTR_TYPE_OTHER_EVENT, vector == 0)");
	trial_clear(&t.caps.proc1.may_be_1, PROC1_MONITOR_TRAP_FLAG);
	refused_control("IMPLIES(type == INTR_TYPE_OTHER_EVENT, has_mtf)");
}

static void test_injected_error_code(void)
{
	trial_begin();
	trial_inject(INTR_TYPE_HARDWARE_EXCEPTION, VECTOR_PF);
	t.v.entry_interruption_information |= INTR_INFO_ERROR_CODE;
	t.v.entry_exception_error_code = 0xffff;
	accepted();
	t.v.entry_exception_error_code = 0x10000;
	refused_control("IMPLIES(delivers, "
			"!(e->v->entry_exception_error_code & ERROR_CODE_RESERVED))");
	t.v.entry_interruption_information &= ~INTR_INFO_ERROR_CODE;
	refused_control("IMPLIES(possible && usual && !free_choice, delivers)");
	trial_inject(INTR_TYPE_HARDWARE_EXCEPTION, VECTOR_UD);
	t.v.entry_interruption_information |= INTR_INFO_ERROR_CODE;
	refused_control("IMPLIES(delivers, possible && (usual || free_choice))");
	t.v.entry_interruption_information |= INTR_INFO_NMI_UNBLOCKED;
	refused_control("!(e->injection & INTR_INFO_RESERVED)");
}

static void test_injected_instruction_length(void)
{
	trial_begin();
	trial_inject(INTR_TYPE_SOFTWARE_EXCEPTION, VECTOR_BP);
	t.v.entry_instruction_length = 15;
	accepted();
	t.v.entry_instruction_length = 16;
	refused_control("IMPLIES(software, length <= INSTRUCTION_LENGTH_MAX)");
	t.v.entry_instruction_length = 0;
	accepted();
	t.caps.misc &= ~VMX_MISC_INJECT_LENGTH_ZERO;
	refused_control("IMPLIES(software && !zero_allowed, length != 0)");
}

int main(void)
{
	test_exit_controls();
	test_msr_lists();
	test_entry_controls();
	test_injected_type_and_vector();
	test_injected_error_code();
	test_injected_instruction_length();
	trial_rules_all_refused("nested/entry/exit_controls.c");
	trial_rules_all_refused("nested/entry/entry_controls.c");
	return tap_end();
}
