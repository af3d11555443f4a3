/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses to ports and memory that the hypapp asked for.  What it lets pass runs on the processor:
 * one instruction under the monitor trap flag, without the I/O bitmaps or on private EPT tables
 * (hidden_memory_hw.c).  Works on the current VMCS, be it VMCS01 or VMCS02.
 */
#include "nested/nested.h"
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/vmexit/vmexit.h"
#include "xmhf/vmx/intercepts.h"

/* SDM "Exit Qualification for I/O Instructions". */
#define IO_SIZE	  FIELD(2, 0) /* bytes minus 1 */
#define IO_IN	  BIT(3)
#define IO_STRING BIT(4)
#define IO_PORT	  FIELD(31, 16)

#define IO_CONTROLS (PROC1_USE_IO_BITMAPS | PROC1_UNCONDITIONAL_IO_EXITING)

static void raise_gp(struct vcpu *vcpu)
{
	if (nested_in_l2(vcpu))
		nested_raise_gp(vcpu);
	else
		guest_inject_gp();
}

static void raise_pf(struct vcpu *vcpu, u32 error_code, u64 cr2)
{
	if (nested_in_l2(vcpu)) {
		nested_raise_pf(vcpu, error_code, cr2);
		return;
	}
	write_cr2(cr2);
	guest_inject_fault(VECTOR_PF, error_code);
}

/* --- Ports --- */

static void begin_port_step(struct vcpu *vcpu)
{
	u32 proc1 = (u32)vmcs_read(VMCS_processor_based_controls);

	vcpu->port_step.active = true;
	vcpu->port_step.proc1 = proc1;
	vmcs_write(VMCS_processor_based_controls,
		   (proc1 & ~(u32)IO_CONTROLS) | PROC1_MONITOR_TRAP_FLAG);
}

bool vmexit_end_steps(struct vcpu *vcpu, u64 reason)
{
	bool is_trap = reason == EXIT_REASON_MONITOR_TRAP_FLAG, is_ours = false;

	if (vcpu->port_step.active) {
		vcpu->port_step.active = false;
		vmcs_write(VMCS_processor_based_controls, vcpu->port_step.proc1);
		is_ours = is_trap && !(vcpu->port_step.proc1 & PROC1_MONITOR_TRAP_FLAG);
	}
	/* A step with memory goes on with the next access of the same instruction. */
	if (vcpu->step.active && reason != EXIT_REASON_EPT_VIOLATION && !is_trap &&
	    reason != EXIT_REASON_IO_INSTRUCTION)
		guest_end_step(vcpu);
	return is_ours;
}

/* IN of 32 bits clears the upper half of RAX, a shorter one leaves the rest. */
static void put_value(struct vcpu *vcpu, u32 size, u32 value)
{
	u64 mask = low_bits(8 * size);

	vcpu->regs[GPR_RAX] = size == 4 ? value : (vcpu->regs[GPR_RAX] & ~mask) | (value & mask);
}

void vmexit_io_instruction(struct vcpu *vcpu)
{
	u64 qualification = vmcs_read(VMCS_exit_qualification);
	struct hypapp_port access = {
		.port = (u16)field_get(qualification, IO_PORT),
		.size = (u8)(field_get(qualification, IO_SIZE) + 1),
		.write = !(qualification & IO_IN),
		.string = qualification & IO_STRING,
		.from_l2 = nested_in_l2(vcpu),
	};
	enum hypapp_result result = HYPAPP_PASS;

	if (access.write && !access.string)
		access.value = (u32)(vcpu->regs[GPR_RAX] & low_bits(8 * access.size));
	if (intercepts_want_port(&intercepts, access.port, access.size))
		result = hypapp_port_access(vcpu->cpu.id, &access);
	if (result == HYPAPP_PASS) {
		begin_port_step(vcpu);
	} else if (result == HYPAPP_DENY || access.string) {
		raise_gp(vcpu);
	} else {
		if (!access.write)
			put_value(vcpu, access.size, access.value);
		guest_skip_instruction();
	}
}

/* --- Memory --- */

static u32 privilege_level(void)
{
	return (u32)field_get(vmcs_read(VMCS_guest_ss_access_rights), ACCESS_RIGHTS_DPL);
}

/* #PF has an address only if the access was to the operand of a linear address. */
static void deny(struct vcpu *vcpu, const struct hypapp_memory *access, u64 qualification)
{
	const u64 final = EPT_VIOLATION_LINEAR_VALID | EPT_VIOLATION_FINAL;
	u32 code = PF_ERROR_PRESENT | (access->access & HYPAPP_WRITE ? PF_ERROR_WRITE : 0) |
		   (access->access & HYPAPP_EXECUTE ? PF_ERROR_FETCH : 0) |
		   (privilege_level() == 3 ? PF_ERROR_USER : 0);

	if (access->page_fault && (qualification & final) == final)
		raise_pf(vcpu, code, vmcs_read(VMCS_guest_linear_address));
	else
		raise_gp(vcpu);
}

bool vmexit_protected(struct vcpu *vcpu, u64 address, l1pa_t page, u64 rights)
{
	u64 qualification = vmcs_read(VMCS_exit_qualification);
	bool in_delivery = vmcs_read(VMCS_idt_vectoring_information) & INTR_INFO_VALID;
	struct hypapp_memory access = {
		.address = page.v | (address & (PAGE_SIZE - 1)),
		.rip = vmcs_read(VMCS_guest_rip),
		.access = (u32)qualification & EPT_RWX,
		.from_l2 = nested_in_l2(vcpu),
	};
	enum hypapp_result result;

	page.v = align_down(page.v, PAGE_SIZE);
	if (intercepts_allow(page, access.access))
		return false;
	result = hypapp_memory_access(vcpu->cpu.id, &access);
	/* A write that the instruction makes later needs EPT12's dirty flag: another violation. */
	if (!(access.access & EPT_WRITE))
		rights &= ~EPT_WRITE;
	if (result == HYPAPP_PASS)
		vmexit_step_with_page(vcpu, address, page, rights);
	else if ((result == HYPAPP_DENY && !in_delivery) ||
		 !vmexit_step_with_copy(vcpu, address, page, rights))
		deny(vcpu, &access, qualification);
	return true;
}
