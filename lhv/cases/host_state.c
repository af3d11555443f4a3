/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "Loading Host State": after every exit all of L1's registers, segments with
 * their limits, descriptor tables and MSRs are what the host-state area says or what
 * the section fixes, whatever L2 had.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/asm_hw.h"
#include "lhv/vm/host_state.h"
#include "lhv/vm/programs.h"

#define TABLE_LIMIT 0xffff

/* L2's state differs from L1's wherever it may. */
static void strange_l2(void)
{
	vm_set(VMCS_guest_dr7, DR7_FIXED_1 | 3);
	vm_set(VMCS_guest_ia32_debugctl, DEBUGCTL_BTF);
	vm_set(VMCS_guest_ia32_sysenter_cs, 0x1234);
	vm_set(VMCS_guest_ia32_sysenter_esp, 0x56780000);
	vm_set(VMCS_guest_ia32_sysenter_eip, 0x7abc0000);
	vm_set(VMCS_guest_fs_base, 0x1000);
	vm_set(VMCS_guest_gs_base, 0x2000);
	vm_set(VMCS_guest_fs_selector, SELECTOR_USER_DATA);
	vm_set(VMCS_guest_fs_access_rights, gdt_view(SELECTOR_USER_DATA).rights);
	vm_set(VMCS_guest_gs_access_rights, ACCESS_RIGHTS_UNUSABLE);
	vm_set(VMCS_guest_gs_selector, 0);
	vm_set(VMCS_guest_ldtr_access_rights, 0x82);
	vm_set(VMCS_guest_ldtr_limit, 0xff);
	vm_set(VMCS_guest_gdtr_limit, 0x7f);
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | RFLAGS_DF | RFLAGS_ID | RFLAGS_AC);
	if (vm_get(VMCS_entry_controls) & ENTRY_LOAD_IA32_PAT)
		vm_set(VMCS_guest_ia32_pat, 0x0606060606060606);
}

static void compare(const struct host_state *expected, const struct host_state *actual)
{
	for (unsigned int i = 0; host_state_name(i); i++)
		check_eq(expected->value[i], actual->value[i], host_state_name(i));
}

/* What the section fixes: DR7, DEBUGCTL, RFLAGS, table limits, LDTR, segment limits. */
static void fixed_by_exit(struct host_state *s)
{
	s->value[3] = DR7_FIXED_1;
	s->value[4] = RFLAGS_FIXED_1;
	s->value[12] = 0;
	s->value[21] = s->value[23] = TABLE_LIMIT;
	s->value[24] = 0;
	for (unsigned int i = 13; i < 19; i++)
		s->value[i] = 0xffffffff;
	s->value[19] = 0x67;
}

static void restore_tables(const struct host_state *before)
{
	struct descriptor_table_pointer p = { (u16)before->value[21], (uptr)before->value[20] };

	lgdt(&p);
	p.limit = (u16)before->value[23];
	p.base = (uptr)before->value[22];
	lidt(&p);
}

static const u8 *const programs[] = { l2_vmcall, l2_hlt, l2_ud2, l2_in_al };
static const char *const program_names[] = { "vmcall", "hlt", "exception", "io" };

static const char *program_name(unsigned int row)
{
	return program_names[row];
}

static void after_exit(unsigned int row)
{
	struct host_state before, after;
	struct outcome o;

	host_state_read(&before);
	strange_l2();
	o = vm_run(programs[row]);
	host_state_read(&after);
	check_true(o.result == VMX_SUCCEED && !(o.reason >> 31), "L2 ran");
	fixed_by_exit(&before);
	compare(&before, &after);
	restore_tables(&before);
}

/* A failed entry that loads host state (reason 33) loads all of it. */
static void after_entry_failure(void)
{
	struct host_state before, after;

	host_state_read(&before);
	strange_l2();
	vm_set(VMCS_guest_rflags, 0);
	check_entry_failure(vm_enter(), EXIT_REASON_ENTRY_FAILURE_GUEST, 0, "reason 33");
	host_state_read(&after);
	fixed_by_exit(&before);
	compare(&before, &after);
	restore_tables(&before);
}

/* Before guest state is looked at, nothing of L1 changes: error 7 or 8. */
static void after_vmfail(void)
{
	struct host_state before, after;

	write_dr7(DR7_FIXED_1 | 1);
	host_state_read(&before);
	strange_l2();
	vm_set(VMCS_cr3_target_count, 99);
	check_vmfail(vm_enter(), VMFAIL_ENTRY_INVALID_CONTROL, "error 7");
	host_state_read(&after);
	compare(&before, &after);
	write_dr7(DR7_FIXED_1);
}

/* Null selectors in the host-state area: the registers are unusable, bases as given. */
static void null_selectors(void)
{
	vm_set(VMCS_host_es_selector, 0);
	vm_set(VMCS_host_fs_selector, 0);
	vm_set(VMCS_host_gs_selector, 0);
	vm_set(VMCS_host_fs_base, 0x12345000);
	vm_set(VMCS_host_gs_base, 0x54321000);
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "exit");
	check_eq(0, read_es(), "ES");
	check_eq(0, read_fs(), "FS");
	check_eq(0, read_gs(), "GS");
	if (IS_64BIT) {
		check_eq(0x12345000, rdmsr(MSR_IA32_FS_BASE), "FS base");
		check_eq(0x54321000, rdmsr(MSR_IA32_GS_BASE), "GS base");
	}
	load_es(SELECTOR_DATA);
	load_fs(SELECTOR_DATA);
	load_gs(SELECTOR_DATA);
	if (IS_64BIT) {
		wrmsr(MSR_IA32_FS_BASE, 0);
		wrmsr(MSR_IA32_GS_BASE, 0);
	}
}

/* SYSENTER MSRs and FS, GS bases are loaded from the area, not kept. */
static void loaded_values(void)
{
	u64 cs = rdmsr(MSR_IA32_SYSENTER_CS), esp = rdmsr(MSR_IA32_SYSENTER_ESP),
	    eip = rdmsr(MSR_IA32_SYSENTER_EIP);

	vm_set(VMCS_host_ia32_sysenter_cs, 0x4321);
	vm_set(VMCS_host_ia32_sysenter_esp, 0x11223000);
	vm_set(VMCS_host_ia32_sysenter_eip, 0x44556000);
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "exit");
	check_eq(0x4321, rdmsr(MSR_IA32_SYSENTER_CS), "SYSENTER_CS");
	check_eq(0x11223000, rdmsr(MSR_IA32_SYSENTER_ESP), "SYSENTER_ESP");
	check_eq(0x44556000, rdmsr(MSR_IA32_SYSENTER_EIP), "SYSENTER_EIP");
	wrmsr(MSR_IA32_SYSENTER_CS, cs);
	wrmsr(MSR_IA32_SYSENTER_ESP, esp);
	wrmsr(MSR_IA32_SYSENTER_EIP, eip);
}

/* CR0, CR4: bits the exit does not load (CR0.ET, NW, CD and reserved) keep their value. */
static void control_registers(void)
{
	u64 cr0 = read_cr0(), cr4 = read_cr4();

	vm_set(VMCS_guest_cr0, vm_get(VMCS_guest_cr0) | CR0_TS | CR0_EM | CR0_AM);
	vm_set(VMCS_guest_cr4, vm_get(VMCS_guest_cr4) | CR4_PGE | CR4_TSD);
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "exit");
	check_eq(cr0, read_cr0(), "CR0");
	check_eq(cr4, read_cr4(), "CR4");
	vm_set(VMCS_host_cr0, cr0 | CR0_TS);
	vm_set(VMCS_host_cr4, cr4 | CR4_PGE);
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "exit");
	check_eq(cr0 | CR0_TS, read_cr0(), "CR0 from the area");
	check_eq(cr4 | CR4_PGE, read_cr4(), "CR4 from the area");
	write_cr0((uptr)cr0);
	write_cr4((uptr)cr4);
}

/* The other MSRs, CR2, DR0 to DR3 and DR6 are L2's business: an exit leaves them alone. */
static void left_alone(void)
{
	write_cr2(0x1111000);
	write_dr0(0x2222000);
	write_dr3(0x3333000);
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "exit");
	check_eq(0x1111000, read_cr2(), "CR2");
	check_eq(0x2222000, read_dr0(), "DR0");
	check_eq(0x3333000, read_dr3(), "DR3");
	write_dr0(0);
	write_dr3(0);
}

/* SDM "CPUID": OSXSAVE and OSPKE are CR4's bits, L1's CR4, however it came there. */
static const struct {
	const char *name;
	u64 cr4;
	u32 leaf, feature, bit;
} mirrors[] = {
	{ "osxsave", CR4_OSXSAVE, 1, CPUID_1_ECX_XSAVE, CPUID_1_ECX_OSXSAVE },
	{ "ospke", CR4_PKE, 7, CPUID_7_ECX_PKU, CPUID_7_ECX_OSPKE },
};

static const char *mirror_name(unsigned int row)
{
	return mirrors[row].name;
}

static void check_mirror(unsigned int row, bool on, const char *what)
{
	check_bits(on ? mirrors[row].bit : 0, mirrors[row].bit, cpuid(mirrors[row].leaf, 0).ecx,
		   what);
}

static void cpuid_mirror(unsigned int row)
{
	uptr cr4 = read_cr4() & ~(uptr)mirrors[row].cr4;

	if (!case_requires(cpuid(mirrors[row].leaf, 0).ecx & mirrors[row].feature, "no such bit"))
		return;
	for (unsigned int i = 0; i < 4; i++) {
		bool on = i & 1;
		uptr bit = on ? (uptr)mirrors[row].cr4 : 0;

		write_cr4(cr4 | bit);
		check_mirror(row, on, "MOV to CR4");
		vm_set(VMCS_guest_cr4, vm_get(VMCS_guest_cr4) ^ mirrors[row].cr4);
		vm_set(VMCS_host_cr4, cr4 | (uptr)mirrors[row].cr4);
		check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "exit");
		check_mirror(row, true, "set by the exit");
		vm_set(VMCS_host_cr4, cr4);
		check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "exit");
		check_mirror(row, false, "cleared by the exit");
	}
}

static const struct lhv_case cases[] = {
	{ .name = "after-exit",
	  .needs = NEEDS_VMX,
	  .run_row = after_exit,
	  .row_name = program_name,
	  .rows = ARRAY_SIZE(programs) },
	{ .name = "after-entry-failure", .needs = NEEDS_VMX, .run = after_entry_failure },
	{ .name = "after-vmfail", .needs = NEEDS_VMX, .run = after_vmfail },
	{ .name = "null-selectors", .needs = NEEDS_VMX, .run = null_selectors },
	{ .name = "loaded-values", .needs = NEEDS_VMX, .run = loaded_values },
	{ .name = "control-registers", .needs = NEEDS_VMX, .run = control_registers },
	{ .name = "cpuid",
	  .needs = NEEDS_VMX,
	  .run_row = cpuid_mirror,
	  .row_name = mirror_name,
	  .rows = ARRAY_SIZE(mirrors) },
	{ .name = "left-alone", .needs = NEEDS_VMX, .run = left_alone },
};
LHV_TOPIC("host-state", cases);
