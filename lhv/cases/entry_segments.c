/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "Checks on Guest Segment Registers": selectors, bases, limits, access rights, in
 * every mode.  Named rules first, then the whole space of access rights against a
 * model of the rules.
 */
#include "lhv/suite/rows.h"

#include "lhv/vm/programs.h"

#define ROW33(mode) ROW_FAILS_33, 0, mode
#define FINE(mode)  ROW_ENTERS, 0, mode
#define CS_TYPE(t)  CLEAR(guest_cs_access_rights, 0xf), OR(guest_cs_access_rights, t)

// clang-format off
static const struct entry_row rows[] = {
	{ "tr/ti", ROW33(0), { OR(guest_tr_selector, 4) } },
	{ "tr/unusable", ROW33(0), { OR(guest_tr_access_rights, ACCESS_RIGHTS_UNUSABLE) } },
	{ "tr/not-present", ROW33(0), { CLEAR(guest_tr_access_rights, ACCESS_RIGHTS_P) } },
	{ "tr/s", ROW33(0), { OR(guest_tr_access_rights, ACCESS_RIGHTS_S) } },
	{ "tr/available-not-busy", ROW33(0), { CLEAR(guest_tr_access_rights, 2) } },
	{ "tr/busy-16-in-32-bit", FINE(L2_PLAIN), { CLEAR(guest_tr_access_rights, 8) } },
	{ "tr/granularity-with-small-limit", ROW33(0), { OR(guest_tr_access_rights, ACCESS_RIGHTS_G) } },
	{ "tr/large-limit-without-granularity", ROW33(0), { SET(guest_tr_limit, 0xffffffff) } },
	{ "tr/reserved-8", ROW33(0), { OR(guest_tr_access_rights, BIT32(8)) } },
	{ "tr/reserved-17", ROW33(0), { OR(guest_tr_access_rights, BIT32(17)) } },
	{ "ldtr/unusable-junk", FINE(0), { SET(guest_ldtr_access_rights, 0x1ffff & ~0xf00u), SET(guest_ldtr_selector, 4), SET(guest_ldtr_limit, 0x12345678) } },
	{ "ldtr/good", FINE(0), { SET(guest_ldtr_access_rights, 0x82), SET(guest_ldtr_limit, 0xff) } },
	{ "ldtr/ti", ROW33(0), { SET(guest_ldtr_access_rights, 0x82), SET(guest_ldtr_selector, 4) } },
	{ "ldtr/type-3", ROW33(0), { SET(guest_ldtr_access_rights, 0x83) } },
	{ "ldtr/s", ROW33(0), { SET(guest_ldtr_access_rights, 0x92) } },
	{ "ldtr/not-present", ROW33(0), { SET(guest_ldtr_access_rights, 0x02) } },
	{ "ldtr/reserved-9", ROW33(0), { SET(guest_ldtr_access_rights, 0x282) } },
	{ "ldtr/granularity", ROW33(0), { SET(guest_ldtr_access_rights, 0x82), SET(guest_ldtr_limit, 0x100000) } },
	{ "cs/not-present", ROW33(0), { CLEAR(guest_cs_access_rights, ACCESS_RIGHTS_P) } },
	{ "cs/system", ROW33(0), { CLEAR(guest_cs_access_rights, ACCESS_RIGHTS_S) } },
	{ "cs/not-accessed", ROW33(0), { CLEAR(guest_cs_access_rights, 1) } },
	{ "cs/data-restricted", ROW33(0), { OFF(PROC2, PROC2_UNRESTRICTED_GUEST), CS_TYPE(3) } },
	{ "cs/type-3-in-real-mode", FINE(L2_REAL), { CS_TYPE(3) } },
	{ "cs/type-5", ROW33(0), { CS_TYPE(5) } },
	{ "cs/dpl-not-ss-dpl", ROW33(0), { OR(guest_cs_access_rights, 3 << 5) } },
	{ "cs/conforming", FINE(0), { CS_TYPE(13) } },
	{ "cs/conforming-above-ss", ROW33(0), { CS_TYPE(13), OR(guest_cs_access_rights, 3 << 5) } },
	{ "cs/granularity-with-small-limit", ROW33(L2_PLAIN), { SET(guest_cs_limit, 0xfffff000) } },
	{ "cs/large-limit-without-granularity", ROW33(L2_PLAIN), { CLEAR(guest_cs_access_rights, ACCESS_RIGHTS_G) } },
	{ "cs/reserved-8", ROW33(0), { OR(guest_cs_access_rights, BIT32(8)) } },
	{ "cs/reserved-11", ROW33(0), { OR(guest_cs_access_rights, BIT32(11)) } },
	{ "cs/reserved-31", ROW33(0), { OR(guest_cs_access_rights, BIT32(31)) } },
	{ "cs/rpl-not-ss-rpl-restricted", ROW33(0), { OFF(PROC2, PROC2_UNRESTRICTED_GUEST), OR(guest_cs_selector, 3) } },
	{ "ss/code", ROW33(0), { OR(guest_ss_access_rights, 8) } },
	{ "ss/read-only", ROW33(0), { CLEAR(guest_ss_access_rights, 2) } },
	{ "ss/expand-down", FINE(L2_LONG), { OR(guest_ss_access_rights, 4) } },
	{ "ss/system", ROW33(0), { CLEAR(guest_ss_access_rights, ACCESS_RIGHTS_S) } },
	{ "ss/not-present", ROW33(0), { CLEAR(guest_ss_access_rights, ACCESS_RIGHTS_P) } },
	{ "ss/dpl-not-rpl-restricted", ROW33(0), { OFF(PROC2, PROC2_UNRESTRICTED_GUEST), OR(guest_ss_selector, 1), OR(guest_cs_selector, 1) } },
	{ "ss/dpl-in-real-mode", ROW33(L2_REAL), { OR(guest_ss_access_rights, 3 << 5) } },
	{ "ss/reserved-9", ROW33(0), { OR(guest_ss_access_rights, BIT32(9)) } },
	{ "ds/system", ROW33(0), { CLEAR(guest_ds_access_rights, ACCESS_RIGHTS_S) } },
	{ "ds/not-accessed", ROW33(0), { CLEAR(guest_ds_access_rights, 1) } },
	{ "ds/code-not-readable", ROW33(0), { CLEAR(guest_ds_access_rights, 0xf), OR(guest_ds_access_rights, 9) } },
	{ "ds/code-readable", FINE(0), { CLEAR(guest_ds_access_rights, 0xf), OR(guest_ds_access_rights, 11) } },
	{ "ds/not-present", ROW33(0), { CLEAR(guest_ds_access_rights, ACCESS_RIGHTS_P) } },
	{ "ds/rpl-above-dpl-restricted", ROW33(0), { OFF(PROC2, PROC2_UNRESTRICTED_GUEST), OR(guest_ds_selector, 3) } },
	{ "ds/rpl-above-dpl-unrestricted", FINE(0), { ON(PROC2, PROC2_UNRESTRICTED_GUEST), OR(guest_ds_selector, 3) } },
	{ "ds/unusable-junk", FINE(L2_LONG), { HAS(EXIT, EXIT_HOST_ADDRESS_SPACE_SIZE), SET(guest_ds_access_rights, 0x1ff0f) } },
	{ "es/not-accessed", ROW33(0), { CLEAR(guest_es_access_rights, 1) } },
	{ "es/granularity", ROW33(0), { CLEAR(guest_es_access_rights, ACCESS_RIGHTS_G) } },
	{ "fs/not-accessed", ROW33(0), { CLEAR(guest_fs_access_rights, 1) } },
	{ "fs/reserved-10", ROW33(0), { OR(guest_fs_access_rights, BIT32(10)) } },
	{ "gs/not-present", ROW33(0), { CLEAR(guest_gs_access_rights, ACCESS_RIGHTS_P) } },
	{ "gs/reserved-20", ROW33(0), { OR(guest_gs_access_rights, BIT32(20)) } },
	/* virtual-8086 mode */
	{ "v86/cs-base", ROW33(L2_V86), { SET(guest_cs_base, 0x10) } },
	{ "v86/ss-base", ROW33(L2_V86), { SET(guest_ss_selector, 1) } },
	{ "v86/ds-limit", ROW33(L2_V86), { SET(guest_ds_limit, 0xfffff) } },
	{ "v86/es-limit", ROW33(L2_V86), { SET(guest_es_limit, 0xfffe) } },
	{ "v86/fs-rights", ROW33(L2_V86), { SET(guest_fs_access_rights, 0x93) } },
	{ "v86/gs-unusable", ROW33(L2_V86), { SET(guest_gs_access_rights, 0x100f3) } },
	{ "v86/cs-rights", ROW33(L2_V86), { SET(guest_cs_access_rights, 0xfb) } },
};

static const struct entry_row rows64[] = {
	{ "cs/l-and-d", ROW33(0), { OR(guest_cs_access_rights, ACCESS_RIGHTS_DB) } },
	{ "tr/busy-16-in-ia32e", ROW33(0), { CLEAR(guest_tr_access_rights, 8) } },
	{ "tr/base-noncanonical", ROW33(0), { SET(guest_tr_base, NONCANONICAL) } },
	{ "fs/base-noncanonical", ROW33(0), { SET(guest_fs_base, NONCANONICAL) } },
	{ "gs/base-noncanonical", ROW33(0), { SET(guest_gs_base, NONCANONICAL) } },
	{ "fs/base-noncanonical-unusable", ROW33(0), { SET(guest_fs_access_rights, ACCESS_RIGHTS_UNUSABLE), SET(guest_fs_base, NONCANONICAL) } },
	{ "ldtr/base-noncanonical", ROW33(0), { SET(guest_ldtr_access_rights, 0x82), SET(guest_ldtr_base, NONCANONICAL) } },
	{ "ldtr/base-noncanonical-unusable", FINE(0), { SET(guest_ldtr_base, NONCANONICAL) } },
	{ "cs/base-high", ROW33(0), { SET(guest_cs_base, BIT(32)) } },
	{ "ss/base-high", ROW33(0), { SET(guest_ss_base, BIT(32)) } },
	{ "ds/base-high", ROW33(0), { SET(guest_ds_base, BIT(40)) } },
	{ "es/base-high", ROW33(0), { SET(guest_es_base, BIT(63)) } },
	{ "ss/base-high-unusable", FINE(0), { SET(guest_ss_access_rights, ACCESS_RIGHTS_UNUSABLE), SET(guest_ss_base, BIT(32)) } },
	{ "compat/cs-l-clear-d-set", FINE(L2_COMPAT), { OR(guest_cs_access_rights, ACCESS_RIGHTS_DB) } },
};
// clang-format on

static void run_row(unsigned int row)
{
	entry_row_run(&rows[row]);
}

static const char *row_name(unsigned int row)
{
	return rows[row].name;
}

static void run_row64(unsigned int row)
{
	entry_row_run(&rows64[row]);
}

static const char *row64_name(unsigned int row)
{
	return rows64[row].name;
}

/* What a case varies: one data segment's rights; the model says whether they may be. */
struct data_rights {
	u32 rights;
	unsigned int rpl;
	bool unrestricted;
};

static bool limit_fits(u32 limit, u32 rights)
{
	if ((limit & 0xfff) != 0xfff && (rights & ACCESS_RIGHTS_G))
		return false;
	return !(limit >> 20) || (rights & ACCESS_RIGHTS_G);
}

static bool data_segment_may_be(struct data_rights d, u32 limit)
{
	u32 type = d.rights & 0xf, dpl = d.rights >> 5 & 3;

	if (d.rights & ACCESS_RIGHTS_UNUSABLE)
		return true;
	if (!(type & 1) || ((type & 8) && !(type & 2)))
		return false;
	if (!(d.rights & ACCESS_RIGHTS_S) || !(d.rights & ACCESS_RIGHTS_P))
		return false;
	if (d.rights & 0xf00)
		return false;
	if (!d.unrestricted && type < 12 && dpl < d.rpl)
		return false;
	return limit_fits(limit, d.rights);
}

/* Bits 16 (unusable), 15 (G), 11, 7 to 0 in all combinations; RPL 0 and 3. */
static void data_rights_space(unsigned int segment)
{
	u32 limit = 0xffffffff;

	for (u32 i = 0; i < 0x800; i++) {
		struct data_rights d = { (i & 0xff) | (i & 0x100) << 3 | (i & 0x200) << 6 |
						 (i & 0x400) << 6,
					 i & 1 ? 3 : 0, false };
		struct outcome o;

		vm_reset(L2_NATIVE);
		d.unrestricted = vm_can_run(L2_REAL);
		vm_set(VMCS_guest_es_access_rights + 2 * segment, d.rights);
		vm_set(VMCS_guest_es_selector + 2 * segment, SELECTOR_DATA | d.rpl);
		o = vm_run(l2_vmcall);
		case_step("rights 0x%x rpl %u", d.rights, d.rpl);
		if (data_segment_may_be(d, limit))
			check_exit(o, EXIT_REASON_VMCALL, "accepted");
		else
			check_entry_failure(o, EXIT_REASON_ENTRY_FAILURE_GUEST, 0, "reason 33");
	}
}

static void ds_space(void)
{
	data_rights_space(3);
}

static void fs_space(void)
{
	data_rights_space(4);
}

static bool tr_may_be(u32 rights, u32 limit)
{
	u32 type = rights & 0xf;

	return (type == 11 || (!IS_64BIT && type == 3)) && !(rights & ACCESS_RIGHTS_S) &&
	       (rights & ACCESS_RIGHTS_P) && !(rights & 0xf00) &&
	       !(rights & ACCESS_RIGHTS_UNUSABLE) && limit_fits(limit, rights);
}

static void tr_space(void)
{
	for (u32 i = 0; i < 0x800; i++) {
		u32 rights = (i & 0x1ff) | (i & 0x200) << 6 | (i & 0x400) << 6;
		struct outcome o;

		vm_reset(L2_NATIVE);
		vm_set(VMCS_guest_tr_access_rights, rights);
		o = vm_run(l2_vmcall);
		case_step("rights 0x%x", rights);
		if (tr_may_be(rights, tss_limit()))
			check_exit(o, EXIT_REASON_VMCALL, "accepted");
		else
			check_entry_failure(o, EXIT_REASON_ENTRY_FAILURE_GUEST, 0, "reason 33");
	}
}

static bool ldtr_may_be(u32 rights)
{
	if (rights & ACCESS_RIGHTS_UNUSABLE)
		return true;
	return (rights & 0xf) == 2 && !(rights & ACCESS_RIGHTS_S) && (rights & ACCESS_RIGHTS_P) &&
	       !(rights & 0xf00) && limit_fits(0xfff, rights);
}

static void ldtr_space(void)
{
	for (u32 i = 0; i < 0x800; i++) {
		u32 rights = (i & 0x1ff) | (i & 0x200) << 6 | (i & 0x400) << 6;
		struct outcome o;

		vm_reset(L2_NATIVE);
		vm_set(VMCS_guest_ldtr_access_rights, rights);
		vm_set(VMCS_guest_ldtr_limit, 0xfff);
		o = vm_run(l2_vmcall);
		case_step("rights 0x%x", rights);
		if (ldtr_may_be(rights))
			check_exit(o, EXIT_REASON_VMCALL, "accepted");
		else
			check_entry_failure(o, EXIT_REASON_ENTRY_FAILURE_GUEST, 0, "reason 33");
	}
}

/* CS and SS together: type, DPL of both, S and P, under unrestricted guest or not. */
static bool code_may_be(u32 cs, u32 ss, bool unrestricted)
{
	u32 type = cs & 0xf, dpl = cs >> 5 & 3, ss_dpl = ss >> 5 & 3;
	bool code = type == 9 || type == 11 || type == 13 || type == 15;

	if (!(cs & ACCESS_RIGHTS_S) || !(cs & ACCESS_RIGHTS_P))
		return false;
	if (!code && !(unrestricted && type == 3))
		return false;
	if (type == 3 && (dpl != 0 || ss_dpl != 0))
		return false;
	if ((type == 9 || type == 11) && dpl != ss_dpl)
		return false;
	return !((type == 13 || type == 15) && dpl > ss_dpl);
}

static void code_space(unsigned int unrestricted)
{
	if (!case_requires(!unrestricted || vm_can_run(L2_REAL), "no unrestricted guest"))
		return;
	for (u32 i = 0; i < 0x400; i++) {
		u32 cs = (i & 0xff) | (IS_64BIT ? 0xa000 : 0xc000), dpl = i >> 8;
		u32 ss = 0xc093 | dpl << 5;
		struct outcome o;

		vm_reset(L2_NATIVE);
		if (!unrestricted)
			vm_control(VMX_WORD_PROC2, 0, PROC2_UNRESTRICTED_GUEST);
		vm_set(VMCS_guest_cs_access_rights, cs);
		vm_set(VMCS_guest_ss_access_rights, ss);
		vm_set(VMCS_guest_cs_selector, SELECTOR_CODE | dpl);
		vm_set(VMCS_guest_ss_selector, SELECTOR_DATA | dpl);
		for (unsigned int n = 3; n < 6; n++)
			vm_set(VMCS_guest_es_access_rights + 2 * n, 0xc0f3);
		o = vm_run(l2_vmcall);
		case_step("CS 0x%x SS 0x%x", cs, ss);
		if (code_may_be(cs, ss, unrestricted))
			check_true(o.result == VMX_SUCCEED && !(o.reason >> 31), "accepted");
		else
			check_entry_failure(o, EXIT_REASON_ENTRY_FAILURE_GUEST, 0, "reason 33");
	}
}

static const char *code_space_name(unsigned int unrestricted)
{
	return unrestricted ? "unrestricted" : "restricted";
}

static const struct lhv_case cases[] = {
	{ .name = "segment",
	  .needs = NEEDS_VMX,
	  .run_row = run_row,
	  .row_name = row_name,
	  .rows = ARRAY_SIZE(rows) },
	{ .name = "segment64",
	  .needs = NEEDS_VMX | NEEDS_64BIT,
	  .run_row = run_row64,
	  .row_name = row64_name,
	  .rows = ARRAY_SIZE(rows64) },
	{ .name = "segment/ds-rights-space", .needs = NEEDS_VMX, .run = ds_space },
	{ .name = "segment/fs-rights-space", .needs = NEEDS_VMX, .run = fs_space },
	{ .name = "segment/tr-rights-space", .needs = NEEDS_VMX, .run = tr_space },
	{ .name = "segment/ldtr-rights-space", .needs = NEEDS_VMX, .run = ldtr_space },
	{ .name = "segment/code-rights-space",
	  .needs = NEEDS_VMX,
	  .run_row = code_space,
	  .row_name = code_space_name,
	  .rows = 2 },
};
LHV_TOPIC("entry", cases);
