/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMware: enters VMX operation for every stay in its own world and leaves it at the host's
 * timer tick (VMXON, VMPTRLD, INVVPID, entries, VMCLEAR, VMXOFF); no MSR bitmap; junk in
 * the fields it does not use; 2 MiB pages on demand; PAT and EFER by controls.
 */
#include "lhv/frame/apic.h"
#include "lhv/frame/asm_hw.h"
#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "lhv/persona/work.h"
#include "lhv/vm/ept.h"

#define EXIT_EFER_PAT \
	(EXIT_LOAD_IA32_EFER | EXIT_SAVE_IA32_EFER | EXIT_LOAD_IA32_PAT | EXIT_SAVE_IA32_PAT)
#define ENTRY_EFER_PAT (ENTRY_LOAD_IA32_EFER | ENTRY_LOAD_IA32_PAT)
#define TICK	       300
#define L2_PAT	       0x0007010600070106ULL
#define TSC_VALUE      0x7150u
#define EFER_VALUE     0xefe7u
#define LARGE_PAGE     0x200000u
#define GUEST_MEMORY   0x4000000u /* 2 MiB that nobody else uses */

extern const u8 l2_vmware[];

static struct {
	struct work_ept ept;
	u32 *data; /* 2 MiB that the guest gets on demand */
	u64 pat, efer;
} vmware;

static const char *refuses(void)
{
	if (!vm_allows(VMX_WORD_ENTRY, ENTRY_EFER_PAT))
		return "load IA32_EFER and IA32_PAT on entry";
	if (!vm_allows(VMX_WORD_EXIT, EXIT_EFER_PAT))
		return "load and save IA32_EFER and IA32_PAT on exit";
	if (!(facts.ept_vpid & EPT_CAP_2M))
		return "EPT 2 MiB pages";
	return NULL;
}

static void set_junk(void)
{
	vm_set(VMCS_io_bitmap_a_address, ~0ULL);
	vm_set(VMCS_io_bitmap_b_address, ~0ULL);
	vm_set(VMCS_msr_bitmap_address, ~0ULL);
	vm_set(VMCS_executive_vmcs_pointer, ~0ULL);
	vm_set(VMCS_apic_access_address, ~0ULL);
	vm_set(VMCS_exit_msr_store_address, ~0ULL);
	vm_set(VMCS_exit_msr_load_address, ~0ULL);
	vm_set(VMCS_entry_msr_load_address, ~0ULL);
}

static void leave_world(void)
{
	struct vm *vm = vm_self();

	vmclear((uptr)vm->region);
	vmx_off();
	write_cr4(read_cr4() & ~(uptr)CR4_VMXE);
}

static void enter_world(void)
{
	struct vm *vm = vm_self();

	write_cr4(read_cr4() | (uptr)CR4_VMXE);
	work_check(vmx_on(), "VMXON");
	vm_load(vm);
	vm->launched = false;
	if (facts.ept_vpid & EPT_CAP_INVVPID_ALL)
		invvpid(INVVPID_ALL_CONTEXT, 0, 0);
}

/* The first stay: VMXON twice, a VMCS that was never cleared, no entry. */
static void look_around(void)
{
	struct vm *own = vm_self();
	struct vm *other = vm_new();

	vmclear((uptr)own->region);
	work_check(vmxon((uptr)vmxon_region()) == VMX_FAIL_INVALID,
		   "VMXON in VMX operation without a VMCS");
	work_check(vmptrld((uptr)other->region) == VMX_SUCCEED, "VMPTRLD without VMCLEAR");
	work_check(vmxon((uptr)vmxon_region()) == VMX_FAIL_VALID, "VMXON in VMX operation");
	work_check(vm_get(VMCS_vm_instruction_error) == VMFAIL_VMXON_IN_ROOT, "its error");
	vmclear((uptr)other->region);
	leave_world();
	enter_world();
}

static void prepare(const struct persona *p)
{
	vmware.pat = rdmsr(MSR_IA32_PAT);
	vmware.efer = rdmsr(MSR_IA32_EFER);
	vmware.ept = work_ept_new(false);
	vmware.data = (u32 *)(uptr)GUEST_MEMORY;
	look_around();
	work_set_controls(p, L2_NATIVE);
	set_junk();
	vm_set(VMCS_eptp, vmware.ept.eptp);
	vm_set(VMCS_guest_ia32_pat, L2_PAT);
	leave_world();
}

static void rdtsc_value(void)
{
	vm_self()->regs.rax = TSC_VALUE;
	work_skip();
}

static void efer_value(void)
{
	vm_self()->regs.rax = EFER_VALUE;
	vm_self()->regs.rdx = 0;
	work_skip();
}

/* The guest gets memory; meanwhile the host's timer runs. */
static void map_large(void)
{
	work_check(vm_get(VMCS_guest_physical_address) == EPT_FREE_BASE + LARGE_PAGE,
		   "address of the violation");
	vmware.ept.pd[1] = (uptr)vmware.data | EPT_RWX |
			   field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB) | EPT_LEAF;
	apic_timer_once(VECTOR_TIMER, TICK);
	interrupt_take_count(VECTOR_TIMER);
}

/* The host handles its timer's tick outside VMX operation. */
static void tick(void)
{
	work_check(!(vm_get(VMCS_exit_interruption_information) >> 31), "not acknowledged");
	work_check(vm_get(VMCS_guest_ia32_pat) == L2_PAT, "L2's IA32_PAT is saved");
	work_check(rdmsr(MSR_IA32_PAT) == vmware.pat && rdmsr(MSR_IA32_EFER) == vmware.efer,
		   "L1's IA32_PAT and IA32_EFER are loaded");
	leave_world();
	interrupts_through();
	work_check(interrupt_take_count(VECTOR_TIMER) == 1, "the host's tick");
	enter_world();
	vm_self()->regs.rsi = 1;
}

static void vmware_round(u32 round)
{
	static const struct step steps[] = {
		{ EXIT_REASON_CPUID, work_cpuid, false },
		{ EXIT_REASON_IO_INSTRUCTION, work_in, false },
		{ EXIT_REASON_EPT_VIOLATION, work_mmio, false },
		{ EXIT_REASON_RDMSR, work_rdmsr, false },
		{ EXIT_REASON_RDTSC, rdtsc_value, false },
		{ EXIT_REASON_RDMSR, efer_value, false },
		{ EXIT_REASON_DR_ACCESS, work_mov_from_dr7, false },
		{ EXIT_REASON_EPT_VIOLATION, map_large, false },
		{ EXIT_REASON_EXTERNAL_INTERRUPT, tick, false },
		{ EXIT_REASON_VMCALL, NULL, false },
	};
	u32 sum = work_ordinary_start(round) + TSC_VALUE + EFER_VALUE;

	enter_world();
	vmware.ept.pd[1] = 0;
	work_flush(&vmware.ept);
	vm_self()->regs.rdi = EPT_FREE_BASE + LARGE_PAGE;
	vm_set(VMCS_guest_rip, (uptr)l2_vmware);
	if (work_script(steps, ARRAY_SIZE(steps))) {
		work_check(vmware.data[0] == sum, "what L2 wrote to the large page");
		work_check((u32)vm_self()->regs.rbp == 2 * sum, "the sum of L2");
	}
	apic_timer_stop();
	leave_world();
}

const struct persona persona_vmware = { .name = "vmware",
					.pin = 0x3f,
					.primary = 0xa5a07dfa,
					.secondary = 0xaa,
					.exit = 0x36fff | EXIT_EFER_PAT,
					.entry = 0x13ff | ENTRY_EFER_PAT,
					.exception_bitmap = 0x60042,
					.refuses = refuses,
					.prepare = prepare,
					.round = vmware_round };
