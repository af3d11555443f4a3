/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS12's host-state area as L1's state.  Pure.
 * SDM "Loading Host State" and its sections "Loading Host Control Registers, Debug
 * Registers, MSRs", "Loading Host Segment and Descriptor-Table Registers", "Loading Host
 * RIP, RSP, SSP, and RFLAGS", "Checking and Loading Host Page-Directory-Pointer-Table
 * Entries", "Updating Non-Register State".
 */
#include "nested/exit/host_state.h"

#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

/* Bits of CR0 that a VM exit leaves alone, besides the fixed ones. */
#define CR0_NOT_LOADED \
	(CR0_ET | CR0_CD | CR0_NW | FIELD(63, 32) | FIELD(28, 19) | BIT(17) | FIELD(15, 6))

#define SEGMENT_TYPE_CODE 11U /* execute, read, accessed */
#define SEGMENT_TYPE_DATA 3U  /* read, write, accessed, expand-up */
#define SEGMENT_TYPE_TSS  11U /* busy 32-bit or 64-bit TSS */
#define TSS_LIMIT	  0x67U
#define TABLE_LIMIT	  0xffffU

/* Reserved bits of a present PDPTE of PAE paging below the physical width. */
#define PDPTE_RESERVED (FIELD(2, 1) | FIELD(8, 5))

static void load_cr0(const struct vmcs12 *vmcs12, const struct vmx_caps *caps,
		     const struct host_state_before *before, struct host_state *out)
{
	u64 cr0 = (vmcs12->host_cr0 & ~CR0_NOT_LOADED) | (before->cr0 & CR0_NOT_LOADED);

	out->cr0 = (cr0 | caps->cr0.must_be_1) & caps->cr0.may_be_1;
}

static void load_control_registers(const struct vmcs12 *vmcs12, const struct vmx_caps *caps,
				   const struct host_state_before *before, struct host_state *out)
{
	bool is_64bit = vmcs12->exit_controls & EXIT_HOST_ADDRESS_SPACE_SIZE;

	load_cr0(vmcs12, caps, before, out);
	out->cr3 = vmcs12->host_cr3 & low_bits(caps->physical_address_width);
	out->cr4 = (vmcs12->host_cr4 | caps->cr4.must_be_1) & caps->cr4.may_be_1;
	if (is_64bit)
		out->cr4 |= CR4_PAE;
	else
		out->cr4 &= ~CR4_PCIDE;
	out->must_load_pdptes = !is_64bit && (out->cr0 & CR0_PG) && (out->cr4 & CR4_PAE);
	out->dr7 = DR7_FIXED_1;
}

static u64 load_efer(const struct vmcs12 *vmcs12, u64 before)
{
	u64 efer = before & ~(EFER_LMA | EFER_LME);

	if (vmcs12->exit_controls & EXIT_LOAD_IA32_EFER)
		return vmcs12->host_ia32_efer;
	/* Without the control only these two change: they follow the host's address-space size. */
	if (vmcs12->exit_controls & EXIT_HOST_ADDRESS_SPACE_SIZE)
		efer |= EFER_LMA | EFER_LME;
	return efer;
}

static void load_msrs(const struct vmcs12 *vmcs12, const struct host_state_before *before,
		      struct host_state *out)
{
	u32 controls = vmcs12->exit_controls;

	out->debugctl = 0;
	out->sysenter_cs = vmcs12->host_ia32_sysenter_cs;
	out->sysenter_esp = vmcs12->host_ia32_sysenter_esp;
	out->sysenter_eip = vmcs12->host_ia32_sysenter_eip;
	out->efer = load_efer(vmcs12, before->efer);
	out->loads_pat = controls & EXIT_LOAD_IA32_PAT;
	out->pat = vmcs12->host_ia32_pat;
	out->loads_perf_global_ctrl = controls & EXIT_LOAD_IA32_PERF_GLOBAL_CTRL;
	out->perf_global_ctrl = vmcs12->host_ia32_perf_global_ctrl;
	out->loads_pkrs = controls & EXIT_LOAD_PKRS;
	out->pkrs = vmcs12->host_ia32_pkrs;
	out->loads_cet = controls & EXIT_LOAD_CET_STATE;
	out->s_cet = vmcs12->host_ia32_s_cet;
	out->ssp = vmcs12->host_ssp;
	out->interrupt_ssp_table = vmcs12->host_ia32_interrupt_ssp_table_addr;
	out->clears_bndcfgs = controls & EXIT_CLEAR_IA32_BNDCFGS;
	out->clears_rtit_ctl = controls & EXIT_CLEAR_IA32_RTIT_CTL;
	out->clears_lbr_ctl = controls & EXIT_CLEAR_IA32_LBR_CTL;
	out->clears_uinv = controls & EXIT_CLEAR_UINV;
}

/* SS, DS, ES, FS, GS: flat read/write data, or unusable where the selector is null. */
static struct l1_segment data_segment(u16 selector, u64 base)
{
	struct l1_segment segment = { .base = base, .selector = selector };

	if (selector == 0) {
		segment.access_rights = ACCESS_RIGHTS_UNUSABLE;
		return segment;
	}
	segment.limit = 0xffffffff;
	segment.access_rights = SEGMENT_TYPE_DATA | ACCESS_RIGHTS_S | ACCESS_RIGHTS_P |
				ACCESS_RIGHTS_DB | ACCESS_RIGHTS_G;
	return segment;
}

static struct l1_segment code_segment(u16 selector, bool is_64bit)
{
	return (struct l1_segment){
		.selector = selector,
		.limit = 0xffffffff,
		.access_rights = SEGMENT_TYPE_CODE | ACCESS_RIGHTS_S | ACCESS_RIGHTS_P |
				 ACCESS_RIGHTS_G | (is_64bit ? ACCESS_RIGHTS_L : ACCESS_RIGHTS_DB),
	};
}

static void load_segments(const struct vmcs12 *vmcs12, struct host_state *out)
{
	bool is_64bit = vmcs12->exit_controls & EXIT_HOST_ADDRESS_SPACE_SIZE;

	out->segments[SEGMENT_CS] = code_segment(vmcs12->host_cs_selector, is_64bit);
	out->segments[SEGMENT_SS] = data_segment(vmcs12->host_ss_selector, 0);
	out->segments[SEGMENT_DS] = data_segment(vmcs12->host_ds_selector, 0);
	out->segments[SEGMENT_ES] = data_segment(vmcs12->host_es_selector, 0);
	out->segments[SEGMENT_FS] = data_segment(vmcs12->host_fs_selector, vmcs12->host_fs_base);
	out->segments[SEGMENT_GS] = data_segment(vmcs12->host_gs_selector, vmcs12->host_gs_base);
	out->ldtr = (struct l1_segment){ .access_rights = ACCESS_RIGHTS_UNUSABLE };
	out->tr = (struct l1_segment){
		.selector = vmcs12->host_tr_selector,
		.base = vmcs12->host_tr_base,
		.limit = TSS_LIMIT,
		.access_rights = SEGMENT_TYPE_TSS | ACCESS_RIGHTS_P,
	};
	out->gdtr_base = vmcs12->host_gdtr_base;
	out->idtr_base = vmcs12->host_idtr_base;
	out->gdtr_limit = TABLE_LIMIT;
	out->idtr_limit = TABLE_LIMIT;
}

/*
 * NMIs are blocked after an exit caused by one, else as they were: with "virtual NMIs" bit 3 of
 * L2's interruptibility is of virtual NMIs, and real ones were not blocked.
 */
static u32 interruptibility(const struct vmcs12 *vmcs12, const struct host_state_before *before)
{
	if (before->exit_is_nmi)
		return BLOCKING_BY_NMI;
	if (!before->blocking_is_l1s && (vmcs12->pin_based_controls & PIN_VIRTUAL_NMIS))
		return 0;
	return before->interruptibility_state & BLOCKING_BY_NMI;
}

void host_state_compute(const struct vmcs12 *vmcs12, const struct vmx_caps *caps,
			const struct host_state_before *before, struct host_state *out)
{
	*out = (struct host_state){ 0 };
	load_control_registers(vmcs12, caps, before, out);
	load_msrs(vmcs12, before, out);
	load_segments(vmcs12, out);
	out->rip = vmcs12->host_rip;
	out->rsp = vmcs12->host_rsp;
	out->rflags = RFLAGS_FIXED_1;
	out->activity_state = ACTIVITY_ACTIVE;
	out->interruptibility_state = interruptibility(vmcs12, before);
	out->pending_debug_exceptions = 0;
}

void host_state_update(const struct vmcs12 *vmcs12, const struct vmx_caps *caps,
		       const struct host_state_before *before, struct host_state *out)
{
	load_cr0(vmcs12, caps, before, out);
	out->efer = load_efer(vmcs12, before->efer);
	out->interruptibility_state = interruptibility(vmcs12, before);
}

bool host_state_pdptes_valid(const u64 pdptes[4], u8 physical_address_width)
{
	u64 reserved = PDPTE_RESERVED | ~low_bits(physical_address_width);

	for (int i = 0; i < 4; i++)
		if ((pdptes[i] & PTE_P) && (pdptes[i] & reserved))
			return false;
	return true;
}
