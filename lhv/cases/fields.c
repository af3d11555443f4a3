/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMREAD and VMWRITE over all fields: width, halves, and which fields exist.
 * SDM Appendix "Field Encoding in VMCS".
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "xmhf/x86/cpu.h"

/* Longer than a hypervisor below may keep a habit of L1's in mind. */
#define CR_ROUNDS 4400u

extern const u8 l2_write_crs[];

static bool condition_holds(struct vmcs_condition c)
{
	if (c.word == VMX_WORD_NONE)
		return c.mask;
	if (c.word == VMX_WORD_VMFUNC)
		return facts.vmfunc & c.mask;
	return facts.word[c.word].may & c.mask;
}

/* A field exists exactly if the control that uses it may be 1. */
static void existence(void)
{
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		const struct vmcs_field_info *f = &vmcs_fields[i];
		bool expected =
			condition_holds(f->exists_if[0]) || condition_holds(f->exists_if[1]);

		case_step("%s", f->name);
		check_eq(expected, facts.field_exists[i], "exists");
	}
}

static u64 width_mask(u8 width)
{
	switch (width) {
	case VMCS_WIDTH_16:
		return 0xffff;
	case VMCS_WIDTH_32:
		return 0xffffffff;
	case VMCS_WIDTH_64:
		return ~0ULL;
	default:
		return IS_64BIT ? ~0ULL : 0xffffffff;
	}
}

/* What is written is read back, cut to the field's width. */
static void round_trip(void)
{
	static const u64 patterns[] = { 0, ~0ULL, 0x5aa55aa55aa55aa5, 0x0123456789abcdef };

	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		const struct vmcs_field_info *f = &vmcs_fields[i];

		if (!facts.field_exists[i] ||
		    vmcs_encoding_type(f->encoding) == VMCS_TYPE_READ_ONLY)
			continue;
		case_step("%s", f->name);
		for (unsigned int p = 0; p < ARRAY_SIZE(patterns); p++) {
			check_eq(VMX_SUCCEED, vm_write_raw(f->encoding, patterns[p]), "VMWRITE");
			check_eq(patterns[p] & width_mask(f->width), vm_get(f->encoding), "value");
		}
	}
	vm_forget(vm_self());
}

/* The high half of a 64-bit field is a field of 32 bits of its own. */
static void high_halves(void)
{
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		const struct vmcs_field_info *f = &vmcs_fields[i];
		uptr value = 0;

		if (!facts.field_exists[i] || f->width != VMCS_WIDTH_64 ||
		    vmcs_encoding_type(f->encoding) == VMCS_TYPE_READ_ONLY)
			continue;
		case_step("%s", f->name);
		vm_write_raw(f->encoding, 0x1111222233334444);
		vmread_checked(f->encoding | VMCS_ENCODING_HIGH, &value);
		check_eq(0x11112222, value, "high half");
		vmwrite_checked(f->encoding | VMCS_ENCODING_HIGH, (uptr)0xaaaabbbbccccddddULL);
		check_eq(0xccccdddd33334444, vm_get(f->encoding), "after a write of the high half");
	}
	vm_forget(vm_self());
}

/* Only 64-bit fields have a high half. */
static void no_high_half(void)
{
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		const struct vmcs_field_info *f = &vmcs_fields[i];
		uptr value;

		if (f->width == VMCS_WIDTH_64)
			continue;
		case_step("%s", f->name);
		check_vmx(VMX_FAIL_VALID, VMFAIL_UNSUPPORTED_FIELD,
			  vmread_checked(f->encoding | VMCS_ENCODING_HIGH, &value), "VMREAD");
	}
}

/* Guest and host IA32_SPEC_CTRL of later processors, which vmcs_fields.def leaves out. */
static bool is_later_field(u32 encoding)
{
	return encoding == 0x282e || encoding == 0x2c1a;
}

/* Encodings that the SDM does not define do not exist; IA32_VMX_VMCS_ENUM bounds them. */
static void undefined_encodings(void)
{
	enum vmx_result result;
	u32 highest = 0;
	uptr value;

	for (u32 e = 0; e < 0x8000; e += 2) {
		if (vmcs_index_of(e) != VMCS_FIELD_COUNT) {
			if (facts.field_exists[vmcs_index_of(e)] &&
			    field_get(e, VMCS_ENCODING_INDEX) > highest)
				highest = (u32)field_get(e, VMCS_ENCODING_INDEX);
			continue;
		}
		if (is_later_field(e))
			continue;
		result = vmread_checked(e, &value);
		if (result != VMX_FAIL_VALID)
			case_step("0x%x", e);
		check_eq(VMX_FAIL_VALID, result, "VMREAD");
	}
	case_step("IA32_VMX_VMCS_ENUM");
	check_true(field_get(rdmsr(MSR_IA32_VMX_VMCS_ENUM), FIELD(9, 1)) >= highest,
		   "at least the highest index");
}

struct control_registers {
	u64 cr0, cr3, cr4;
};

/* By instructions: not what vm_get() remembers. */
static struct control_registers read_control_registers(void)
{
	uptr cr0 = 0, cr3 = 0, cr4 = 0;

	vmread_checked(VMCS_guest_cr0, &cr0);
	vmread_checked(VMCS_guest_cr3, &cr3);
	vmread_checked(VMCS_guest_cr4, &cr4);
	return (struct control_registers){ cr0, cr3, cr4 };
}

static void check_control_registers(struct control_registers want, unsigned int round,
				    const char *what)
{
	struct control_registers found = read_control_registers();

	if (found.cr0 == want.cr0 && found.cr3 == want.cr3 && found.cr4 == want.cr4)
		return;
	case_step("%s, round %u", what, round);
	check_eq(want.cr0, found.cr0, "CR0");
	check_eq(want.cr3, found.cr3, "CR3");
	check_eq(want.cr4, found.cr4, "CR4");
}

/* One entry in which L2 writes them. */
static bool l2_writes(struct control_registers value, unsigned int round)
{
	struct l2_registers *regs = &vm_self()->regs;
	struct outcome o;

	regs->rbx = (uptr)value.cr3;
	regs->rcx = (uptr)value.cr4;
	regs->rdx = (uptr)value.cr0;
	o = round ? vm_skip() : vm_run(l2_write_crs);
	return o.result == VMX_SUCCEED && o.reason == EXIT_REASON_VMCALL;
}

/* L1 writes them between two entries, and goes on with another VMCS, or with this one cleared. */
static void between_entries(struct vm *vm, struct vm *other, struct control_registers others,
			    struct control_registers now, unsigned int round)
{
	if (round % 5 == 0) {
		now.cr3 ^= CR3_PCD;
		vm_write_raw(VMCS_guest_cr3, now.cr3);
		check_control_registers(now, round, "written by L1");
	}
	if (round % 37 == 0) {
		vm_load(other);
		check_control_registers(others, round, "of another VMCS");
		vm_load(vm);
		check_control_registers(now, round, "and back");
	}
	if (round % 101 == 0) {
		vmclear((uptr)vm->region);
		vm_load(vm);
		vm->launched = false;
		check_control_registers(now, round, "after VMCLEAR");
	}
}

/* An L1 that reads CR0, CR3 and CR4 after every exit gets L2's, then for many exits not at all,
 * then again. */
static void control_registers(void)
{
	struct vm *vm = vm_self(), *other = vm_new();
	struct control_registers first, others, now;

	if (!case_requires(vm_allows_0(VMX_WORD_PROC1, PROC1_CR3_LOAD_EXITING),
			   "CR3-load exiting is always 1"))
		return;
	vm_prepare(other);
	vm_reset(L2_NATIVE);
	vm_set(VMCS_guest_cr0, vm_get(VMCS_guest_cr0) ^ CR0_MP);
	others = read_control_registers();
	vm_load(vm);
	vm_use(vm);
	vm_control(VMX_WORD_PROC1, 0, PROC1_CR3_LOAD_EXITING);
	first = read_control_registers();
	for (unsigned int round = 0; round < CR_ROUNDS; round++) {
		now = first;
		now.cr0 ^= round & 1 ? CR0_TS : 0;
		now.cr3 ^= round & 2 ? CR3_PWT : 0;
		now.cr4 ^= round & 4 ? CR4_TSD : 0;
		if (!l2_writes(now, round)) {
			case_step("round %u", round);
			check_true(false, "L2 exits by VMCALL");
			break;
		}
		if (round / 200 % 4 == 3)
			continue;
		check_control_registers(now, round, "after the exit");
		between_entries(vm, other, others, now, round);
	}
	check_true(!case_has_failed(), "all rounds");
	vmclear((uptr)other->region);
	vm_load(vm);
	vm_forget(vm);
}

static const struct lhv_case cases[] = {
	{ .name = "control-registers", .needs = NEEDS_VMX, .run = control_registers },
	{ .name = "existence", .needs = NEEDS_VMX, .run = existence },
	{ .name = "round-trip", .needs = NEEDS_VMX, .run = round_trip },
	{ .name = "high-halves", .needs = NEEDS_VMX, .run = high_halves },
	{ .name = "no-high-half", .needs = NEEDS_VMX, .run = no_high_half },
	{ .name = "undefined-encodings", .needs = NEEDS_VMX, .run = undefined_encodings },
};
LHV_TOPIC("fields", cases);
