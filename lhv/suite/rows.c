/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs VM-entry rows. */
#include "lhv/suite/rows.h"

#include "lhv/frame/machine.h"
#include "xmhf/lib/string.h"

static void *spare_page(void)
{
	static void *page;

	if (!page)
		page = page_alloc(1);
	memset(page, 0, PAGE_SIZE);
	return page;
}

static bool apply_control(const struct row_change *c)
{
	enum vmx_control_word word = (enum vmx_control_word)c->encoding;
	u32 bits = (u32)c->value;

	switch (c->operation) {
	case ROW_ON:
		vm_control(word, bits, 0);
		return vm_allows(word, bits);
	case ROW_OFF:
		vm_control(word, 0, bits);
		return vm_allows_0(word, bits);
	case ROW_FORCE:
		vm_control(word, bits, 0);
		return true;
	case ROW_HAS:
		return vm_allows(word, bits);
	default:
		return !vm_allows(word, bits);
	}
}

static bool apply_field(const struct row_change *c)
{
	u64 old = vm_get(c->encoding);

	if (!vm_has(c->encoding))
		return false;
	switch (c->operation) {
	case ROW_SET:
		vm_set(c->encoding, c->value);
		break;
	case ROW_OR:
		vm_set(c->encoding, old | c->value);
		break;
	case ROW_CLEAR:
		vm_set(c->encoding, old & ~c->value);
		break;
	case ROW_XOR:
		vm_set(c->encoding, old ^ c->value);
		break;
	case ROW_BEYOND:
		vm_set(c->encoding, (old | BIT(facts.physical_bits)) + c->value);
		break;
	default:
		vm_set(c->encoding, (uptr)spare_page() + c->value);
		break;
	}
	return true;
}

static bool apply(const struct row_change *c)
{
	switch (c->operation) {
	case ROW_SET:
	case ROW_OR:
	case ROW_CLEAR:
	case ROW_XOR:
	case ROW_BEYOND:
	case ROW_PAGE:
		return apply_field(c);
	case ROW_MISC:
		return (facts.misc & c->value) == c->value;
	case ROW_NO_MISC:
		return (facts.misc & c->value) == 0;
	default:
		return apply_control(c);
	}
}

static void set_start(enum l2_mode mode)
{
	vm_start_at(mode, vm_vmcall_of(mode));
}

static void judge(const struct entry_row *row, struct outcome o)
{
	switch (row->expect) {
	case ROW_ENTERS:
		check_exit(o, row->detail ? (u32)row->detail : EXIT_REASON_VMCALL, "enters");
		break;
	case ROW_FAILS_7:
		check_vmfail(o, VMFAIL_ENTRY_INVALID_CONTROL, "error 7");
		break;
	case ROW_FAILS_8:
		check_vmfail(o, VMFAIL_ENTRY_INVALID_HOST_STATE, "error 8");
		break;
	case ROW_FAILS_7_OR_8:
		if (o.error == VMFAIL_ENTRY_INVALID_CONTROL)
			o.error = VMFAIL_ENTRY_INVALID_HOST_STATE;
		check_vmfail(o, VMFAIL_ENTRY_INVALID_HOST_STATE, "error 7 or 8");
		break;
	case ROW_FAILS_33:
		check_entry_failure(o, EXIT_REASON_ENTRY_FAILURE_GUEST, row->detail, "reason 33");
		break;
	case ROW_FAILS_34:
		check_entry_failure(o, EXIT_REASON_ENTRY_FAILURE_MSR, row->detail, "reason 34");
		break;
	case ROW_SURVIVES:
		check_exit(o, (u32)row->detail, "enters");
		break;
	}
}

/* A failed entry changes no guest field and leaves nothing behind: the golden state enters. */
static void check_golden_after(enum l2_mode mode, enum row_expectation expect)
{
	bool was_launched = vm_self()->launched;
	u32 reason;

	if (expect == ROW_FAILS_33 || expect == ROW_FAILS_34)
		check_eq(was_launched, vm_self()->launched, "launch state after the failure");
	vm_reset(mode);
	set_start(mode);
	reason = vm_enter().reason;
	check_eq(EXIT_REASON_VMCALL, reason, "the golden state enters afterwards");
}

void entry_row_run(const struct entry_row *row)
{
	enum l2_mode mode = row->mode == L2_LONG ? L2_NATIVE : row->mode;

	if (!case_requires(vm_reset(mode), "this processor or build lacks the mode"))
		return;
	set_start(mode);
	for (const struct row_change *c = row->change;
	     c < row->change + ARRAY_SIZE(row->change) && c->operation != ROW_END; c++)
		if (!case_requires(apply(c), "this processor lacks a control or field of it"))
			return;
	judge(row, vm_enter());
	check_golden_after(mode, row->expect);
}
