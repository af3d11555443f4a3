/* SPDX-License-Identifier: BSD-2-Clause */
/* Each rule on VM-execution controls accepts a VMCS12 and refuses it with one thing broken. */
/* sources: nested/entry/entry.c nested/entry/execution_controls.c
 * nested/entry/exit_controls.c nested/entry/entry_controls.c nested/entry/host_registers.c
 * nested/entry/host_segments.c nested/entry/address_space_size.c nested/entry/guest_registers.c
 * nested/entry/guest_segments.c nested/entry/guest_descriptor_tables.c
 * nested/entry/guest_rip_rflags.c nested/entry/guest_activity.c
 * nested/entry/guest_interruptibility.c nested/entry/guest_link_pointer.c
 * nested/entry/guest_pdptes.c
 */
#include "nested/test/entry_trial.h"

static void test_reserved_bits(void)
{
	trial_begin();
	accepted();
	trial_clear(&t.v.pin_based_controls, BIT32(1));
	refused_control("control_allowed(e->pin, &caps->pin)");
	t.v.pin_based_controls |= BIT32(31);
	refused_control("control_allowed(e->pin, &caps->pin)");
	trial_clear(&t.v.processor_based_controls, BIT32(1));
	refused_control("control_allowed(e->proc1, &caps->proc1)");
	t.v.processor_based_controls |= BIT32(0);
	refused_control("control_allowed(e->proc1, &caps->proc1)");

	t.v.secondary_processor_based_controls = ~0U;
	accepted();
	t.v.processor_based_controls |= PROC1_ACTIVATE_SECONDARY_CONTROLS;
	refused_control("IMPLIES(secondary, control_allowed(e->proc2, &caps->proc2))");
	t.caps.proc2.must_be_1 = PROC2_ENABLE_RDTSCP;
	trial_proc2(PROC2_ENABLE_RDTSCP);
	accepted();
	t.v.secondary_processor_based_controls = 0;
	refused_control("IMPLIES(secondary, control_allowed(e->proc2, &caps->proc2))");

	trial_begin();
	t.v.tertiary_processor_based_controls = ~0ULL;
	accepted();
	t.v.processor_based_controls |= PROC1_ACTIVATE_TERTIARY_CONTROLS;
	refused_control("!(e->proc3 & ~caps->proc3)");
	trial_proc3(PROC3_LOADIWKEY_EXITING);
	t.v.tertiary_processor_based_controls = PROC3_LOADIWKEY_EXITING;
	accepted();
	t.v.tertiary_processor_based_controls |= BIT(32);
	refused_control("!(e->proc3 & ~caps->proc3)");
}

static void test_cr3_targets_and_bitmaps(void)
{
	trial_begin();
	t.v.cr3_target_count = 4;
	accepted();
	t.v.cr3_target_count = 5;
	refused_control("v->cr3_target_count <= "
			"field_get(e->caps->misc, VMX_MISC_CR3_TARGETS)");

	t.v.processor_based_controls |= PROC1_USE_IO_BITMAPS;
	t.v.io_bitmap_a_address = t.v.io_bitmap_b_address = TRIAL_PAGE;
	structure_address(&t.v.io_bitmap_a_address, PAGE_SIZE,
			  "IMPLIES(io, entry_is_structure_address(e, "
			  "v->io_bitmap_a_address, PAGE_SIZE))");
	structure_address(&t.v.io_bitmap_b_address, PAGE_SIZE,
			  "IMPLIES(io, entry_is_structure_address(e, "
			  "v->io_bitmap_b_address, PAGE_SIZE))");
	t.v.processor_based_controls |= PROC1_USE_MSR_BITMAPS;
	structure_address(&t.v.msr_bitmap_address, PAGE_SIZE,
			  "IMPLIES(msr, entry_is_structure_address(e, "
			  "v->msr_bitmap_address, PAGE_SIZE))");
}

static void test_tpr_shadow(void)
{
	trial_begin();
	t.v.processor_based_controls |= PROC1_USE_TPR_SHADOW;
	t.v.tpr_threshold = 0;
	structure_address(&t.v.virtual_apic_address, PAGE_SIZE,
			  "IMPLIES(shadow, entry_is_structure_address(e, "
			  "v->virtual_apic_address, PAGE_SIZE))");
	t.in.virtual_tpr = 0x5f;
	t.v.tpr_threshold = 5;
	accepted();
	t.v.tpr_threshold = 6;
	refused_control("IMPLIES(compare, value <= field_get(e->in->virtual_tpr, TPR_CLASS))");
	for (unsigned int bit = 4; bit < 32; bit++) {
		t.v.tpr_threshold = BIT32(bit);
		refused_control("IMPLIES(threshold, !(v->tpr_threshold & TPR_THRESHOLD_RESERVED))");
	}
	t.in.virtual_tpr = 0xff;
	t.v.tpr_threshold = 15;
	accepted();
	t.in.virtual_tpr = 0x7f;
	refused_control("IMPLIES(compare, value <= field_get(e->in->virtual_tpr, TPR_CLASS))");

	/* With virtualized APIC accesses the VTPR does not matter. */
	trial_proc2(PROC2_VIRTUALIZE_APIC_ACCESSES);
	t.v.apic_access_address = TRIAL_PAGE;
	t.v.tpr_threshold = 15;
	accepted();
	t.v.tpr_threshold = 16;
	refused_control("IMPLIES(threshold, !(v->tpr_threshold & TPR_THRESHOLD_RESERVED))");

	/* With virtual-interrupt delivery nor does the threshold. */
	trial_proc2(PROC2_VIRTUAL_INTERRUPT_DELIVERY);
	t.v.pin_based_controls |= PIN_EXTERNAL_INTERRUPT_EXITING;
	t.v.tpr_threshold = ~0U;
	accepted();
}

static void test_nmi_controls(void)
{
	trial_begin();
	t.v.pin_based_controls |= PIN_NMI_EXITING | PIN_VIRTUAL_NMIS;
	t.v.processor_based_controls |= PROC1_NMI_WINDOW_EXITING;
	accepted();
	trial_clear(&t.v.pin_based_controls, PIN_NMI_EXITING);
	refused_control("IMPLIES(e->pin & PIN_VIRTUAL_NMIS, e->pin & PIN_NMI_EXITING)");
	trial_clear(&t.v.pin_based_controls, PIN_VIRTUAL_NMIS);
	refused_control("IMPLIES(e->proc1 & PROC1_NMI_WINDOW_EXITING, "
			"e->pin & PIN_VIRTUAL_NMIS)");
}

static void test_apic_virtualization(void)
{
	trial_begin();
	trial_proc2(PROC2_VIRTUALIZE_APIC_ACCESSES);
	structure_address(&t.v.apic_access_address, PAGE_SIZE,
			  "IMPLIES(accesses, entry_is_structure_address(e, "
			  "e->v->apic_access_address, PAGE_SIZE))");

	trial_begin();
	t.v.processor_based_controls |= PROC1_USE_TPR_SHADOW;
	t.v.virtual_apic_address = TRIAL_PAGE;
	t.v.tpr_threshold = 0;
	trial_proc2(PROC2_VIRTUALIZE_X2APIC_MODE);
	accepted();
	trial_clear(&t.v.processor_based_controls, PROC1_USE_TPR_SHADOW);
	refused_control("IMPLIES(x2apic, shadow)");
	trial_proc2(PROC2_VIRTUALIZE_APIC_ACCESSES);
	t.v.apic_access_address = TRIAL_PAGE;
	refused_control("IMPLIES(x2apic, !accesses)");

	t.v.secondary_processor_based_controls = PROC2_APIC_REGISTER_VIRTUALIZATION;
	accepted();
	trial_clear(&t.v.processor_based_controls, PROC1_USE_TPR_SHADOW);
	refused_control("IMPLIES(e->proc2 & PROC2_APIC_REGISTER_VIRTUALIZATION, shadow)");

	t.v.secondary_processor_based_controls = PROC2_VIRTUAL_INTERRUPT_DELIVERY;
	t.v.pin_based_controls |= PIN_EXTERNAL_INTERRUPT_EXITING;
	accepted();
	trial_clear(&t.v.processor_based_controls, PROC1_USE_TPR_SHADOW);
	refused_control("IMPLIES(interrupts, shadow)");
	trial_clear(&t.v.pin_based_controls, PIN_EXTERNAL_INTERRUPT_EXITING);
	refused_control("IMPLIES(interrupts, e->pin & PIN_EXTERNAL_INTERRUPT_EXITING)");

	t.v.secondary_processor_based_controls = 0;
	trial_proc3(PROC3_IPI_VIRTUALIZATION);
	t.v.pid_pointer_table_address = TRIAL_PAGE;
	accepted();
	trial_clear(&t.v.processor_based_controls, PROC1_USE_TPR_SHADOW);
	refused_control("IMPLIES(e->proc3 & PROC3_IPI_VIRTUALIZATION, shadow)");
}

static void test_posted_interrupts(void)
{
	trial_begin();
	t.v.processor_based_controls |= PROC1_USE_TPR_SHADOW;
	t.v.virtual_apic_address = TRIAL_PAGE;
	trial_proc2(PROC2_VIRTUAL_INTERRUPT_DELIVERY);
	t.v.pin_based_controls |= PIN_EXTERNAL_INTERRUPT_EXITING | PIN_PROCESS_POSTED_INTERRUPTS;
	t.v.exit_controls |= EXIT_ACKNOWLEDGE_INTERRUPT;
	t.v.posted_interrupt_notification_vector = 0xff;
	structure_address(&t.v.posted_interrupt_descriptor_address, 64,
			  "entry_is_structure_address(e, "
			  "v->posted_interrupt_descriptor_address, 64)");
	t.v.posted_interrupt_descriptor_address = BEYOND_WIDTH - 64;
	accepted();
	for (unsigned int bit = 8; bit < 16; bit++) {
		t.v.posted_interrupt_notification_vector = (u16)BIT32(bit);
		refused_control("!(v->posted_interrupt_notification_vector & VECTOR_RESERVED)");
	}
	trial_clear(&t.v.exit_controls, EXIT_ACKNOWLEDGE_INTERRUPT);
	refused_control("e->exit & EXIT_ACKNOWLEDGE_INTERRUPT");
	t.v.secondary_processor_based_controls = 0;
	t.v.tpr_threshold = 0;
	refused_control("e->proc2 & PROC2_VIRTUAL_INTERRUPT_DELIVERY");
}

static void test_eptp(void)
{
	trial_begin();
	trial_proc2(PROC2_ENABLE_VPID);
	t.v.vpid = 1;
	accepted();
	t.v.vpid = 0;
	refused_control("IMPLIES(e->proc2 & PROC2_ENABLE_VPID, e->v->vpid != 0)");

	trial_proc2(PROC2_ENABLE_EPT);
	t.v.eptp |= EPTP_AD | EPTP_SHADOW_STACK;
	accepted();
	t.caps.ept_vpid &= ~EPT_CAP_AD;
	refused_control("IMPLIES(ept && (eptp & EPTP_AD), cap & EPT_CAP_AD)");
	t.caps.ept_vpid &= ~EPT_CAP_SHADOW_STACK;
	refused_control("IMPLIES(ept && (eptp & EPTP_SHADOW_STACK), cap & EPT_CAP_SHADOW_STACK)");
	/* A processor without the features accepts a pointer without them. */
	t.v.eptp &= ~(EPTP_AD | EPTP_SHADOW_STACK);
	t.caps.ept_vpid &= ~(EPT_CAP_AD | EPT_CAP_SHADOW_STACK);
	accepted();
	for (unsigned int bit = 8; bit < 12; bit++) {
		t.v.eptp |= BIT(bit);
		refused_control("IMPLIES(ept, !(eptp & EPTP_RESERVED))");
	}
	t.v.eptp |= BEYOND_WIDTH;
	refused_control("IMPLIES(ept, fits_physical_width(eptp, e->caps))");
	t.v.eptp |= BIT(63);
	refused_control("IMPLIES(ept, fits_physical_width(eptp, e->caps))");
	/* EPT tables are not a VMX structure: they may lie above 4 GiB. */
	t.caps.basic |= VMX_BASIC_32BIT_ADDRESSES;
	t.v.eptp |= 8 * GIB;
	accepted();
}

static void test_eptp_type_and_length(void)
{
	const u64 caps[2][8] = { [0] = { [0] = EPT_CAP_UC, [6] = EPT_CAP_WB },
				 [1] = { [3] = EPT_CAP_WALK_4, [4] = EPT_CAP_WALK_5 } };
	const u64 fields[2] = { EPTP_MEMORY_TYPE, EPTP_WALK_LENGTH };
	const char *const rules[2] = { "IMPLIES(ept, eptp_memory_type_supported(e))",
				       "IMPLIES(ept, eptp_walk_length_supported(e))" };

	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int value = 0; value < 8; value++) {
			trial_begin();
			trial_proc2(PROC2_ENABLE_EPT);
			accepted();
			t.v.eptp = field_set(t.v.eptp, fields[i], value);
			if (caps[i][value]) {
				accepted();
				t.caps.ept_vpid &= ~caps[i][value];
			}
			refused_control(rules[i]);
		}
	}
}

/* @control is refused by @rule without EPT. */
static void needs_ept(u32 control, const char *rule)
{
	trial_begin();
	trial_proc2(PROC2_ENABLE_EPT | control);
	t.v.pml_address = t.v.sub_page_permission_table_pointer = TRIAL_PAGE;
	accepted();
	trial_clear(&t.v.secondary_processor_based_controls, PROC2_ENABLE_EPT);
	refused_control(rule);
}

static void test_ept_dependents(void)
{
	needs_ept(PROC2_ENABLE_PML, "IMPLIES(pml, ept)");
	structure_address(&t.v.pml_address, PAGE_SIZE,
			  "IMPLIES(pml, entry_is_structure_address(e, "
			  "e->v->pml_address, PAGE_SIZE))");
	needs_ept(PROC2_UNRESTRICTED_GUEST, "IMPLIES(e->proc2 & PROC2_UNRESTRICTED_GUEST, ept)");
	needs_ept(PROC2_MODE_BASED_EXECUTE_CONTROL,
		  "IMPLIES(e->proc2 & PROC2_MODE_BASED_EXECUTE_CONTROL, ept)");
	needs_ept(PROC2_SUB_PAGE_WRITE_PERMISSIONS, "IMPLIES(spp, ept)");
	structure_address(&t.v.sub_page_permission_table_pointer, PAGE_SIZE,
			  "IMPLIES(spp, entry_is_structure_address(e, "
			  "e->v->sub_page_permission_table_pointer, PAGE_SIZE))");
}

static void test_vm_functions(void)
{
	trial_begin();
	trial_proc2(PROC2_ENABLE_EPT | PROC2_ENABLE_VM_FUNCTIONS);
	t.v.vm_function_controls = 0;
	accepted();
	t.v.vm_function_controls = VMFUNC_EPTP_SWITCHING;
	structure_address(&t.v.eptp_list_address, PAGE_SIZE,
			  "IMPLIES(list, entry_is_structure_address(e, "
			  "e->v->eptp_list_address, PAGE_SIZE))");
	t.v.vm_function_controls |= BIT(63);
	refused_control("!(e->vmfunc & ~e->caps->vmfunc)");
	t.caps.vmfunc = 0;
	refused_control("!(e->vmfunc & ~e->caps->vmfunc)");
	trial_clear(&t.v.secondary_processor_based_controls, PROC2_ENABLE_EPT);
	refused_control("IMPLIES(list, e->proc2 & PROC2_ENABLE_EPT)");
}

static void test_shadowing_and_ve(void)
{
	trial_begin();
	trial_proc2(PROC2_VMCS_SHADOWING);
	t.v.vmread_bitmap_address = t.v.vmwrite_bitmap_address = TRIAL_PAGE;
	structure_address(&t.v.vmread_bitmap_address, PAGE_SIZE,
			  "IMPLIES(shadowing, entry_is_structure_address(e, "
			  "v->vmread_bitmap_address, PAGE_SIZE))");
	structure_address(&t.v.vmwrite_bitmap_address, PAGE_SIZE,
			  "IMPLIES(shadowing, entry_is_structure_address(e, "
			  "v->vmwrite_bitmap_address, PAGE_SIZE))");
	trial_proc2(PROC2_EPT_VIOLATION_VE);
	structure_address(&t.v.virtualization_exception_information_address, PAGE_SIZE,
			  "IMPLIES(ve, entry_is_structure_address(e, ve_area, PAGE_SIZE))");
}

static void test_trace_and_tsc(void)
{
	trial_begin();
	trial_proc2(PROC2_ENABLE_EPT | PROC2_PT_USES_GUEST_PHYSICAL_ADDRESSES);
	t.v.entry_controls |= ENTRY_LOAD_IA32_RTIT_CTL;
	t.v.exit_controls |= EXIT_CLEAR_IA32_RTIT_CTL;
	t.v.guest_ia32_rtit_ctl = 0;
	accepted();
	trial_clear(&t.v.secondary_processor_based_controls, PROC2_ENABLE_EPT);
	refused_control("IMPLIES(trace, e->proc2 & PROC2_ENABLE_EPT)");
	trial_clear(&t.v.entry_controls, ENTRY_LOAD_IA32_RTIT_CTL);
	refused_control("IMPLIES(trace, e->entry & ENTRY_LOAD_IA32_RTIT_CTL)");
	trial_clear(&t.v.exit_controls, EXIT_CLEAR_IA32_RTIT_CTL);
	refused_control("IMPLIES(trace, e->exit & EXIT_CLEAR_IA32_RTIT_CTL)");

	trial_proc2(PROC2_USE_TSC_SCALING);
	t.v.tsc_multiplier = 1;
	accepted();
	t.v.tsc_multiplier = 0;
	refused_control("IMPLIES(e->proc2 & PROC2_USE_TSC_SCALING, e->v->tsc_multiplier != 0)");
}

static void test_hlat(void)
{
	trial_begin();
	trial_proc2(PROC2_ENABLE_EPT);
	trial_proc3(PROC3_ENABLE_HLAT);
	t.v.hlatp = TRIAL_PAGE | CR3_PWT | CR3_PCD;
	accepted();
	t.v.secondary_processor_based_controls = 0;
	refused_control("IMPLIES(on, ept)");
	for (unsigned int bit = 0; bit < 12; bit++) {
		if (bit == 3 || bit == 4)
			continue;
		t.v.hlatp |= BIT(bit);
		refused_control("IMPLIES(on, !(e->v->hlatp & HLATP_RESERVED))");
	}
	t.v.hlatp |= BEYOND_WIDTH;
	refused_control("IMPLIES(on, fits_physical_width(e->v->hlatp, e->caps))");

	t.v.tertiary_processor_based_controls = PROC3_EPT_PAGING_WRITE_CONTROL;
	accepted();
	t.v.secondary_processor_based_controls = 0;
	refused_control("IMPLIES(e->proc3 & PROC3_EPT_PAGING_WRITE_CONTROL, ept)");
	t.v.tertiary_processor_based_controls = PROC3_GUEST_PAGING_VERIFICATION;
	accepted();
	t.v.secondary_processor_based_controls = 0;
	refused_control("IMPLIES(e->proc3 & PROC3_GUEST_PAGING_VERIFICATION, ept)");
}

static void test_pasid_and_ipi(void)
{
	trial_begin();
	trial_proc2(PROC2_PASID_TRANSLATION);
	t.v.low_pasid_directory_address = t.v.high_pasid_directory_address = TRIAL_PAGE;
	structure_address(&t.v.low_pasid_directory_address, PAGE_SIZE,
			  "IMPLIES(pasid, entry_is_structure_address(e, "
			  "v->low_pasid_directory_address, PAGE_SIZE))");
	structure_address(&t.v.high_pasid_directory_address, PAGE_SIZE,
			  "IMPLIES(pasid, entry_is_structure_address(e, "
			  "v->high_pasid_directory_address, PAGE_SIZE))");

	trial_begin();
	t.v.processor_based_controls |= PROC1_USE_TPR_SHADOW;
	t.v.virtual_apic_address = TRIAL_PAGE;
	t.v.tpr_threshold = 0;
	trial_proc3(PROC3_IPI_VIRTUALIZATION);
	t.v.last_pid_pointer_index = 0;
	structure_address(&t.v.pid_pointer_table_address, 8,
			  "IMPLIES(ipi, entry_is_structure_address(e, "
			  "v->pid_pointer_table_address, 8))");
	t.v.pid_pointer_table_address = BEYOND_WIDTH - 8 * 0x10000ULL;
	t.v.last_pid_pointer_index = 0xffff;
	accepted();
	t.v.pid_pointer_table_address += 8;
	refused_control("IMPLIES(ipi, entry_is_structure_address(e, last_pid_pointer, 8))");
}

int main(void)
{
	test_reserved_bits();
	test_cr3_targets_and_bitmaps();
	test_tpr_shadow();
	test_nmi_controls();
	test_apic_virtualization();
	test_posted_interrupts();
	test_eptp();
	test_eptp_type_and_length();
	test_ept_dependents();
	test_vm_functions();
	test_shadowing_and_ve();
	test_trace_and_tsc();
	test_hlat();
	test_pasid_and_ipi();
	trial_rules_all_refused("nested/entry/execution_controls.c");
	return tap_end();
}
