/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The golden state: a VMCS that enters, in each mode of L2.  Cases change one thing
 * of it.  L2 shares L1's memory one to one, its GDT and its task register.
 */
#include "lhv/vm/vm.h"

#include "lhv/frame/asm_hw.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/vm/ept.h"
#include "xmhf/lib/string.h"

#define W(field) want[VMCS_INDEX_##field]

#define RIGHTS_TSS_BUSY	 0x8bu
#define RIGHTS_REAL_CODE 0x9bu
#define RIGHTS_REAL_DATA 0x93u
#define RIGHTS_V86	 0xf3u
#define REAL_LIMIT	 0xffffu
#define IVT_LIMIT	 0x3ffu

extern u8 vm_exit_entry[];
extern u64 gdt[];

static u32 adjusted(enum vmx_control_word word, u32 wanted)
{
	return (wanted | facts.word[word].must) & facts.word[word].may;
}

static bool mode_needs_unrestricted(enum l2_mode mode)
{
	return mode == L2_FLAT || mode == L2_REAL;
}

bool vm_can_run(enum l2_mode mode)
{
	if (mode_needs_unrestricted(mode))
		return ept_usable() && vm_allows(VMX_WORD_PROC2, PROC2_UNRESTRICTED_GUEST);
	if (mode == L2_LONG || mode == L2_COMPAT)
		return IS_64BIT;
	return true;
}

static void control_words(enum l2_mode mode, u64 *want)
{
	u32 proc2 = PROC2_ENABLE_RDTSCP;
	u32 host64 = IS_64BIT ? EXIT_HOST_ADDRESS_SPACE_SIZE : 0;
	u32 guest64 = mode == L2_LONG || mode == L2_COMPAT ? ENTRY_IA32E_MODE_GUEST : 0;

	if (ept_usable())
		proc2 |= PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST;
	W(pin_based_controls) =
		adjusted(VMX_WORD_PIN, PIN_EXTERNAL_INTERRUPT_EXITING | PIN_NMI_EXITING);
	W(processor_based_controls) = adjusted(
		VMX_WORD_PROC1, PROC1_HLT_EXITING | PROC1_UNCONDITIONAL_IO_EXITING |
					PROC1_USE_MSR_BITMAPS | PROC1_ACTIVATE_SECONDARY_CONTROLS);
	W(secondary_processor_based_controls) = adjusted(VMX_WORD_PROC2, proc2);
	W(exit_controls) =
		adjusted(VMX_WORD_EXIT, host64 | EXIT_SAVE_DEBUG_CONTROLS | EXIT_SAVE_IA32_EFER |
						EXIT_LOAD_IA32_EFER | EXIT_SAVE_IA32_PAT |
						EXIT_LOAD_IA32_PAT);
	W(entry_controls) =
		adjusted(VMX_WORD_ENTRY, guest64 | ENTRY_LOAD_DEBUG_CONTROLS |
						 ENTRY_LOAD_IA32_EFER | ENTRY_LOAD_IA32_PAT);
}

static void controls(enum l2_mode mode, u64 *want)
{
	static void *msr_bitmap;

	if (!msr_bitmap)
		msr_bitmap = page_alloc(1);
	control_words(mode, want);
	W(msr_bitmap_address) = (uptr)msr_bitmap;
	W(exception_bitmap) = 0xffffffff;
	W(eptp) = ept_identity();
	W(executive_vmcs_pointer) = 0;
}

static void host_state(const struct vm *vm, u64 *want)
{
	W(host_cr0) = read_cr0();
	W(host_cr3) = read_cr3();
	W(host_cr4) = read_cr4();
	W(host_cs_selector) = SELECTOR_CODE;
	W(host_ss_selector) = SELECTOR_DATA;
	W(host_ds_selector) = SELECTOR_DATA;
	W(host_es_selector) = SELECTOR_DATA;
	W(host_fs_selector) = SELECTOR_DATA;
	W(host_gs_selector) = SELECTOR_DATA;
	W(host_tr_selector) = read_tr();
	W(host_tr_base) = tss_base(cpu_self()->index);
	W(host_gdtr_base) = (uptr)gdt;
	{
		struct descriptor_table_pointer p;

		sidt(&p);
		W(host_idtr_base) = p.base;
	}
	W(host_ia32_sysenter_cs) = rdmsr(MSR_IA32_SYSENTER_CS);
	W(host_ia32_sysenter_esp) = rdmsr(MSR_IA32_SYSENTER_ESP);
	W(host_ia32_sysenter_eip) = rdmsr(MSR_IA32_SYSENTER_EIP);
	W(host_rsp) = (uptr)vm->exit_area;
	W(host_rip) = (uptr)vm_exit_entry;
	W(host_ia32_pat) = rdmsr(MSR_IA32_PAT);
	W(host_ia32_efer) = rdmsr(MSR_IA32_EFER);
}

/* The fields of one segment register: selectors, limits, rights and bases are 2 apart. */
static void segment(u64 *want, unsigned int n, u16 selector, struct segment_view view)
{
	want[VMCS_INDEX_guest_es_selector + n] = selector;
	want[VMCS_INDEX_guest_es_limit + n] = view.limit;
	want[VMCS_INDEX_guest_es_access_rights + n] = view.rights;
	want[VMCS_INDEX_guest_es_base + n] = view.base;
}

static void segments(enum l2_mode mode, u64 *want)
{
	static const struct segment_view real_code = { 0, REAL_LIMIT, RIGHTS_REAL_CODE };
	static const struct segment_view real_data = { 0, REAL_LIMIT, RIGHTS_REAL_DATA };
	static const struct segment_view v86 = { 0, REAL_LIMIT, RIGHTS_V86 };
	bool wide = mode == L2_LONG || !IS_64BIT; /* L1's own code segment */
	u16 code = wide ? SELECTOR_CODE : SELECTOR_CODE32;

	for (unsigned int n = 0; n < 6; n++) {
		if (mode == L2_V86)
			segment(want, n, 0, v86);
		else if (mode == L2_REAL)
			segment(want, n, 0, n == 1 ? real_code : real_data);
		else if (n == 1)
			segment(want, n, code, gdt_view(code));
		else
			segment(want, n, SELECTOR_DATA, gdt_view(SELECTOR_DATA));
	}
	segment(want, 6, 0, (struct segment_view){ 0, 0, ACCESS_RIGHTS_UNUSABLE });
	segment(want, 7, read_tr(),
		(struct segment_view){ tss_base(cpu_self()->index), tss_limit(), RIGHTS_TSS_BUSY });
	W(guest_gdtr_base) = (uptr)gdt;
	W(guest_gdtr_limit) = GDT_BYTES - 1;
	W(guest_idtr_base) = mode == L2_REAL ? 0 : l2_idt_base();
	W(guest_idtr_limit) = mode == L2_REAL ? IVT_LIMIT : L2_IDT_LIMIT;
}

static void guest_control_registers(enum l2_mode mode, u64 *want)
{
	u64 cr0 = CR0_PE | CR0_PG | CR0_NE | CR0_ET | CR0_WP | CR0_MP;
	u64 cr4 = CR4_PSE | facts.cr4_fixed0;

	if (mode_needs_unrestricted(mode))
		cr0 &= ~CR0_PG;
	if (mode == L2_REAL)
		cr0 &= ~CR0_PE;
	W(guest_cr0) = cr0;
	if (mode == L2_LONG || mode == L2_COMPAT || mode == L2_PAE)
		cr4 |= CR4_PAE;
	W(guest_cr4) = cr4;
	W(guest_cr3) = mode == L2_PAE	 ? l2_cr3_pae()
		       : (cr4 & CR4_PAE) ? l2_cr3_long()
					 : l2_cr3_plain();
	if (mode == L2_LONG || mode == L2_COMPAT)
		W(guest_ia32_efer) = EFER_LME | EFER_LMA;
	if (mode == L2_PAE)
		for (unsigned int i = 0; i < 4; i++)
			want[VMCS_INDEX_guest_pdpte0 + i] = l2_pdptes()[i];
}

void vm_golden(enum l2_mode mode, u64 want[VMCS_FIELD_COUNT])
{
	const struct vm *vm = vm_self();

	memset(want, 0, VMCS_FIELD_COUNT * sizeof(want[0]));
	controls(mode, want);
	host_state(vm, want);
	guest_control_registers(mode, want);
	segments(mode, want);
	W(vmcs_link_pointer) = ~0ULL;
	W(guest_ia32_pat) = rdmsr(MSR_IA32_PAT);
	W(guest_dr7) = DR7_FIXED_1;
	W(guest_rflags) = RFLAGS_FIXED_1 | (mode == L2_V86 ? RFLAGS_VM : 0);
	W(guest_rsp) = mode == L2_REAL || mode == L2_V86 ? 0xff00 : (uptr)vm->stack_top;
}

bool vm_reset(enum l2_mode mode)
{
	struct vm *vm = vm_self();
	u64 want[VMCS_FIELD_COUNT];

	if (!vm_can_run(mode))
		return false;
	vm->mode = mode;
	vm_golden(mode, want);
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		if (facts.field_exists[i] &&
		    vmcs_encoding_type(vmcs_fields[i].encoding) != VMCS_TYPE_READ_ONLY)
			vm_set(vmcs_fields[i].encoding, want[i]);
	return true;
}
