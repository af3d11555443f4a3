/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks on the VM-execution control fields of VMCS12.  Pure.
 * SDM "Checks on VMX Controls": "VM-Execution Control Fields".
 */
#include "nested/entry/entry_view.h"

/* Low bits of the fields that the rules below compare. */
#define TPR_THRESHOLD_VALUE    FIELD(3, 0)
#define TPR_THRESHOLD_RESERVED FIELD(31, 4)
#define TPR_CLASS	       FIELD(7, 4)
#define EPTP_RESERVED	       FIELD(11, 8)
#define HLATP_RESERVED	       (FIELD(2, 0) | FIELD(11, 5))
#define VECTOR_RESERVED	       FIELD(15, 8)

/* Every reserved bit of every control word has its required value; a word that is not
 * activated is not looked at. */
static bool reserved_bits(const struct entry_view *e, struct check_failure *why)
{
	const struct vmx_caps *caps = e->caps;
	bool secondary = e->proc1 & PROC1_ACTIVATE_SECONDARY_CONTROLS;

	return MUST(control_allowed(e->pin, &caps->pin)) &&
	       MUST(control_allowed(e->proc1, &caps->proc1)) &&
	       MUST(IMPLIES(secondary, control_allowed(e->proc2, &caps->proc2))) &&
	       MUST(!(e->proc3 & ~caps->proc3));
}

/* The number of CR3-target values is at most what the processor has; the bitmaps are
 * pages at addresses that exist. */
static bool cr3_targets_and_bitmaps(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	bool io = e->proc1 & PROC1_USE_IO_BITMAPS;
	bool msr = e->proc1 & PROC1_USE_MSR_BITMAPS;

	return MUST(v->cr3_target_count <= field_get(e->caps->misc, VMX_MISC_CR3_TARGETS)) &&
	       MUST(IMPLIES(io,
			    entry_is_structure_address(e, v->io_bitmap_a_address, PAGE_SIZE))) &&
	       MUST(IMPLIES(io,
			    entry_is_structure_address(e, v->io_bitmap_b_address, PAGE_SIZE))) &&
	       MUST(IMPLIES(msr, entry_is_structure_address(e, v->msr_bitmap_address, PAGE_SIZE)));
}

/* With a TPR shadow the virtual-APIC page exists.  Without virtual-interrupt delivery the
 * threshold is a priority class; without virtualized APIC accesses it is not above the
 * class that the page's VTPR holds. */
static bool tpr_shadow(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	bool shadow = e->proc1 & PROC1_USE_TPR_SHADOW;
	bool threshold = shadow && !(e->proc2 & PROC2_VIRTUAL_INTERRUPT_DELIVERY);
	bool compare = threshold && !(e->proc2 & PROC2_VIRTUALIZE_APIC_ACCESSES);
	u64 value = field_get(v->tpr_threshold, TPR_THRESHOLD_VALUE);

	return MUST(IMPLIES(shadow,
			    entry_is_structure_address(e, v->virtual_apic_address, PAGE_SIZE))) &&
	       MUST(IMPLIES(threshold, !(v->tpr_threshold & TPR_THRESHOLD_RESERVED))) &&
	       MUST(IMPLIES(compare, value <= field_get(e->in->virtual_tpr, TPR_CLASS)));
}

/* Virtual NMIs need NMI exiting; NMI-window exiting needs virtual NMIs. */
static bool nmi_controls(const struct entry_view *e, struct check_failure *why)
{
	return MUST(IMPLIES(e->pin & PIN_VIRTUAL_NMIS, e->pin & PIN_NMI_EXITING)) &&
	       MUST(IMPLIES(e->proc1 & PROC1_NMI_WINDOW_EXITING, e->pin & PIN_VIRTUAL_NMIS));
}

/* The APIC-access page exists.  What virtualizes APIC registers needs the TPR shadow;
 * x2APIC mode excludes the APIC-access page; virtual interrupts need
 * external-interrupt exiting. */
static bool apic_virtualization(const struct entry_view *e, struct check_failure *why)
{
	bool shadow = e->proc1 & PROC1_USE_TPR_SHADOW;
	bool accesses = e->proc2 & PROC2_VIRTUALIZE_APIC_ACCESSES;
	bool x2apic = e->proc2 & PROC2_VIRTUALIZE_X2APIC_MODE;
	bool interrupts = e->proc2 & PROC2_VIRTUAL_INTERRUPT_DELIVERY;

	return MUST(IMPLIES(accesses,
			    entry_is_structure_address(e, e->v->apic_access_address, PAGE_SIZE))) &&
	       MUST(IMPLIES(x2apic, shadow)) &&
	       MUST(IMPLIES(e->proc2 & PROC2_APIC_REGISTER_VIRTUALIZATION, shadow)) &&
	       MUST(IMPLIES(interrupts, shadow)) &&
	       MUST(IMPLIES(e->proc3 & PROC3_IPI_VIRTUALIZATION, shadow)) &&
	       MUST(IMPLIES(x2apic, !accesses)) &&
	       MUST(IMPLIES(interrupts, e->pin & PIN_EXTERNAL_INTERRUPT_EXITING));
}

/* Posted interrupts are virtual interrupts; the notification is acknowledged on exit; the
 * vector is one byte; the descriptor is 64 bytes, aligned. */
static bool posted_interrupts(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;

	if (!(e->pin & PIN_PROCESS_POSTED_INTERRUPTS))
		return true;
	return MUST(e->proc2 & PROC2_VIRTUAL_INTERRUPT_DELIVERY) &&
	       MUST(e->exit & EXIT_ACKNOWLEDGE_INTERRUPT) &&
	       MUST(!(v->posted_interrupt_notification_vector & VECTOR_RESERVED)) &&
	       MUST(entry_is_structure_address(e, v->posted_interrupt_descriptor_address, 64));
}

static bool eptp_memory_type_supported(const struct entry_view *e)
{
	switch (field_get(e->v->eptp, EPTP_MEMORY_TYPE)) {
	case MEMORY_TYPE_UC:
		return e->caps->ept_vpid & EPT_CAP_UC;
	case MEMORY_TYPE_WB:
		return e->caps->ept_vpid & EPT_CAP_WB;
	default:
		return false;
	}
}

static bool eptp_walk_length_supported(const struct entry_view *e)
{
	switch (field_get(e->v->eptp, EPTP_WALK_LENGTH)) {
	case 3:
		return e->caps->ept_vpid & EPT_CAP_WALK_4;
	case 4:
		return e->caps->ept_vpid & EPT_CAP_WALK_5;
	default:
		return false;
	}
}

/* VPID 0 is the host's.  The EPT pointer has a memory type and a walk length that the
 * processor supports, the accessed and dirty flags and the shadow-stack control only
 * where it has them, and no reserved bits. */
static bool vpid_and_eptp(const struct entry_view *e, struct check_failure *why)
{
	bool ept = e->proc2 & PROC2_ENABLE_EPT;
	u64 eptp = e->v->eptp, cap = e->caps->ept_vpid;

	return MUST(IMPLIES(e->proc2 & PROC2_ENABLE_VPID, e->v->vpid != 0)) &&
	       MUST(IMPLIES(ept, eptp_memory_type_supported(e))) &&
	       MUST(IMPLIES(ept, eptp_walk_length_supported(e))) &&
	       MUST(IMPLIES(ept && (eptp & EPTP_AD), cap & EPT_CAP_AD)) &&
	       MUST(IMPLIES(ept && (eptp & EPTP_SHADOW_STACK), cap & EPT_CAP_SHADOW_STACK)) &&
	       MUST(IMPLIES(ept, !(eptp & EPTP_RESERVED))) &&
	       MUST(IMPLIES(ept, fits_physical_width(eptp, e->caps)));
}

/* Controls that only make sense with EPT need it; the PML log and the sub-page permission
 * table are pages that exist. */
static bool ept_dependents(const struct entry_view *e, struct check_failure *why)
{
	bool ept = e->proc2 & PROC2_ENABLE_EPT;
	bool pml = e->proc2 & PROC2_ENABLE_PML;
	bool spp = e->proc2 & PROC2_SUB_PAGE_WRITE_PERMISSIONS;

	return MUST(IMPLIES(pml, ept)) &&
	       MUST(IMPLIES(pml, entry_is_structure_address(e, e->v->pml_address, PAGE_SIZE))) &&
	       MUST(IMPLIES(e->proc2 & PROC2_UNRESTRICTED_GUEST, ept)) &&
	       MUST(IMPLIES(e->proc2 & PROC2_MODE_BASED_EXECUTE_CONTROL, ept)) &&
	       MUST(IMPLIES(spp, ept)) &&
	       MUST(IMPLIES(spp, entry_is_structure_address(
					 e, e->v->sub_page_permission_table_pointer, PAGE_SIZE)));
}

/* Only VM functions that exist are enabled.  EPTP switching needs EPT and a page for its
 * list; the entries of the list are checked when VMFUNC uses them. */
static bool vm_functions(const struct entry_view *e, struct check_failure *why)
{
	bool list = e->vmfunc & VMFUNC_EPTP_SWITCHING;

	return MUST(!(e->vmfunc & ~e->caps->vmfunc)) &&
	       MUST(IMPLIES(list, e->proc2 & PROC2_ENABLE_EPT)) &&
	       MUST(IMPLIES(list,
			    entry_is_structure_address(e, e->v->eptp_list_address, PAGE_SIZE)));
}

/* The VMREAD and VMWRITE bitmaps and the #VE information area are pages that exist. */
static bool shadowing_and_ve(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	bool shadowing = e->proc2 & PROC2_VMCS_SHADOWING;
	bool ve = e->proc2 & PROC2_EPT_VIOLATION_VE;
	u64 ve_area = v->virtualization_exception_information_address;

	return MUST(IMPLIES(shadowing,
			    entry_is_structure_address(e, v->vmread_bitmap_address, PAGE_SIZE))) &&
	       MUST(IMPLIES(shadowing,
			    entry_is_structure_address(e, v->vmwrite_bitmap_address, PAGE_SIZE))) &&
	       MUST(IMPLIES(ve, entry_is_structure_address(e, ve_area, PAGE_SIZE)));
}

/* Processor trace through EPT needs EPT and both controls that switch IA32_RTIT_CTL; a
 * TSC multiplier of zero would stop time. */
static bool trace_and_tsc(const struct entry_view *e, struct check_failure *why)
{
	bool trace = e->proc2 & PROC2_PT_USES_GUEST_PHYSICAL_ADDRESSES;

	return MUST(IMPLIES(trace, e->proc2 & PROC2_ENABLE_EPT)) &&
	       MUST(IMPLIES(trace, e->entry & ENTRY_LOAD_IA32_RTIT_CTL)) &&
	       MUST(IMPLIES(trace, e->exit & EXIT_CLEAR_IA32_RTIT_CTL)) &&
	       MUST(IMPLIES(e->proc2 & PROC2_USE_TSC_SCALING, e->v->tsc_multiplier != 0));
}

/* HLAT, paging-write control and guest-paging verification work on EPT; the HLAT pointer
 * has no reserved bits.  Unsure: whether the HLAT prefix size is checked too; no rule for
 * it was found, so none is here. */
static bool hlat(const struct entry_view *e, struct check_failure *why)
{
	bool ept = e->proc2 & PROC2_ENABLE_EPT;
	bool on = e->proc3 & PROC3_ENABLE_HLAT;

	return MUST(IMPLIES(on, ept)) &&
	       MUST(IMPLIES(e->proc3 & PROC3_EPT_PAGING_WRITE_CONTROL, ept)) &&
	       MUST(IMPLIES(e->proc3 & PROC3_GUEST_PAGING_VERIFICATION, ept)) &&
	       MUST(IMPLIES(on, !(e->v->hlatp & HLATP_RESERVED))) &&
	       MUST(IMPLIES(on, fits_physical_width(e->v->hlatp, e->caps)));
}

/* The PASID directories are pages that exist; the PID-pointer table is aligned to its
 * 8-byte entries, and its last entry exists too. */
static bool pasid_and_ipi(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	bool pasid = e->proc2 & PROC2_PASID_TRANSLATION;
	bool ipi = e->proc3 & PROC3_IPI_VIRTUALIZATION;
	u64 last_pid_pointer = v->pid_pointer_table_address + v->last_pid_pointer_index * 8ULL;

	return MUST(IMPLIES(pasid, entry_is_structure_address(e, v->low_pasid_directory_address,
							      PAGE_SIZE))) &&
	       MUST(IMPLIES(pasid, entry_is_structure_address(e, v->high_pasid_directory_address,
							      PAGE_SIZE))) &&
	       MUST(IMPLIES(ipi, entry_is_structure_address(e, v->pid_pointer_table_address, 8))) &&
	       MUST(IMPLIES(ipi, entry_is_structure_address(e, last_pid_pointer, 8)));
}

bool entry_check_execution_controls(const struct entry_view *e, struct check_failure *why)
{
	return reserved_bits(e, why) && cr3_targets_and_bitmaps(e, why) && tpr_shadow(e, why) &&
	       nmi_controls(e, why) && apic_virtualization(e, why) && posted_interrupts(e, why) &&
	       vpid_and_eptp(e, why) && ept_dependents(e, why) && vm_functions(e, why) &&
	       shadowing_and_ve(e, why) && trace_and_tsc(e, why) && hlat(e, why) &&
	       pasid_and_ipi(e, why);
}
