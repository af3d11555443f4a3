/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT violations of L1.  Addresses above what EPT01 maps eagerly are mapped on demand.
 *
 * L0's own memory is absent.  An instruction that touches it runs once, alone, on this
 * CPU's private copy of EPT01's tables in which that page leads to a scratch page of
 * all-ones; the monitor trap flag ends it and the copy is dropped.  So reads give
 * all-ones and writes are lost, whatever the instruction is, without an emulator.  An access that a
 * hypapp lets pass, or to a copy of a page that it protects, runs in the same way.
 */
#include "nested/nested.h"
#include "xmhf/cpu/exception.h"
#include "xmhf/device/log.h"
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/physmap.h"
#include "xmhf/vmexit/kick.h"
#include "xmhf/vmexit/vmexit.h"

#define LEVEL_PT 1

static u64 *table_of(hpa_t page)
{
	return hpa_to_pointer(page);
}

static unsigned int index_of(u64 address, unsigned int level)
{
	return (address >> (12 + 9 * (level - 1))) & 511;
}

static bool is_private(const struct vcpu *vcpu, u64 entry)
{
	for (u32 i = 0; i < vcpu->step.table_count; i++) {
		if (vcpu->step.tables[i].v == (entry & EPT_ADDRESS))
			return true;
	}
	return false;
}

/* The private table below @entry: a copy of what is there, or empty, made at first need. */
static u64 *private_table(struct vcpu *vcpu, u64 *entry)
{
	hpa_t page;

	if (is_private(vcpu, *entry))
		return table_of(hpa(*entry & EPT_ADDRESS));
	if (vcpu->step.table_count == ARRAY_SIZE(vcpu->step.tables))
		return NULL;
	page = vcpu->step.tables[vcpu->step.table_count++];
	if (*entry & EPT_RWX)
		memcpy(table_of(page), table_of(hpa(*entry & EPT_ADDRESS)), PAGE_SIZE);
	else
		memset(table_of(page), 0, PAGE_SIZE);
	*entry = page.v | EPT_RWX;
	return table_of(page);
}

static void start_step(struct vcpu *vcpu)
{
	vcpu->step.table_count = 0;
	vcpu->step.generation = machine.ept.generation;
	memcpy(table_of(vcpu->step.root), table_of(hpa(vcpu->step.eptp & EPTP_ADDRESS)), PAGE_SIZE);
	memset(table_of(vcpu->step.scratch), 0xff, PAGE_SIZE);
}

/* Maps the page at @address by @leaf, in the private tables only. */
static bool show(struct vcpu *vcpu, u64 address, u64 leaf)
{
	u64 *table = table_of(vcpu->step.root);

	for (unsigned int level = 4; level > LEVEL_PT; level--) {
		table = private_table(vcpu, &table[index_of(address, level)]);
		if (!table)
			return false;
	}
	table[index_of(address, LEVEL_PT)] = leaf;
	return true;
}

static u64 private_eptp(const struct vcpu *vcpu)
{
	return (vcpu->step.eptp & ~EPTP_ADDRESS) | vcpu->step.root.v;
}

void vmexit_set_monitor_trap(bool on)
{
	u64 proc1 = vmcs_read(VMCS_processor_based_controls);

	vmcs_write(VMCS_processor_based_controls,
		   on ? proc1 | PROC1_MONITOR_TRAP_FLAG : proc1 & ~(u64)PROC1_MONITOR_TRAP_FLAG);
}

/* L2 may step under a monitor trap flag of L1's own: that stays. */
static void begin_step(struct vcpu *vcpu)
{
	vcpu->step.active = true;
	vcpu->step.copy_count = 0;
	vcpu->step.eptp = vmcs_read(VMCS_eptp);
	vcpu->step.monitor_trap = nested_in_l2(vcpu) && (vmcs_read(VMCS_processor_based_controls) &
							 PROC1_MONITOR_TRAP_FLAG);
	start_step(vcpu);
	vmcs_write(VMCS_eptp, private_eptp(vcpu));
	vmexit_set_monitor_trap(true);
}

static u64 leaf_of(hpa_t page, u64 rights, enum memory_type type)
{
	return page.v | rights | field_make(EPT_MEMORY_TYPE, type);
}

/* The guest's instruction runs once with @leaf for its page at @address. */
static void step_with(struct vcpu *vcpu, u64 address, u64 leaf)
{
	u64 page = address & ~(PAGE_SIZE - 1);

	kick_lock_ept(vcpu);
	if (!vcpu->step.active)
		begin_step(vcpu);
	else if (vcpu->step.generation != machine.ept.generation)
		start_step(vcpu);
	if (!show(vcpu, page, leaf)) {
		/* One instruction in more page tables than the step has: start over with this. */
		start_step(vcpu);
		show(vcpu, page, leaf);
	}
	spin_unlock(&machine.ept_lock);
	invept(INVEPT_SINGLE_CONTEXT, private_eptp(vcpu));
}

void vmexit_step_over_hidden(struct vcpu *vcpu, u64 address)
{
	if (!machine.refused_accesses_logged) {
		machine.refused_accesses_logged = true;
		log_line("L%u touches L0's memory at 0x%llx (rip 0x%llx): it reads all-ones; "
			 "further accesses are only counted",
			 nested_in_l2(vcpu) ? 2 : 1, address, vmcs_read(VMCS_guest_rip));
	}
	vcpu->refused_accesses++;
	step_with(vcpu, address, leaf_of(vcpu->step.scratch, EPT_RWX, MEMORY_TYPE_WB));
}

void vmexit_step_with_page(struct vcpu *vcpu, u64 address, l1pa_t page, u64 rights)
{
	u64 end;

	/* EPT01 is one to one. */
	step_with(vcpu, address,
		  leaf_of(hpa(page.v), rights, mtrr_type(&machine.ept.mtrr, page.v, &end)));
}

bool vmexit_step_with_copy(struct vcpu *vcpu, u64 address, l1pa_t page, u64 rights)
{
	u32 number = vcpu->step.active ? vcpu->step.copy_count : 0;

	if (number == ARRAY_SIZE(vcpu->step.copies))
		return false;
	memcpy(table_of(vcpu->step.copies[number]), (void *)(uptr)(PHYSMAP_BASE + page.v),
	       PAGE_SIZE);
	step_with(vcpu, address, leaf_of(vcpu->step.copies[number], rights, MEMORY_TYPE_WB));
	vcpu->step.copy_count = number + 1;
	return true;
}

/* An EPT violation while IRET runs leaves NMIs unblocked too early: SDM "Exit Qualification for
 * EPT Violations", NMI unblocking due to IRET. */
static void restore_nmi_blocking(u64 qualification)
{
	if ((qualification & EPT_VIOLATION_NMI_UNBLOCKED) &&
	    !(vmcs_read(VMCS_idt_vectoring_information) & INTR_INFO_VALID))
		vmcs_write(VMCS_guest_interruptibility_state,
			   vmcs_read(VMCS_guest_interruptibility_state) | BLOCKING_BY_NMI);
}

static enum ept01_result map_on_demand(struct vcpu *vcpu, u64 address)
{
	enum ept01_result result;

	kick_lock_ept(vcpu);
	result = ept01_map_on_demand(&machine.ept, l1pa(address));
	if (result == EPT01_FLUSH) {
		kick_flush_ept(vcpu);
		ept01_flushed(&machine.ept);
		result = ept01_map_on_demand(&machine.ept, l1pa(address));
	}
	spin_unlock(&machine.ept_lock);
	return result;
}

void vmexit_ept_violation(struct vcpu *vcpu)
{
	u64 address = vmcs_read(VMCS_guest_physical_address);

	restore_nmi_blocking(vmcs_read(VMCS_exit_qualification));
	guest_reinject_interrupted_event();
	if (hypapp_intercepts && vmexit_protected(vcpu, address, l1pa(address), EPT_RWX))
		return;
	if (machine_overlaps_hidden(address, 1)) {
		vmexit_step_over_hidden(vcpu, address);
		return;
	}
	if (vcpu->step.active)
		guest_end_step(vcpu); /* the mapping of the step is now stale: step again */
	switch (map_on_demand(vcpu, address)) {
	case EPT01_PRESENT: /* mapped meanwhile by another CPU */
		invept(INVEPT_SINGLE_CONTEXT, ept01_pointer(&machine.ept));
		break;
	case EPT01_REFUSED:
		vmexit_step_over_hidden(vcpu, address);
		break;
	default:
		break;
	}
}

void vmexit_ept_misconfiguration(struct vcpu *vcpu)
{
	(void)vcpu;
	panic("EPT01 is misconfigured", 0, 0);
}

void vmexit_mtf(struct vcpu *vcpu)
{
	vcpu->after_sipi = false;
	if (vcpu->step.active)
		guest_end_step(vcpu);
	else
		vmexit_set_monitor_trap(false);
}
