/* SPDX-License-Identifier: BSD-2-Clause */
/* VMCS01 on the processor: first set-up, INIT state. */
#include "xmhf/vmx/vmcs01.h"

#include "xmhf/cpu/apic_hw.h"
#include "xmhf/cpu/descriptor_tables.h"
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/vmx/intercepts.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

#define VPID_OF_L1 1

/* Access rights of segments in real mode and after INIT. */
#define REAL_MODE_ACCESS_RIGHTS 0x93
#define INIT_LDTR_ACCESS_RIGHTS 0x82
#define INIT_TR_ACCESS_RIGHTS	0x8b
#define REAL_MODE_LIMIT		0xffff
#define RESET_VECTOR_SELECTOR	0xf000
#define RESET_VECTOR_BASE	0xffff0000
#define RESET_VECTOR_RIP	0xfff0
#define INIT_DR6		0xffff0ff0
#define INIT_DR7		0x400

/* Where the processor goes on a VM exit: vmexit_stub.S. */
extern const char vmexit_stub[];

static void write_controls(const struct vmcs01_controls *c)
{
	vmcs_write(VMCS_pin_based_controls, c->pin);
	vmcs_write(VMCS_processor_based_controls, c->proc1);
	vmcs_write(VMCS_secondary_processor_based_controls, c->proc2);
	vmcs_write(VMCS_exit_controls, c->exit);
	vmcs_write(VMCS_entry_controls, c->entry);
	vmcs_write(VMCS_exception_bitmap, 0);
	vmcs_write(VMCS_page_fault_error_code_mask, 0);
	vmcs_write(VMCS_page_fault_error_code_match, 0);
	vmcs_write(VMCS_cr3_target_count, 0);
	vmcs_write(VMCS_exit_msr_store_count, 0);
	vmcs_write(VMCS_exit_msr_load_count, 0);
	vmcs_write(VMCS_entry_msr_load_count, 0);
	vmcs_write(VMCS_entry_interruption_information, 0);
	vmcs_write(VMCS_tsc_offset, 0);
	vmcs_write(VMCS_vmcs_link_pointer, ~0ULL);
	vmcs_write(VMCS_msr_bitmap_address, machine.msr_bitmap.v);
	if (hypapp_intercepts) {
		vmcs_write(VMCS_io_bitmap_a_address, intercepts.ports_a_address.v);
		vmcs_write(VMCS_io_bitmap_b_address, intercepts.ports_b_address.v);
	}
	vmcs_write(VMCS_eptp, ept01_pointer(&machine.ept));
	if (c->proc2 & PROC2_ENABLE_VPID)
		vmcs_write(VMCS_vpid, VPID_OF_L1);
	if (c->proc2 & PROC2_ENABLE_XSAVES_XRSTORS)
		vmcs_write(VMCS_xss_exiting_bitmap, 0);
	if (c->proc2 & PROC2_ENABLE_PCONFIG)
		vmcs_write(VMCS_pconfig_exiting_bitmap, 0);
}

/* Without the controls for IA32_EFER and IA32_PAT their values travel through MSR lists: the list
 * that stores L1's values at an exit is the one that loads them at the next entry. */
static void write_msr_lists(struct vcpu *vcpu, const struct vmcs01_controls *c)
{
	struct vmx_msr_entry *l1 = (struct vmx_msr_entry *)vcpu->msr_area, *l0 = l1 + 8;
	u64 address = vcpu->msr_area_address.v;
	unsigned int count = 0;

	if (!(c->entry & ENTRY_LOAD_IA32_EFER)) {
		l1[count] = (struct vmx_msr_entry){ .index = MSR_IA32_EFER };
		l0[count++] = (struct vmx_msr_entry){ MSR_IA32_EFER, 0, rdmsr(MSR_IA32_EFER) };
	}
	if (!(c->entry & ENTRY_LOAD_IA32_PAT)) {
		l1[count] = (struct vmx_msr_entry){ MSR_IA32_PAT, 0, rdmsr(MSR_IA32_PAT) };
		l0[count++] = (struct vmx_msr_entry){ MSR_IA32_PAT, 0, rdmsr(MSR_IA32_PAT) };
	}
	vmcs_write(VMCS_exit_msr_store_address, address);
	vmcs_write(VMCS_exit_msr_store_count, count);
	vmcs_write(VMCS_entry_msr_load_address, address);
	vmcs_write(VMCS_entry_msr_load_count, count);
	vmcs_write(VMCS_exit_msr_load_address, address + 8 * sizeof(*l1));
	vmcs_write(VMCS_exit_msr_load_count, count);
}

void vmcs01_write_host_state(struct vcpu *vcpu)
{
	u64 exit_controls = machine.caps.exit.may_be_1;

	vmcs_write(VMCS_host_cr0, read_cr0());
	vmcs_write(VMCS_host_cr3, read_cr3());
	vmcs_write(VMCS_host_cr4, read_cr4());
	vmcs_write(VMCS_host_cs_selector, GDT_SELECTOR_CODE);
	vmcs_write(VMCS_host_ss_selector, GDT_SELECTOR_DATA);
	vmcs_write(VMCS_host_ds_selector, GDT_SELECTOR_DATA);
	vmcs_write(VMCS_host_es_selector, GDT_SELECTOR_DATA);
	vmcs_write(VMCS_host_fs_selector, 0);
	vmcs_write(VMCS_host_gs_selector, 0);
	vmcs_write(VMCS_host_tr_selector, GDT_SELECTOR_TSS);
	vmcs_write(VMCS_host_fs_base, 0);
	vmcs_write(VMCS_host_gs_base, (uptr)&vcpu->cpu);
	vmcs_write(VMCS_host_tr_base, (uptr)&vcpu->cpu.tss);
	vmcs_write(VMCS_host_gdtr_base, (uptr)vcpu->cpu.gdt);
	vmcs_write(VMCS_host_idtr_base, descriptor_tables_idt().base);
	vmcs_write(VMCS_host_ia32_sysenter_cs, 0);
	vmcs_write(VMCS_host_ia32_sysenter_esp, 0);
	vmcs_write(VMCS_host_ia32_sysenter_eip, 0);
	vmcs_write(VMCS_host_rip, (uptr)vmexit_stub);
	vmcs_write(VMCS_host_rsp, (uptr)(vcpu->regs + GPR_COUNT));
	if (exit_controls & EXIT_LOAD_IA32_EFER)
		vmcs_write(VMCS_host_ia32_efer, rdmsr(MSR_IA32_EFER));
	if (exit_controls & EXIT_LOAD_IA32_PAT)
		vmcs_write(VMCS_host_ia32_pat, rdmsr(MSR_IA32_PAT));
}

static void write_segment(unsigned int number, u16 selector, u64 base, u32 access_rights)
{
	/* The fields of the segments follow each other in the order of instruction encodings. */
	vmcs_write(VMCS_guest_es_selector + 2 * number, selector);
	vmcs_write(VMCS_guest_es_base + 2 * number, base);
	vmcs_write(VMCS_guest_es_limit + 2 * number, REAL_MODE_LIMIT);
	vmcs_write(VMCS_guest_es_access_rights + 2 * number, access_rights);
}

enum { SEGMENT_ES, SEGMENT_CS, SEGMENT_LDTR = 6, SEGMENT_TR = 7 };

static void write_init_segments(void)
{
	for (unsigned int i = SEGMENT_ES; i < SEGMENT_LDTR; i++)
		write_segment(i, 0, 0, REAL_MODE_ACCESS_RIGHTS);
	write_segment(SEGMENT_CS, RESET_VECTOR_SELECTOR, RESET_VECTOR_BASE,
		      REAL_MODE_ACCESS_RIGHTS);
	write_segment(SEGMENT_LDTR, 0, 0, INIT_LDTR_ACCESS_RIGHTS);
	write_segment(SEGMENT_TR, 0, 0, INIT_TR_ACCESS_RIGHTS);
	vmcs_write(VMCS_guest_gdtr_base, 0);
	vmcs_write(VMCS_guest_gdtr_limit, REAL_MODE_LIMIT);
	vmcs_write(VMCS_guest_idtr_base, 0);
	vmcs_write(VMCS_guest_idtr_limit, REAL_MODE_LIMIT);
}

static void write_init_registers(struct vcpu *vcpu)
{
	for (unsigned int i = 0; i < GPR_COUNT; i++)
		vcpu->regs[i] = 0;
	vcpu->regs[GPR_RDX] = cpuid(1, 0).eax;
	write_dr0(0);
	write_dr1(0);
	write_dr2(0);
	write_dr3(0);
	write_dr6(INIT_DR6);
	vmcs_write(VMCS_guest_dr7, INIT_DR7);
	vmcs_write(VMCS_guest_rsp, 0);
	vmcs_write(VMCS_guest_rip, RESET_VECTOR_RIP);
	vmcs_write(VMCS_guest_rflags, RFLAGS_FIXED_1);
}

void vmcs01_set_init_state(struct vcpu *vcpu, enum activity_state activity)
{
	u64 entry = vmcs_read(VMCS_entry_controls);

	write_init_registers(vcpu);
	write_init_segments();
	/* CR0.CD and NW stay as they are: neither INIT nor VM entry touches them. */
	vmcs_write(VMCS_guest_cr0, CR0_ET | CR0_NE);
	vmcs_write(VMCS_cr0_read_shadow, CR0_ET);
	vmcs_write(VMCS_guest_cr3, 0);
	vmcs_write(VMCS_guest_cr4, machine.caps.cr4.must_be_1);
	vmcs_write(VMCS_cr4_read_shadow, 0);
	vmcs_write(VMCS_entry_controls, entry & ~ENTRY_IA32E_MODE_GUEST);
	if (entry & ENTRY_LOAD_IA32_EFER)
		vmcs_write(VMCS_guest_ia32_efer, 0);
	else
		((struct vmx_msr_entry *)vcpu->msr_area)->value = 0;
	vmcs_write(VMCS_guest_interruptibility_state, 0);
	vmcs_write(VMCS_guest_pending_debug_exceptions, 0);
	vmcs_write(VMCS_entry_interruption_information, 0);
	vmcs_write(VMCS_guest_activity_state, activity);
}

void vmcs01_set_real_mode_rip(u16 segment, u16 offset)
{
	write_segment(SEGMENT_CS, segment, (u64)segment << 4, REAL_MODE_ACCESS_RIGHTS);
	vmcs_write(VMCS_guest_rip, offset);
}

u64 vmcs01_guest_efer(const struct vcpu *vcpu)
{
	if (vmcs_read(VMCS_entry_controls) & ENTRY_LOAD_IA32_EFER)
		return vmcs_read(VMCS_guest_ia32_efer);
	return ((const struct vmx_msr_entry *)vcpu->msr_area)->value;
}

void vmcs01_setup(struct vcpu *vcpu)
{
	struct vmcs01_controls controls;

	vmcs01_choose_controls(&machine.caps, &controls);
	vmcs_clear(vcpu->vmcs01);
	vmcs_load(vcpu->vmcs01);
	write_controls(&controls);
	write_msr_lists(vcpu, &controls);
	vmcs01_write_host_state(vcpu);
	vmcs_write(VMCS_cr0_guest_host_mask, CR0_NE);
	vmcs_write(VMCS_cr4_guest_host_mask, CR4_VMXE | CR4_SMXE);
	vmcs_write(VMCS_guest_ia32_debugctl, 0);
	vmcs_write(VMCS_guest_ia32_sysenter_cs, 0);
	vmcs_write(VMCS_guest_ia32_sysenter_esp, 0);
	vmcs_write(VMCS_guest_ia32_sysenter_eip, 0);
	if (controls.entry & ENTRY_LOAD_IA32_PAT)
		vmcs_write(VMCS_guest_ia32_pat, rdmsr(MSR_IA32_PAT));
	vmcs01_set_init_state(vcpu, ACTIVITY_ACTIVE);
}
