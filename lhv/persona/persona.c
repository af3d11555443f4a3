/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A persona at work: L2 executes a fixed round of instructions, L1 emulates each exit
 * as that hypervisor would, with its habits; every exit must be the next of the round.
 */
#include "lhv/persona/persona.h"

#include "lhv/frame/apic.h"
#include "lhv/frame/cmdline.h"
#include "lhv/frame/console.h"
#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define ROUNDS	      200
#define MIGRATE_EVERY 50
#define SWITCH_EVERY  4
#define NMI_EVERY     20
#define FIRST_VMCALLS 17
#define TIMER_VALUE   0x7fffffff
#define WB	      field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB)
#define MMIO_VALUE    0x600df00du
#define CPUID_VALUE   0x1badcafeu
#define PORT_VALUE    0x5au

extern const u8 l2_persona[], l2_fs_gs[];

/* What L2 leaves by in one round, in order. */
static const u32 expected_reasons[] = { EXIT_REASON_CPUID,	   EXIT_REASON_IO_INSTRUCTION,
					EXIT_REASON_EPT_VIOLATION, EXIT_REASON_RDMSR,
					EXIT_REASON_HLT,	   EXIT_REASON_VMCALL };

static struct {
	const struct persona *p;
	u32 done, good;
	struct ept_map *map;
	struct vmx_msr_entry *lists;
	u64 other_eptp;
} run;

static bool has(u32 habit)
{
	return run.p->habits & habit;
}

static void note(bool good, const char *what)
{
	run.done++;
	run.good += good;
	if (!good && run.done - run.good < 10)
		report("# persona %s: %s, reason 0x%llx qualification 0x%llx RIP 0x%llx\n",
		       run.p->name, what, vm_get(VMCS_exit_reason), vm_get(VMCS_exit_qualification),
		       vm_get(VMCS_guest_rip));
}

static u32 adjusted(enum vmx_control_word word, u32 wanted)
{
	return (wanted | facts.word[word].must) & facts.word[word].may;
}

static void *zero_page(void)
{
	return page_alloc(1);
}

static void set_control_words(void)
{
	u32 keep64 = IS_64BIT ? ENTRY_IA32E_MODE_GUEST : 0;
	u32 exit64 = IS_64BIT ? EXIT_HOST_ADDRESS_SPACE_SIZE : 0;

	vm_set(VMCS_pin_based_controls, adjusted(VMX_WORD_PIN, run.p->pin));
	vm_set(VMCS_processor_based_controls, adjusted(VMX_WORD_PROC1, run.p->primary));
	vm_set(VMCS_secondary_processor_based_controls, adjusted(VMX_WORD_PROC2, run.p->secondary));
	vm_set(VMCS_exit_controls,
	       (adjusted(VMX_WORD_EXIT, run.p->exit) & ~EXIT_HOST_ADDRESS_SPACE_SIZE) | exit64);
	vm_set(VMCS_entry_controls,
	       (adjusted(VMX_WORD_ENTRY, run.p->entry) & ~ENTRY_IA32E_MODE_GUEST) | keep64);
	vm_set(VMCS_exception_bitmap, run.p->exception_bitmap);
}

static void set_pages(void)
{
	u8 *io = page_alloc(2);

	memset(io, 0xff, 2 * PAGE_SIZE);
	vm_set(VMCS_virtual_apic_address, (uptr)zero_page());
	vm_set(VMCS_apic_access_address, (uptr)zero_page());
	vm_set(VMCS_io_bitmap_a_address, (uptr)io);
	vm_set(VMCS_io_bitmap_b_address, (uptr)io + PAGE_SIZE);
	vm_set(VMCS_vpid, 1);
	vm_set(VMCS_tpr_threshold, 0);
}

/* The MSR of the round exits; the system-call MSRs do not, if there is a bitmap at all. */
static void set_msr_bitmap(void)
{
	u8 *bitmap = zero_page();

	memset(bitmap, 0xff, PAGE_SIZE);
	for (u32 msr = MSR_IA32_STAR; msr <= MSR_IA32_FMASK; msr++)
		bitmap[MSR_BITMAP_READ_HIGH + (msr & 0x1fff) / 8] &= (u8) ~(1 << (msr & 7));
	for (u32 msr = MSR_IA32_FS_BASE; msr <= MSR_IA32_KERNEL_GS_BASE; msr++) {
		bitmap[MSR_BITMAP_READ_HIGH + (msr & 0x1fff) / 8] &= (u8) ~(1 << (msr & 7));
		bitmap[MSR_BITMAP_WRITE_HIGH + (msr & 0x1fff) / 8] &= (u8) ~(1 << (msr & 7));
	}
	vm_set(VMCS_msr_bitmap_address, (uptr)bitmap);
}

static void set_efer_lists(void)
{
	u64 l1 = rdmsr(MSR_IA32_EFER);

	run.lists = zero_page();
	run.lists[0] = (struct vmx_msr_entry){ MSR_IA32_EFER, 0, l1 };
	run.lists[1] = (struct vmx_msr_entry){ MSR_IA32_EFER, 0, l1 };
	vm_set(VMCS_entry_msr_load_address, (uptr)&run.lists[0]);
	vm_set(VMCS_entry_msr_load_count, 1);
	vm_set(VMCS_exit_msr_load_address, (uptr)&run.lists[1]);
	vm_set(VMCS_exit_msr_load_count, 1);
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

/* EPT12: MMIO absent or marked; 1 GiB pages and a second root where that is the habit. */
static void set_ept(void)
{
	u64 *pml4, *pdpt;

	run.map = ept_map_fresh();
	ept_map_4k(run.map, has(HABIT_MMIO_MARKER) ? EPT_WRITE | EPT_EXECUTE : 0);
	vm_set(VMCS_eptp, run.map->eptp);
	run.other_eptp = run.map->eptp;
	if (!has(HABIT_1G) || !(facts.ept_vpid & EPT_CAP_1G))
		return;
	pml4 = zero_page();
	pdpt = zero_page();
	pml4[0] = (uptr)pdpt | EPT_RWX;
	for (unsigned int i = 0; i < 3; i++)
		pdpt[i] = i * GIB | EPT_RWX | WB | EPT_LEAF;
	run.other_eptp = eptp_of(pml4);
}

static void read_capabilities(void)
{
	static const u32 order[] = { 0x480, 0x48d, 0x48e, 0x48f, 0x490, 0x486, 0x487,
				     0x488, 0x489, 0x48b, 0x48c, 0x491, 0x485 };

	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++)
		if (order[i] != MSR_IA32_VMX_VMFUNC || facts.vmfunc)
			rdmsr(order[i]);
}

/* Habits before L2 first runs its round. */
static void start_without_paging(void)
{
	if (!vm_can_run(L2_FLAT))
		return;
	vm_reset(L2_FLAT);
	vm_start_at(L2_FLAT, l2_vmcall32);
	note(vm_enter().reason == EXIT_REASON_VMCALL, "without paging");
}

static void first_vmcalls(void)
{
	for (unsigned int i = 0; i < FIRST_VMCALLS; i++)
		note(vm_run(l2_vmcall).reason == EXIT_REASON_VMCALL, "first VMCALLs");
}

static void bad_entry_first(void)
{
	u64 vpid = vm_get(VMCS_vpid);
	struct outcome o;

	vm_set(VMCS_vpid, 0);
	o = vm_run(l2_vmcall);
	note(o.result == VMX_FAIL_VALID && o.error == VMFAIL_ENTRY_INVALID_CONTROL, "error 7");
	vm_set(VMCS_vpid, vpid);
	vm_control(VMX_WORD_PROC1, 0, PROC1_MOV_DR_EXITING);
	note(vm_run(l2_vmcall).reason == EXIT_REASON_VMCALL, "the retry");
}

static void l2_writes_bases(void)
{
	vm_self()->regs.rax = 0x123000;
	vm_self()->regs.rbx = 0x456000;
	note(vm_run(l2_fs_gs).reason == EXIT_REASON_VMCALL, "FS and GS base");
	note(vm_get(VMCS_guest_fs_base) == 0x123000, "FS base");
	note(vm_get(VMCS_guest_gs_base) == 0x456000, "GS base");
}

static void prepare(void)
{
	if (has(HABIT_CAPABILITIES))
		read_capabilities();
	vm_prepare(vm_self());
	if (has(HABIT_PAGING_LATER))
		start_without_paging();
	vm_reset(L2_NATIVE);
	set_control_words();
	set_pages();
	set_msr_bitmap();
	set_ept();
	if (has(HABIT_EFER_LISTS))
		set_efer_lists();
	if (has(HABIT_JUNK))
		set_junk();
	if (has(HABIT_EFER_LISTS) && !(vm_get(VMCS_exit_controls) & EXIT_LOAD_IA32_EFER))
		vm_set(VMCS_host_ia32_efer, ~0ULL);
	if (has(HABIT_RETRY) &&
	    (vm_get(VMCS_secondary_processor_based_controls) & PROC2_ENABLE_VPID))
		bad_entry_first();
	if (has(HABIT_CAPABILITIES))
		first_vmcalls();
	if (has(HABIT_FS_GS) && IS_64BIT)
		l2_writes_bases();
	vm_set(VMCS_guest_rip, (uptr)l2_persona);
}

static void read_hot_fields(void)
{
	static const u32 hot[] = {
		VMCS_guest_rip,
		VMCS_guest_rsp,
		VMCS_guest_rflags,
		VMCS_guest_cr0,
		VMCS_guest_cr3,
		VMCS_guest_cr4,
		VMCS_guest_cs_selector,
		VMCS_guest_cs_access_rights,
		VMCS_guest_cs_base,
		VMCS_guest_ss_access_rights,
		VMCS_guest_interruptibility_state,
		VMCS_guest_activity_state,
		VMCS_exit_reason,
		VMCS_exit_qualification,
		VMCS_exit_interruption_information,
		VMCS_exit_interruption_error_code,
		VMCS_idt_vectoring_information,
		VMCS_idt_vectoring_error_code,
		VMCS_exit_instruction_length,
		VMCS_exit_instruction_information,
		VMCS_guest_linear_address,
		VMCS_guest_physical_address,
		VMCS_guest_pdpte0,
		VMCS_guest_pdpte1,
		VMCS_guest_pdpte2,
		VMCS_guest_pdpte3,
		VMCS_guest_gs_base,
		VMCS_guest_fs_base,
		VMCS_guest_ia32_sysenter_cs,
		VMCS_guest_ia32_sysenter_esp,
		VMCS_guest_ia32_sysenter_eip,
		VMCS_guest_dr7,
		VMCS_cr0_read_shadow,
		VMCS_cr4_read_shadow,
		VMCS_processor_based_controls,
		VMCS_tpr_threshold,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(hot); i++)
		vm_get(hot[i]);
}

static void xsetbv_twice(void)
{
	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_XSAVE))
		return;
	write_cr4(read_cr4() | (uptr)CR4_OSXSAVE);
	xsetbv(0, 1);
	xsetbv(0, 1);
}

static bool reason_matches(u32 reason, u32 expected)
{
	if (expected == EXIT_REASON_EPT_VIOLATION && has(HABIT_MMIO_MARKER))
		expected = EXIT_REASON_EPT_MISCONFIGURATION;
	return reason == expected;
}

/* The emulation of one exit: what L2 gets for it. */
static void emulate(u32 expected)
{
	struct l2_registers *r = &vm_self()->regs;

	if (expected == EXIT_REASON_CPUID)
		r->rcx = CPUID_VALUE;
	else if (expected == EXIT_REASON_IO_INSTRUCTION)
		r->rsi = PORT_VALUE;
	else if (expected == EXIT_REASON_EPT_VIOLATION)
		r->rdi = MMIO_VALUE;
	vm_set(VMCS_guest_rip,
	       vm_get(VMCS_guest_rip) + (expected == EXIT_REASON_EPT_VIOLATION
						 ? 2
						 : vm_get(VMCS_exit_instruction_length)));
}

static void each_exit(void)
{
	if (has(HABIT_HOT_FIELDS))
		read_hot_fields();
	if (has(HABIT_XSETBV))
		xsetbv_twice();
	if (has(HABIT_TIMER))
		vm_set(VMCS_preemption_timer_value, TIMER_VALUE);
}

static void migrate(void)
{
	struct vm *vm = vm_self();

	vmclear((uptr)vm->region);
	vm_load(vm);
	vm->launched = false;
}

static void world_switch(void)
{
	struct vm *vm = vm_self();

	invvpid(INVVPID_ALL_CONTEXT, 0, 0);
	vmclear((uptr)vm->region);
	vmx_off();
	write_cr4(read_cr4() & ~(uptr)CR4_VMXE);
	write_cr4(read_cr4() | (uptr)CR4_VMXE);
	note(vmx_on(), "VMXON");
	vm_load(vm);
	vm->launched = false;
}

static void self_nmi(void)
{
	struct cpu *cpu = cpu_self();

	cpu->count_only_nmi = true;
	interrupt_take_count(VECTOR_NMI);
	apic_send_self(ICR_NMI);
	note(interrupt_take_count(VECTOR_NMI) == 1, "NMI to itself");
	cpu->count_only_nmi = false;
}

static void between_rounds(unsigned int round)
{
	if (has(HABIT_MIGRATES) && round % MIGRATE_EVERY == 0)
		migrate();
	if (has(HABIT_WORLD_SWITCH) && round % SWITCH_EVERY == 0)
		world_switch();
	if (has(HABIT_SELF_NMI) && round % NMI_EVERY == 0)
		self_nmi();
	if (has(HABIT_1G))
		vm_set(VMCS_eptp, round & 1 ? run.other_eptp : run.map->eptp);
}

static void one_round(unsigned int round)
{
	struct l2_registers *r = &vm_self()->regs;

	vm_set(VMCS_guest_rip, (uptr)l2_persona);
	vm_set(VMCS_guest_activity_state, ACTIVITY_ACTIVE);
	r->rbx = EPT_FREE_BASE;
	r->rdx = 0x80;
	r->rbp = round;
	if (has(HABIT_TIMER))
		vm_set(VMCS_preemption_timer_value, TIMER_VALUE);
	for (unsigned int i = 0; i < ARRAY_SIZE(expected_reasons); i++) {
		struct outcome o = vm_enter();

		note(o.result == VMX_SUCCEED && reason_matches(o.reason, expected_reasons[i]),
		     exit_reason_name(expected_reasons[i]));
		if (o.result != VMX_SUCCEED || (o.reason >> 31))
			return;
		each_exit();
		emulate(expected_reasons[i]);
	}
	note((u32)r->rcx == MSR_IA32_BIOS_SIGN_ID && (u32)r->rsi == PORT_VALUE + 1 &&
		     (u32)r->rdi == MMIO_VALUE + 1 && r->rbp == round + 1,
	     "L2 computed with what it was given");
}

_Noreturn void persona_run(void)
{
	char name[32] = "";
	const char *why;

	cmdline_text("persona", name, sizeof(name));
	for (unsigned int i = 0; i < persona_count; i++)
		if (strcmp(personas[i].name, name) == 0)
			run.p = &personas[i];
	if (!run.p || !facts.vmx) {
		report("# no persona of this name, or no VMX: %s\n", name);
		machine_stop(false, 0, 1);
	}
	why = run.p->refuses();
	if (why || !ept_usable()) {
		report("# %s refuses to start: needs %s\n", name, why ? why : "EPT");
		machine_stop(false, 0, 1);
	}
	disable_interrupts();
	prepare();
	for (unsigned int i = 0; i < cmdline_number("rounds", ROUNDS); i++) {
		between_rounds(i);
		one_round(i);
	}
	report("# persona %s: %u checks, %u failed\n", name, run.done, run.done - run.good);
	machine_stop(run.good == run.done, run.good, run.done);
}
