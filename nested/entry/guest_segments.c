/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks on the segment registers of L2.  Pure.
 * SDM "Checks on Guest Segment Registers".
 *
 * One function per group of registers with the same rules; a rule's text does not say
 * which of DS, ES, FS and GS broke it.
 */
#include "nested/entry/entry_view.h"

#define SELECTOR_RPL	       FIELD(1, 0)
#define SELECTOR_TI	       BIT32(2)
#define RIGHTS_RESERVED_LOW    FIELD(11, 8)
#define RIGHTS_RESERVED_HIGH   FIELD(31, 17)
#define LIMIT_LOW	       FIELD(11, 0)
#define LIMIT_HIGH	       FIELD(31, 20)
#define VIRTUAL_8086_LIMIT     0xffff
#define VIRTUAL_8086_RIGHTS    0xf3 /* present, DPL 3, read/write accessed data */
#define TYPE_ACCESSED	       1
#define TYPE_READABLE	       2 /* of a code segment */
#define TYPE_CODE	       8
#define TYPE_DATA_RW_ACCESSED  3
#define TYPE_DATA_RW_DOWN      7  /* accessed, expand-down */
#define TYPE_LAST_CHECKED_DPL  11 /* data and non-conforming code */
#define TYPE_LDT	       2
#define TYPE_BUSY_TSS_16       3
#define TYPE_BUSY_TSS_32_OR_64 11

struct segment {
	u16 selector;
	u32 limit, rights;
	u64 base;
};

#define SEGMENT(v, name)                                                            \
	((struct segment){ (v)->guest_##name##_selector, (v)->guest_##name##_limit, \
			   (v)->guest_##name##_access_rights, (v)->guest_##name##_base })

static bool is_usable(u32 rights)
{
	return !(rights & ACCESS_RIGHTS_UNUSABLE);
}

static u64 type_of(u32 rights)
{
	return field_get(rights, ACCESS_RIGHTS_TYPE);
}

static u64 dpl_of(u32 rights)
{
	return field_get(rights, ACCESS_RIGHTS_DPL);
}

static bool is_virtual_8086(const struct entry_view *e)
{
	return e->v->guest_rflags & RFLAGS_VM;
}

static bool is_unrestricted(const struct entry_view *e)
{
	return e->proc2 & PROC2_UNRESTRICTED_GUEST;
}

/* TR and a usable LDTR are in the GDT.  SS has the privilege of CS, except in virtual-8086
 * mode and in an unrestricted guest. */
static bool selectors(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	u32 privileges = (u32)v->guest_ss_selector ^ v->guest_cs_selector;

	return MUST(!(v->guest_tr_selector & SELECTOR_TI)) &&
	       MUST(IMPLIES(is_usable(v->guest_ldtr_access_rights),
			    !(v->guest_ldtr_selector & SELECTOR_TI))) &&
	       MUST(IMPLIES(!is_virtual_8086(e) && !is_unrestricted(e),
			    !(privileges & SELECTOR_RPL)));
}

/* Bases of TR, FS and GS, and of a usable LDTR, are canonical; that of CS, and of a usable
 * SS, DS or ES, is 32 bits wide. */
static bool bases(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;

	return MUST(is_canonical(v->guest_tr_base, e->caps)) &&
	       MUST(is_canonical(v->guest_fs_base, e->caps)) &&
	       MUST(is_canonical(v->guest_gs_base, e->caps)) &&
	       MUST(IMPLIES(is_usable(v->guest_ldtr_access_rights),
			    is_canonical(v->guest_ldtr_base, e->caps))) &&
	       MUST(fits_32_bits(v->guest_cs_base)) &&
	       MUST(IMPLIES(is_usable(v->guest_ss_access_rights),
			    fits_32_bits(v->guest_ss_base))) &&
	       MUST(IMPLIES(is_usable(v->guest_ds_access_rights),
			    fits_32_bits(v->guest_ds_base))) &&
	       MUST(IMPLIES(is_usable(v->guest_es_access_rights), fits_32_bits(v->guest_es_base)));
}

/* In virtual-8086 mode a segment is what a real-mode load makes: the base is the selector
 * times 16, the limit 64 KiB, the rights those of DPL 3 data. */
static bool virtual_8086_segment(struct segment s, struct check_failure *why)
{
	return MUST(s.base == (u64)s.selector << 4) && MUST(s.limit == VIRTUAL_8086_LIMIT) &&
	       MUST(s.rights == VIRTUAL_8086_RIGHTS);
}

static bool virtual_8086_segments(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;

	return virtual_8086_segment(SEGMENT(v, cs), why) &&
	       virtual_8086_segment(SEGMENT(v, ss), why) &&
	       virtual_8086_segment(SEGMENT(v, ds), why) &&
	       virtual_8086_segment(SEGMENT(v, es), why) &&
	       virtual_8086_segment(SEGMENT(v, fs), why) &&
	       virtual_8086_segment(SEGMENT(v, gs), why);
}

/* A page-granular limit ends at a page's end; a limit of 1 MiB or more is page-granular. */
static bool granularity(struct segment s, struct check_failure *why)
{
	bool pages = s.rights & ACCESS_RIGHTS_G;

	return MUST(IMPLIES(pages, (s.limit & LIMIT_LOW) == LIMIT_LOW)) &&
	       MUST(IMPLIES(s.limit & LIMIT_HIGH, pages));
}

/* What every code or data segment that can be used has in common: code or data, present,
 * no reserved bits, a limit that fits its granularity. */
static bool code_or_data(struct segment s, struct check_failure *why)
{
	return MUST(s.rights & ACCESS_RIGHTS_S) && MUST(s.rights & ACCESS_RIGHTS_P) &&
	       MUST(!(s.rights & RIGHTS_RESERVED_LOW)) &&
	       MUST(!(s.rights & RIGHTS_RESERVED_HIGH)) && granularity(s, why);
}

static bool is_cs_type(const struct entry_view *e, u64 type)
{
	bool accessed_code = (type & TYPE_CODE) && (type & TYPE_ACCESSED);

	return accessed_code || (type == TYPE_DATA_RW_ACCESSED && is_unrestricted(e));
}

/*
 * CS is accessed code; in an unrestricted guest also read/write data, of DPL 0.
 * Non-conforming code has the DPL of SS, conforming code no higher one.  64-bit code has no
 * default size.  CS is checked whether or not its unusable bit is set: the SDM asks that of
 * all registers but CS.
 */
static bool code_segment(const struct entry_view *e, struct check_failure *why)
{
	struct segment cs = SEGMENT(e->v, cs);
	u64 type = type_of(cs.rights), dpl = dpl_of(cs.rights);
	u64 ss_dpl = dpl_of(e->v->guest_ss_access_rights);
	bool data = type == TYPE_DATA_RW_ACCESSED;
	bool non_conforming = type == 9 || type == 11, conforming = type == 13 || type == 15;
	bool long_code = (e->entry & ENTRY_IA32E_MODE_GUEST) && (cs.rights & ACCESS_RIGHTS_L);

	return MUST(is_cs_type(e, type)) && MUST(IMPLIES(data, dpl == 0)) &&
	       MUST(IMPLIES(non_conforming, dpl == ss_dpl)) &&
	       MUST(IMPLIES(conforming, dpl <= ss_dpl)) &&
	       MUST(IMPLIES(long_code, !(cs.rights & ACCESS_RIGHTS_DB))) && code_or_data(cs, why);
}

/*
 * A usable SS is accessed, writable data.  Its DPL, which is the CPL even if SS is
 * unusable, is the RPL (unless the guest is unrestricted), and is 0 in real-address mode
 * and when CS is data.
 */
static bool stack_segment(const struct entry_view *e, struct check_failure *why)
{
	struct segment ss = SEGMENT(e->v, ss);
	u64 type = type_of(ss.rights), dpl = dpl_of(ss.rights);
	bool usable = is_usable(ss.rights);
	bool cs_is_data = type_of(e->v->guest_cs_access_rights) == TYPE_DATA_RW_ACCESSED;
	bool real_mode = !(e->v->guest_cr0 & CR0_PE);

	return MUST(IMPLIES(usable, type == TYPE_DATA_RW_ACCESSED || type == TYPE_DATA_RW_DOWN)) &&
	       MUST(IMPLIES(!is_unrestricted(e), dpl == (ss.selector & SELECTOR_RPL))) &&
	       MUST(IMPLIES(cs_is_data || real_mode, dpl == 0)) &&
	       (!usable || code_or_data(ss, why));
}

/* A usable DS, ES, FS or GS is accessed and readable; unless it is conforming code, or the
 * guest is unrestricted, its RPL does not exceed its DPL. */
static bool data_segment(const struct entry_view *e, struct segment s, struct check_failure *why)
{
	u64 type = type_of(s.rights);
	bool code = type & TYPE_CODE;
	bool privilege = !is_unrestricted(e) && type <= TYPE_LAST_CHECKED_DPL;

	if (!is_usable(s.rights))
		return true;
	return MUST(type & TYPE_ACCESSED) && MUST(IMPLIES(code, type & TYPE_READABLE)) &&
	       MUST(IMPLIES(privilege, dpl_of(s.rights) >= (s.selector & SELECTOR_RPL))) &&
	       code_or_data(s, why);
}

static bool code_and_data_segments(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;

	return code_segment(e, why) && stack_segment(e, why) &&
	       data_segment(e, SEGMENT(v, ds), why) && data_segment(e, SEGMENT(v, es), why) &&
	       data_segment(e, SEGMENT(v, fs), why) && data_segment(e, SEGMENT(v, gs), why);
}

/* What TR and a usable LDTR have in common: a system segment, present, no reserved bits. */
static bool system_segment(struct segment s, struct check_failure *why)
{
	return MUST(!(s.rights & ACCESS_RIGHTS_S)) && MUST(s.rights & ACCESS_RIGHTS_P) &&
	       MUST(!(s.rights & RIGHTS_RESERVED_LOW)) &&
	       MUST(!(s.rights & RIGHTS_RESERVED_HIGH)) && granularity(s, why);
}

/* TR is always usable and holds a busy TSS, a 64-bit one in IA-32e mode. */
static bool task_register(const struct entry_view *e, struct check_failure *why)
{
	struct segment tr = SEGMENT(e->v, tr);
	u64 type = type_of(tr.rights);
	bool ia32e = e->entry & ENTRY_IA32E_MODE_GUEST;

	return MUST(type == TYPE_BUSY_TSS_32_OR_64 || (type == TYPE_BUSY_TSS_16 && !ia32e)) &&
	       MUST(is_usable(tr.rights)) && system_segment(tr, why);
}

static bool local_descriptor_table(const struct entry_view *e, struct check_failure *why)
{
	struct segment ldtr = SEGMENT(e->v, ldtr);

	if (!is_usable(ldtr.rights))
		return true;
	return MUST(type_of(ldtr.rights) == TYPE_LDT) && system_segment(ldtr, why);
}

bool entry_check_guest_segments(const struct entry_view *e, struct check_failure *why)
{
	if (!selectors(e, why) || !bases(e, why))
		return false;
	if (is_virtual_8086(e) ? !virtual_8086_segments(e, why) : !code_and_data_segments(e, why))
		return false;
	return task_register(e, why) && local_descriptor_table(e, why);
}
