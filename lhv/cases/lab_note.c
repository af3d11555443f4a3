/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The failures of the project's lab note, by their ids: what VirtualBox and VMware did
 * when they met an incomplete nested hypervisor.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/host_state.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define VMWARE_ROUNDS 1000
#define LIME	      (EFER_LME | EFER_LMA)

static void efer_controls(bool load, bool save)
{
	vm_control(VMX_WORD_ENTRY, load ? ENTRY_LOAD_IA32_EFER : 0,
		   load ? 0 : ENTRY_LOAD_IA32_EFER);
	vm_control(VMX_WORD_EXIT, save ? EXIT_SAVE_IA32_EFER : 0, save ? 0 : EXIT_SAVE_IA32_EFER);
}

/*
 * VB-EFER: L2 runs with paging off; L1 emulates its MOV CR0 and turns paging on in the
 * VMCS.  Without "load IA32_EFER" LMA and LME follow "IA-32e mode guest" when CR0.PG = 1:
 * the stale IA32_EFER must not make the entry fail.
 */
static void vb_efer(unsigned int row)
{
	static const enum l2_mode targets[] = { L2_PLAIN, L2_PAE, L2_LONG };
	enum l2_mode target = targets[row % 3];
	bool load = row / 3 & 1, save = row / 6 & 1;
	u64 l1 = rdmsr(MSR_IA32_EFER);
	u64 lime = target == L2_LONG ? LIME : 0;

	if (!case_requires(vm_can_run(L2_FLAT) && vm_can_run(target), "mode missing"))
		return;
	vm_reset(L2_FLAT);
	efer_controls(load, save);
	vm_set(VMCS_guest_ia32_efer, 0);
	vm_start_at(L2_FLAT, l2_vmcall32);
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "paging off");
	vm_reset(target);
	efer_controls(load, save);
	vm_set(VMCS_guest_ia32_efer, lime);
	vm_start_at(target, target == L2_LONG ? l2_rdmsr : l2_read_efer32);
	vm_self()->regs.rcx = MSR_IA32_EFER;
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "paging on");
	check_bits(lime, LIME, vm_self()->regs.rax, "LME and LMA in L2");
	if (save)
		check_bits(lime, LIME, vm_get(VMCS_guest_ia32_efer), "LME and LMA saved");
	check_eq(l1, rdmsr(MSR_IA32_EFER), "EFER in L1");
}

static const char *vb_efer_name(unsigned int row)
{
	static const char *const names[] = {
		"plain",	   "pae",	    "long",
		"plain-load",	   "pae-load",	    "long-load",
		"plain-save",	   "pae-save",	    "long-save",
		"plain-load-save", "pae-load-save", "long-load-save",
	};

	return names[row];
}

/*
 * VB-STAR: bitmap12 passes the four system-call MSRs only.  L1 and L2 have values of
 * their own; each side finds what it wrote, and what the other wrote.
 */
static void vb_star(void)
{
	static const u32 msrs[] = { MSR_IA32_STAR, MSR_IA32_LSTAR, MSR_IA32_FMASK,
				    MSR_IA32_KERNEL_GS_BASE };
	u8 *bitmap = page_alloc(1);
	struct vm *vm = vm_self();

	memset(bitmap, 0xff, PAGE_SIZE);
	for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++) {
		u32 low = msrs[i] & 0x1fff;

		bitmap[MSR_BITMAP_READ_HIGH + low / 8] &= (u8) ~(1 << (low & 7));
		bitmap[MSR_BITMAP_WRITE_HIGH + low / 8] &= (u8) ~(1 << (low & 7));
	}
	vm_set(VMCS_msr_bitmap_address, (uptr)bitmap);
	for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++) {
		case_step("0x%x", msrs[i]);
		wrmsr(msrs[i], 0x1000 * (i + 1));
		vm->regs.rcx = msrs[i];
		check_exit(vm_run(l2_rdmsr), EXIT_REASON_VMCALL, "L2 reads");
		check_eq(0x1000 * (i + 1), (u32)vm->regs.rax, "L1's value");
		vm->regs.rax = 0x50000 + i;
		vm->regs.rdx = 0;
		check_exit(vm_run(l2_wrmsr), EXIT_REASON_VMCALL, "L2 writes");
		check_eq(0x50000 + i, rdmsr(msrs[i]), "L2's value");
		vm->regs.rcx = msrs[i] + 0x100;
		check_exit(vm_run(l2_rdmsr), EXIT_REASON_RDMSR, "another MSR exits");
	}
}

extern const u8 l2_syscall_round_trip[], l2_syscall_entry[];

/* The round trip itself: SYSCALL from user mode, SYSRET back, IRETQ to the kernel. */
static void vb_star_syscall(void)
{
	struct vm *vm = vm_self();

	wrmsr(MSR_IA32_STAR, (u64)(SELECTOR_USER_CODE32 & ~3u) << 48 | (u64)SELECTOR_CODE << 32);
	wrmsr(MSR_IA32_LSTAR, (uptr)l2_syscall_entry);
	wrmsr(MSR_IA32_FMASK, 0);
	vm_set(VMCS_guest_ia32_efer, vm_get(VMCS_guest_ia32_efer) | EFER_SCE);
	vm->regs.rbx = 0;
	check_exit(vm_run(l2_syscall_round_trip), EXIT_REASON_VMCALL, "in the SYSCALL handler");
	check_eq(SELECTOR_CODE, vm_get(VMCS_guest_cs_selector), "CS in the handler");
	check_eq(SELECTOR_DATA, vm_get(VMCS_guest_ss_selector), "SS in the handler");
	check_exit(vm_skip(), EXIT_REASON_VMCALL, "back in user mode");
	check_eq(SELECTOR_USER_CODE, vm_get(VMCS_guest_cs_selector), "CS after SYSRET");
	check_eq(SELECTOR_USER_DATA, vm_get(VMCS_guest_ss_selector), "SS after SYSRET");
}

/* VMW-CAP: what VMware asks of the capability MSRs before it starts. */
static void vmw_cap(void)
{
	check_true(vm_allows(VMX_WORD_ENTRY, ENTRY_LOAD_IA32_EFER), "entry: load IA32_EFER");
	check_true(vm_allows(VMX_WORD_ENTRY, ENTRY_LOAD_IA32_PAT), "entry: load IA32_PAT");
	check_true(vm_allows(VMX_WORD_EXIT, EXIT_LOAD_IA32_EFER), "exit: load IA32_EFER");
	check_true(vm_allows(VMX_WORD_EXIT, EXIT_SAVE_IA32_EFER), "exit: save IA32_EFER");
	check_true(vm_allows(VMX_WORD_EXIT, EXIT_LOAD_IA32_PAT), "exit: load IA32_PAT");
	check_true(vm_allows(VMX_WORD_EXIT, EXIT_SAVE_IA32_PAT), "exit: save IA32_PAT");
	check_true(facts.ept_vpid & EPT_CAP_2M, "EPT: 2 MiB pages");
}

/* VMW-LOOP: its world switch, an L2 entry in each of 1000 rounds. */
static void vmw_loop(void)
{
	struct vm *vm = vm_self();
	bool has_invvpid = facts.ept_vpid & EPT_CAP_INVVPID_ALL;
	uptr cr4;

	vm_set(VMCS_guest_rip, (uptr)l2_vmcall);
	vmclear((uptr)vm->region);
	vmx_off();
	cr4 = read_cr4() & ~(uptr)CR4_VMXE;
	for (unsigned int i = 0; i < VMWARE_ROUNDS; i++) {
		struct outcome o;

		write_cr4(cr4);
		write_cr4(cr4 | (uptr)CR4_VMXE);
		if (vmxon((uptr)vmxon_region()) != VMX_SUCCEED ||
		    vmptrld((uptr)vm->region) != VMX_SUCCEED)
			break;
		vm->launched = false;
		vm->regs.rdi = i;
		o = vm_enter();
		if (has_invvpid)
			invvpid(INVVPID_ALL_CONTEXT, 0, 0);
		vmclear((uptr)vm->region);
		vmxoff();
		case_step("round %u", i);
		if (!check_exit(o, EXIT_REASON_VMCALL, "entry") ||
		    !check_eq(i, vm->regs.rdi, "register"))
			break;
	}
	check_true(vmx_on(), "VMXON at the end");
}

/* VMW-JUNK: all ones in every address field whose control is off. */
static void vmw_junk(void)
{
	static const struct {
		u32 field;
		enum vmx_control_word word;
		u32 bits;
	} fields[] = {
		{ VMCS_io_bitmap_a_address, VMX_WORD_PROC1, PROC1_USE_IO_BITMAPS },
		{ VMCS_io_bitmap_b_address, VMX_WORD_PROC1, PROC1_USE_IO_BITMAPS },
		{ VMCS_msr_bitmap_address, VMX_WORD_PROC1, PROC1_USE_MSR_BITMAPS },
		{ VMCS_executive_vmcs_pointer, VMX_WORD_NONE, 0 },
		{ VMCS_exit_msr_store_address, VMX_WORD_NONE, 0 },
		{ VMCS_exit_msr_load_address, VMX_WORD_NONE, 0 },
		{ VMCS_entry_msr_load_address, VMX_WORD_NONE, 0 },
		{ VMCS_virtual_apic_address, VMX_WORD_PROC1, PROC1_USE_TPR_SHADOW },
		{ VMCS_apic_access_address, VMX_WORD_PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES },
		{ VMCS_posted_interrupt_descriptor_address, VMX_WORD_PIN,
		  PIN_PROCESS_POSTED_INTERRUPTS },
		{ VMCS_pml_address, VMX_WORD_PROC2, PROC2_ENABLE_PML },
		{ VMCS_eptp_list_address, VMX_WORD_PROC2, PROC2_ENABLE_VM_FUNCTIONS },
		{ VMCS_vmread_bitmap_address, VMX_WORD_PROC2, PROC2_VMCS_SHADOWING },
		{ VMCS_vmwrite_bitmap_address, VMX_WORD_PROC2, PROC2_VMCS_SHADOWING },
		{ VMCS_virtualization_exception_information_address, VMX_WORD_PROC2,
		  PROC2_EPT_VIOLATION_VE },
	};

	for (unsigned int i = 0; i <= ARRAY_SIZE(fields); i++) {
		if (i < ARRAY_SIZE(fields) && vm_has(fields[i].field)) {
			if (fields[i].word != VMX_WORD_NONE)
				vm_control(fields[i].word, 0, fields[i].bits);
			vm_set(fields[i].field, ~0ULL);
		}
		case_step("%u fields of junk", i + 1);
		check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "enters");
	}
}

/* VMW-TWICE: VMXON in VMX operation, and VMPTRLD of a region never cleared. */
static void vmw_twice(void)
{
	struct vm *other = vm_new();

	check_vmx(VMX_FAIL_VALID, VMFAIL_VMXON_IN_ROOT, vmxon((uptr)vmxon_region()),
		  "VMXON with a current VMCS");
	vmclear((uptr)vm_self()->region);
	check_vmx(VMX_FAIL_INVALID, 0, vmxon((uptr)vmxon_region()), "VMXON without one");
	check_vmx(VMX_SUCCEED, 0, vmptrld((uptr)other->region), "VMPTRLD without VMCLEAR before");
	check_vmx(VMX_SUCCEED, 0, vmwrite_checked(VMCS_guest_rip, 0x1234), "VMWRITE to it");
	check_eq(0x1234, vm_get(VMCS_guest_rip), "VMREAD from it");
	vmclear((uptr)other->region);
}

/* CR-STATE: L1 as a whole after a nested exit; see host-state for every part. */
static void cr_state(void)
{
	struct host_state before, after;

	vm_set(VMCS_guest_cr4, vm_get(VMCS_guest_cr4) | CR4_PGE | CR4_DE);
	vm_set(VMCS_guest_cr0, vm_get(VMCS_guest_cr0) | CR0_TS | CR0_AM);
	host_state_read(&before);
	for (unsigned int i = 0; i < 20; i++) {
		check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "exit");
		host_state_read(&after);
		case_step("exit %u", i);
		check_eq(before.value[0], after.value[0], "CR0");
		check_eq(before.value[1], after.value[1], "CR3");
		check_eq(before.value[2], after.value[2], "CR4");
		check_eq(before.value[29], after.value[29], "EFER");
	}
}

static const struct lhv_case cases[] = {
	{ .name = "VB-EFER",
	  .needs = NEEDS_VMX,
	  .run_row = vb_efer,
	  .row_name = vb_efer_name,
	  .rows = 12 },
	{ .name = "VB-STAR", .needs = NEEDS_VMX | NEEDS_64BIT, .run = vb_star },
	{ .name = "VB-STAR/syscall", .needs = NEEDS_VMX | NEEDS_64BIT, .run = vb_star_syscall },
	{ .name = "VMW-CAP", .needs = NEEDS_VMX, .run = vmw_cap },
	{ .name = "VMW-LOOP", .needs = NEEDS_VMX, .run = vmw_loop },
	{ .name = "VMW-JUNK", .needs = NEEDS_VMX, .run = vmw_junk },
	{ .name = "VMW-TWICE", .needs = NEEDS_VMX, .run = vmw_twice },
	{ .name = "CR-STATE", .needs = NEEDS_VMX, .run = cr_state },
};
LHV_TOPIC("lab-note", cases);
