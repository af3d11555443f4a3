/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "Instructions That Cause VM Exits": with the control on the instruction exits
 * with its reason, qualification and length; with the control off it is executed and
 * the VMCALL after it exits.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define CODE_MAX 10
#define PORT	 0x80u

enum row_flags {
	NO_OFF = 1,	      /* there is no executing it natively */
	NO_QUALIFICATION = 2, /* not defined for this exit, or not compared here */
	ONLY_64 = 4,
	ONLY_32 = 8,
	NO_LENGTH = 16,
};

struct exit_row {
	const char *name;
	enum vmx_control_word word;
	u32 bits;
	u32 reason;
	u64 qualification;
	u32 flags;
	u8 length;
	u8 code[CODE_MAX];
	void (*setup)(void);
};

static u64 scratch[64] __attribute__((aligned(64)));

static void point_at_scratch(void)
{
	vm_self()->regs.rbx = (uptr)scratch;
}

static void use_port(void)
{
	vm_self()->regs.rdx = PORT;
	vm_self()->regs.rsi = vm_self()->regs.rdi = (uptr)scratch;
	vm_self()->regs.rcx = 1;
}

static void own_cr0_mp(void)
{
	vm_set(VMCS_cr0_guest_host_mask, CR0_MP);
	vm_set(VMCS_cr0_read_shadow, vm_get(VMCS_guest_cr0) & ~CR0_MP);
	vm_self()->regs.rbx = (uptr)vm_get(VMCS_guest_cr0);
}

static void own_cr0_ts(void)
{
	vm_set(VMCS_cr0_guest_host_mask, CR0_TS);
	vm_set(VMCS_cr0_read_shadow, vm_get(VMCS_guest_cr0) | CR0_TS);
}

static void own_cr0_em(void)
{
	vm_set(VMCS_cr0_guest_host_mask, CR0_EM);
	vm_set(VMCS_cr0_read_shadow, vm_get(VMCS_guest_cr0));
	vm_self()->regs.rbx = CR0_PE | CR0_EM;
}

static void own_cr4_pge(void)
{
	vm_set(VMCS_cr4_guest_host_mask, CR4_PGE);
	vm_set(VMCS_cr4_read_shadow, 0);
	vm_self()->regs.rbx = (uptr)(vm_get(VMCS_guest_cr4) | CR4_PGE);
}

static void bx_is_cr3(void)
{
	vm_self()->regs.rbx = (uptr)vm_get(VMCS_guest_cr3);
}

static void bx_is_dr7(void)
{
	vm_self()->regs.rbx = (uptr)DR7_FIXED_1;
}

static void cx_is_msr(void)
{
	u64 v = rdmsr(MSR_IA32_SYSENTER_EIP);

	vm_self()->regs.rcx = MSR_IA32_SYSENTER_EIP;
	vm_self()->regs.rax = (u32)v;
	vm_self()->regs.rdx = (uptr)(v >> 32);
}

static void monitor_scratch(void)
{
	vm_self()->regs.rax = (uptr)scratch;
}

static void xsetbv_same(void)
{
	vm_set(VMCS_guest_cr4, vm_get(VMCS_guest_cr4) | CR4_OSXSAVE);
	vm_self()->regs.rax = 1;
}

static void current_tables(void)
{
	struct descriptor_table_pointer *p = (struct descriptor_table_pointer *)(void *)scratch;

	sgdt(p);
	point_at_scratch();
}

static void null_selector(void)
{
	vm_self()->regs.rbx = 0;
}

static void idt_table(void)
{
	struct descriptor_table_pointer p = { L2_IDT_LIMIT, l2_idt_base() };

	memcpy(scratch, &p, sizeof(p));
	point_at_scratch();
}

static void invpcid_all(void)
{
	memset(scratch, 0, sizeof(scratch));
	point_at_scratch();
	vm_self()->regs.rax = 2;
}

/* A function of 0 to 63 that is not enabled. */
static void vmfunc_bad(void)
{
	vm_self()->regs.rax = 63;
}

// clang-format off
#define P1(bit) VMX_WORD_PROC1, PROC1_##bit
#define P2(bit) VMX_WORD_PROC2, PROC2_##bit
#define ALWAYS  VMX_WORD_NONE, 0
static const struct exit_row rows[] = {
	{ "cpuid", ALWAYS, EXIT_REASON_CPUID, 0, 0, 2, { 0x0f, 0xa2 }, NULL },
	{ "invd", ALWAYS, EXIT_REASON_INVD, 0, 0, 2, { 0x0f, 0x08 }, NULL },
	{ "vmcall", ALWAYS, EXIT_REASON_VMCALL, 0, 0, 3, { 0x0f, 0x01, 0xc1 }, NULL },
	{ "vmclear", ALWAYS, EXIT_REASON_VMCLEAR, 0, 0, 4, { 0x66, 0x0f, 0xc7, 0x33 }, point_at_scratch },
	{ "vmlaunch", ALWAYS, EXIT_REASON_VMLAUNCH, 0, 0, 3, { 0x0f, 0x01, 0xc2 }, NULL },
	{ "vmptrld", ALWAYS, EXIT_REASON_VMPTRLD, 0, 0, 3, { 0x0f, 0xc7, 0x33 }, point_at_scratch },
	{ "vmptrst", ALWAYS, EXIT_REASON_VMPTRST, 0, 0, 3, { 0x0f, 0xc7, 0x3b }, point_at_scratch },
	{ "vmread", ALWAYS, EXIT_REASON_VMREAD, 0, 0, 3, { 0x0f, 0x78, 0xc3 }, NULL },
	{ "vmresume", ALWAYS, EXIT_REASON_VMRESUME, 0, 0, 3, { 0x0f, 0x01, 0xc3 }, NULL },
	{ "vmwrite", ALWAYS, EXIT_REASON_VMWRITE, 0, 0, 3, { 0x0f, 0x79, 0xc3 }, NULL },
	{ "vmxoff", ALWAYS, EXIT_REASON_VMXOFF, 0, 0, 3, { 0x0f, 0x01, 0xc4 }, NULL },
	{ "vmxon", ALWAYS, EXIT_REASON_VMXON, 0, 0, 4, { 0xf3, 0x0f, 0xc7, 0x33 }, point_at_scratch },
	{ "invept", ALWAYS, EXIT_REASON_INVEPT, 0, 0, 5, { 0x66, 0x0f, 0x38, 0x80, 0x03 }, point_at_scratch },
	{ "invvpid", ALWAYS, EXIT_REASON_INVVPID, 0, 0, 5, { 0x66, 0x0f, 0x38, 0x81, 0x03 }, point_at_scratch },
	{ "xsetbv", ALWAYS, EXIT_REASON_XSETBV, 0, 0, 3, { 0x0f, 0x01, 0xd1 }, xsetbv_same },
	{ "hlt", P1(HLT_EXITING), EXIT_REASON_HLT, 0, NO_OFF, 1, { 0xf4 }, NULL },
	{ "invlpg", P1(INVLPG_EXITING), EXIT_REASON_INVLPG, (uptr)0x345678, 0, 3, { 0x0f, 0x01, 0x3b }, NULL },
	{ "rdpmc", P1(RDPMC_EXITING), EXIT_REASON_RDPMC, 0, NO_OFF, 2, { 0x0f, 0x33 }, NULL },
	{ "rdtsc", P1(RDTSC_EXITING), EXIT_REASON_RDTSC, 0, 0, 2, { 0x0f, 0x31 }, NULL },
	{ "rdtscp", P1(RDTSC_EXITING), EXIT_REASON_RDTSCP, 0, 0, 3, { 0x0f, 0x01, 0xf9 }, NULL },
	{ "mov-to-cr3", P1(CR3_LOAD_EXITING), EXIT_REASON_CR_ACCESS, 0x303, 0, 3, { 0x0f, 0x22, 0xdb }, bx_is_cr3 },
	{ "mov-from-cr3", P1(CR3_STORE_EXITING), EXIT_REASON_CR_ACCESS, 0x313, 0, 3, { 0x0f, 0x20, 0xdb }, NULL },
	{ "mov-to-cr8", P1(CR8_LOAD_EXITING), EXIT_REASON_CR_ACCESS, 0x308, ONLY_64, 4, { 0x44, 0x0f, 0x22, 0xc3 }, null_selector },
	{ "mov-from-cr8", P1(CR8_STORE_EXITING), EXIT_REASON_CR_ACCESS, 0x318, ONLY_64, 4, { 0x44, 0x0f, 0x20, 0xc3 }, NULL },
	{ "mov-to-cr0-owned", ALWAYS, EXIT_REASON_CR_ACCESS, 0x300, 0, 3, { 0x0f, 0x22, 0xc3 }, own_cr0_mp },
	{ "mov-to-cr4-owned", ALWAYS, EXIT_REASON_CR_ACCESS, 0x304, 0, 3, { 0x0f, 0x22, 0xe3 }, own_cr4_pge },
	{ "clts-owned", ALWAYS, EXIT_REASON_CR_ACCESS, 0x20, 0, 2, { 0x0f, 0x06 }, own_cr0_ts },
	{ "lmsw-owned", ALWAYS, EXIT_REASON_CR_ACCESS, 0x50030, 0, 3, { 0x0f, 0x01, 0xf3 }, own_cr0_em },
	{ "mov-to-dr7", P1(MOV_DR_EXITING), EXIT_REASON_DR_ACCESS, 0x307, 0, 3, { 0x0f, 0x23, 0xfb }, bx_is_dr7 },
	{ "mov-from-dr7", P1(MOV_DR_EXITING), EXIT_REASON_DR_ACCESS, 0x317, 0, 3, { 0x0f, 0x21, 0xfb }, NULL },
	{ "mov-from-dr0", P1(MOV_DR_EXITING), EXIT_REASON_DR_ACCESS, 0x310, 0, 3, { 0x0f, 0x21, 0xc3 }, NULL },
	{ "mov-to-dr6", P1(MOV_DR_EXITING), EXIT_REASON_DR_ACCESS, 0x306, 0, 3, { 0x0f, 0x23, 0xf3 }, null_selector },
	{ "in-al-dx", P1(UNCONDITIONAL_IO_EXITING), EXIT_REASON_IO_INSTRUCTION, 0x8 | PORT << 16, 0, 1, { 0xec }, use_port },
	{ "in-eax-dx", P1(UNCONDITIONAL_IO_EXITING), EXIT_REASON_IO_INSTRUCTION, 0xb | PORT << 16, 0, 1, { 0xed }, use_port },
	{ "in-ax-dx", P1(UNCONDITIONAL_IO_EXITING), EXIT_REASON_IO_INSTRUCTION, 0x9 | PORT << 16, 0, 2, { 0x66, 0xed }, use_port },
	{ "in-al-imm", P1(UNCONDITIONAL_IO_EXITING), EXIT_REASON_IO_INSTRUCTION, 0x48 | PORT << 16, 0, 2, { 0xe4, PORT }, use_port },
	{ "out-al-dx", P1(UNCONDITIONAL_IO_EXITING), EXIT_REASON_IO_INSTRUCTION, 0x0 | PORT << 16, 0, 1, { 0xee }, use_port },
	{ "out-eax-imm", P1(UNCONDITIONAL_IO_EXITING), EXIT_REASON_IO_INSTRUCTION, 0x43 | PORT << 16, 0, 2, { 0xe7, PORT }, use_port },
	{ "insb", P1(UNCONDITIONAL_IO_EXITING), EXIT_REASON_IO_INSTRUCTION, 0x18 | PORT << 16, 0, 1, { 0x6c }, use_port },
	{ "rep-insb", P1(UNCONDITIONAL_IO_EXITING), EXIT_REASON_IO_INSTRUCTION, 0x38 | PORT << 16, 0, 2, { 0xf3, 0x6c }, use_port },
	{ "outsb", P1(UNCONDITIONAL_IO_EXITING), EXIT_REASON_IO_INSTRUCTION, 0x10 | PORT << 16, 0, 1, { 0x6e }, use_port },
	{ "rep-outsd", P1(UNCONDITIONAL_IO_EXITING), EXIT_REASON_IO_INSTRUCTION, 0x33 | PORT << 16, 0, 2, { 0xf3, 0x6f }, use_port },
	{ "mwait", P1(MWAIT_EXITING), EXIT_REASON_MWAIT, 0, NO_OFF | NO_QUALIFICATION, 3, { 0x0f, 0x01, 0xc9 }, NULL },
	{ "monitor", P1(MONITOR_EXITING), EXIT_REASON_MONITOR, 0, NO_QUALIFICATION, 3, { 0x0f, 0x01, 0xc8 }, monitor_scratch },
	{ "pause", P1(PAUSE_EXITING), EXIT_REASON_PAUSE, 0, 0, 2, { 0xf3, 0x90 }, NULL },
	{ "wbinvd", P2(WBINVD_EXITING), EXIT_REASON_WBINVD, 0, 0, 2, { 0x0f, 0x09 }, NULL },
	{ "sgdt", P2(DESCRIPTOR_TABLE_EXITING), EXIT_REASON_GDTR_IDTR_ACCESS, 0, NO_QUALIFICATION, 3, { 0x0f, 0x01, 0x03 }, point_at_scratch },
	{ "sidt", P2(DESCRIPTOR_TABLE_EXITING), EXIT_REASON_GDTR_IDTR_ACCESS, 0, NO_QUALIFICATION, 3, { 0x0f, 0x01, 0x0b }, point_at_scratch },
	{ "lgdt", P2(DESCRIPTOR_TABLE_EXITING), EXIT_REASON_GDTR_IDTR_ACCESS, 0, NO_QUALIFICATION, 3, { 0x0f, 0x01, 0x13 }, current_tables },
	{ "lidt", P2(DESCRIPTOR_TABLE_EXITING), EXIT_REASON_GDTR_IDTR_ACCESS, 0, NO_QUALIFICATION, 3, { 0x0f, 0x01, 0x1b }, idt_table },
	{ "sldt", P2(DESCRIPTOR_TABLE_EXITING), EXIT_REASON_LDTR_TR_ACCESS, 0, NO_QUALIFICATION, 3, { 0x0f, 0x00, 0xc3 }, NULL },
	{ "str", P2(DESCRIPTOR_TABLE_EXITING), EXIT_REASON_LDTR_TR_ACCESS, 0, NO_QUALIFICATION, 3, { 0x0f, 0x00, 0xcb }, NULL },
	{ "lldt", P2(DESCRIPTOR_TABLE_EXITING), EXIT_REASON_LDTR_TR_ACCESS, 0, NO_QUALIFICATION, 3, { 0x0f, 0x00, 0xd3 }, null_selector },
	{ "ltr", P2(DESCRIPTOR_TABLE_EXITING), EXIT_REASON_LDTR_TR_ACCESS, 0, NO_QUALIFICATION | NO_OFF, 3, { 0x0f, 0x00, 0xdb }, NULL },
	{ "rdrand", P2(RDRAND_EXITING), EXIT_REASON_RDRAND, 0, NO_QUALIFICATION, 3, { 0x0f, 0xc7, 0xf3 }, NULL },
	{ "rdseed", P2(RDSEED_EXITING), EXIT_REASON_RDSEED, 0, NO_QUALIFICATION, 3, { 0x0f, 0xc7, 0xfb }, NULL },
	{ "invpcid", P1(INVLPG_EXITING), EXIT_REASON_INVPCID, 0, NO_QUALIFICATION, 5, { 0x66, 0x0f, 0x38, 0x82, 0x03 }, invpcid_all },
	{ "vmfunc", P2(ENABLE_VM_FUNCTIONS), EXIT_REASON_VMFUNC, 0, NO_OFF, 3, { 0x0f, 0x01, 0xd4 }, vmfunc_bad },
	{ "rdmsr", VMX_WORD_PROC1, 0, EXIT_REASON_RDMSR, 0, 0, 2, { 0x0f, 0x32 }, cx_is_msr },
	{ "wrmsr", VMX_WORD_PROC1, 0, EXIT_REASON_WRMSR, 0, 0, 2, { 0x0f, 0x30 }, cx_is_msr },
};
// clang-format on

static const char *row_name(unsigned int row)
{
	return rows[row].name;
}

static const u8 *assemble(const struct exit_row *r)
{
	static u8 *page;
	static const u8 vmcall[] = { 0x0f, 0x01, 0xc1 };

	if (!page)
		page = page_alloc(1);
	memset(page, 0x90, 64);
	memcpy(page, r->code, r->length);
	memcpy(page + r->length, vmcall, sizeof(vmcall));
	return page;
}

/* RDMSR and WRMSR exit when there is no bitmap: the control works the other way round. */
static bool is_msr_row(const struct exit_row *r)
{
	return r->reason == EXIT_REASON_RDMSR || r->reason == EXIT_REASON_WRMSR;
}

static void prepare_row(const struct exit_row *r, bool on)
{
	vm_reset(L2_NATIVE);
	memset(&vm_self()->regs, 0, sizeof(vm_self()->regs));
	vm_self()->regs.rbx = 0x345678;
	if (is_msr_row(r))
		vm_control(VMX_WORD_PROC1, on ? 0 : PROC1_USE_MSR_BITMAPS,
			   on ? PROC1_USE_MSR_BITMAPS : 0);
	else if (r->bits)
		vm_control(r->word, on ? r->bits : 0, on ? 0 : r->bits);
	if (vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_INVPCID))
		vm_control(VMX_WORD_PROC2, PROC2_ENABLE_INVPCID, 0);
	if (r->setup)
		r->setup();
}

static void check_information(const struct exit_row *r, struct outcome o, const u8 *code)
{
	if (!(r->flags & NO_QUALIFICATION))
		check_eq(r->qualification, o.qualification, "qualification");
	check_eq(r->length, vm_get(VMCS_exit_instruction_length), "instruction length");
	check_eq((uptr)code, vm_get(VMCS_guest_rip), "RIP");
	check_eq(0, vm_get(VMCS_idt_vectoring_information) & INTR_INFO_VALID,
		 "no event was being delivered");
	check_eq(0, vm_get(VMCS_guest_interruptibility_state), "interruptibility state");
	check_eq(ACTIVITY_ACTIVE, vm_get(VMCS_guest_activity_state), "activity state");
}

static bool row_runs(const struct exit_row *r)
{
	if (!case_requires(!(r->flags & ONLY_64) || IS_64BIT, "64-bit build only"))
		return false;
	if (r->reason == EXIT_REASON_INVPCID &&
	    !case_requires(vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_INVPCID), "no INVPCID"))
		return false;
	if (r->reason == EXIT_REASON_RDTSCP &&
	    !case_requires(vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_RDTSCP), "no RDTSCP"))
		return false;
	return case_requires(vm_allows(r->word, r->bits), "the control is not supported");
}

/* The control off: the instruction is executed. */
static void check_executed(const struct exit_row *r, const u8 *code)
{
	if ((r->flags & NO_OFF) || r->word == VMX_WORD_NONE || !vm_allows_0(r->word, r->bits))
		return;
	prepare_row(r, false);
	check_exit(vm_run(code), EXIT_REASON_VMCALL, "control off");
	check_eq((uptr)code + r->length, vm_get(VMCS_guest_rip), "RIP of the next instruction");
}

static void run_row(unsigned int row)
{
	const struct exit_row *r = &rows[row];
	const u8 *code = assemble(r);
	struct outcome o;

	if (!row_runs(r))
		return;
	prepare_row(r, true);
	o = vm_run(code);
	if (check_exit(o, r->reason, "control on"))
		check_information(r, o, code);
	check_executed(r, code);
}

/*
 * SDM "Relative Priority of Faults and VM Exits": faults based on privilege level come
 * before the exit; VMX instructions exit before they look at the CPL.
 */
static void go_user(void)
{
	vm_set(VMCS_guest_cs_selector, SELECTOR_USER_CODE);
	vm_set(VMCS_guest_ss_selector, SELECTOR_USER_DATA);
	vm_set(VMCS_guest_ds_selector, SELECTOR_USER_DATA);
	vm_set(VMCS_guest_es_selector, SELECTOR_USER_DATA);
	vm_set(VMCS_guest_cs_access_rights, gdt_view(SELECTOR_USER_CODE).rights);
	vm_set(VMCS_guest_ss_access_rights, gdt_view(SELECTOR_USER_DATA).rights);
	vm_set(VMCS_guest_ds_access_rights, gdt_view(SELECTOR_USER_DATA).rights);
	vm_set(VMCS_guest_es_access_rights, gdt_view(SELECTOR_USER_DATA).rights);
}

struct user_row {
	u32 reason;
	bool exits_in_user_mode;
};

static const struct user_row user_rows[] = {
	{ EXIT_REASON_CPUID, true },	  { EXIT_REASON_HLT, false },
	{ EXIT_REASON_INVLPG, false },	  { EXIT_REASON_RDTSC, true },
	{ EXIT_REASON_WBINVD, false },	  { EXIT_REASON_RDMSR, false },
	{ EXIT_REASON_WRMSR, false },	  { EXIT_REASON_INVD, false },
	{ EXIT_REASON_VMCALL, true },	  { EXIT_REASON_VMXOFF, true },
	{ EXIT_REASON_VMREAD, true },	  { EXIT_REASON_VMPTRLD, true },
	{ EXIT_REASON_PAUSE, true },	  { EXIT_REASON_INVEPT, true },
	{ EXIT_REASON_CR_ACCESS, false }, { EXIT_REASON_IO_INSTRUCTION, false },
	{ EXIT_REASON_RDRAND, true },	  { EXIT_REASON_VMLAUNCH, true },
};

static const char *user_name(unsigned int row)
{
	return exit_reason_name(user_rows[row].reason);
}

static void user_mode(unsigned int row)
{
	const struct exit_row *r = rows;
	struct outcome o;

	while (r->reason != user_rows[row].reason)
		r++;
	if (!row_runs(r))
		return;
	prepare_row(r, true);
	go_user();
	o = vm_run(assemble(r));
	if (user_rows[row].exits_in_user_mode) {
		check_exit(o, r->reason, "in user mode");
		return;
	}
	check_exit(o, EXIT_REASON_EXCEPTION_OR_NMI, "in user mode");
	check_eq(0x80000b0d, vm_get(VMCS_exit_interruption_information), "#GP");
	check_eq(0, vm_get(VMCS_exit_interruption_error_code), "error code");
}

/* Modes without VMX instructions: #UD comes before the exit, except for VMCALL. */
static const struct {
	const char *name;
	enum l2_mode mode;
} legacy_modes[] = { { "compatibility", L2_COMPAT }, { "real", L2_REAL }, { "v86", L2_V86 } };

static const char *legacy_name(unsigned int row)
{
	return legacy_modes[row].name;
}

static bool is_vmx_instruction(u32 reason)
{
	return (reason >= EXIT_REASON_VMCALL && reason <= EXIT_REASON_VMXON) ||
	       reason == EXIT_REASON_INVEPT || reason == EXIT_REASON_INVVPID;
}

static void legacy_mode(unsigned int row)
{
	enum l2_mode mode = legacy_modes[row].mode;

	if (!case_requires(vm_can_run(mode), "this processor or build lacks the mode"))
		return;
	for (const struct exit_row *r = rows; r < rows + ARRAY_SIZE(rows); r++) {
		struct outcome o;

		if (!is_vmx_instruction(r->reason))
			continue;
		vm_reset(mode);
		vm_start_at(mode, vm_vmcall_of(mode));
		memcpy((void *)OPERAND, r->code, r->length);
		vm_set(VMCS_guest_rip, OPERAND - vm_get(VMCS_guest_cs_base));
		o = vm_enter();
		case_step("%s", r->name);
		if (r->reason == EXIT_REASON_VMCALL) {
			check_exit(o, EXIT_REASON_VMCALL, "exits");
			continue;
		}
		check_exit(o, EXIT_REASON_EXCEPTION_OR_NMI, "exits");
		check_eq(0x80000306, vm_get(VMCS_exit_interruption_information), "#UD");
	}
}

static const struct lhv_case cases[] = {
	{ .name = "instruction",
	  .needs = NEEDS_VMX,
	  .run_row = run_row,
	  .row_name = row_name,
	  .rows = ARRAY_SIZE(rows) },
	{ .name = "user-mode",
	  .needs = NEEDS_VMX,
	  .run_row = user_mode,
	  .row_name = user_name,
	  .rows = ARRAY_SIZE(user_rows) },
	{ .name = "vmx-instructions",
	  .needs = NEEDS_VMX,
	  .run_row = legacy_mode,
	  .row_name = legacy_name,
	  .rows = ARRAY_SIZE(legacy_modes) },
};
LHV_TOPIC("exits", cases);
