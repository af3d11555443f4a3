/* SPDX-License-Identifier: BSD-2-Clause */
/* Each rule on guest segments accepts a VMCS12 and refuses it with one thing broken. */
/* sources: nested/entry/entry.c nested/entry/execution_controls.c
 * nested/entry/exit_controls.c nested/entry/entry_controls.c nested/entry/host_registers.c
 * nested/entry/host_segments.c nested/entry/address_space_size.c nested/entry/guest_registers.c
 * nested/entry/guest_segments.c nested/entry/guest_descriptor_tables.c
 * nested/entry/guest_rip_rflags.c nested/entry/guest_activity.c
 * nested/entry/guest_interruptibility.c nested/entry/guest_link_pointer.c
 * nested/entry/guest_pdptes.c
 */
#include "nested/test/entry_trial.h"

/* The fields of one segment register of the trial. */
struct segment_fields {
	u16 *selector;
	u32 *limit, *rights;
	u64 *base;
};

#define FIELDS(name)                                                                \
	{                                                                           \
		&t.v.guest_##name##_selector, &t.v.guest_##name##_limit,            \
			&t.v.guest_##name##_access_rights, &t.v.guest_##name##_base \
	}

static const struct segment_fields cs = FIELDS(cs), ss = FIELDS(ss), tr = FIELDS(tr),
				   ldtr = FIELDS(ldtr);
static const struct segment_fields data[] = { FIELDS(ds), FIELDS(es), FIELDS(fs), FIELDS(gs) };
static const struct segment_fields all[] = { FIELDS(cs), FIELDS(ss), FIELDS(ds),
					     FIELDS(es), FIELDS(fs), FIELDS(gs) };

static void begin_unrestricted(void)
{
	trial_begin();
	trial_guest_32_bit(0);
	trial_proc2(PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
	accepted();
}

static void begin_virtual_8086(void)
{
	trial_begin();
	trial_guest_32_bit(0);
	trial_virtual_8086_segments();
	t.v.guest_rflags |= RFLAGS_VM;
	accepted();
}

static void set_type(const struct segment_fields *s, u32 type)
{
	*s->rights = (u32)field_set(*s->rights, ACCESS_RIGHTS_TYPE, type);
}

static void set_dpl(const struct segment_fields *s, u32 dpl)
{
	*s->rights = (u32)field_set(*s->rights, ACCESS_RIGHTS_DPL, dpl);
}

static void test_selectors(void)
{
	trial_begin();
	accepted();
	t.v.guest_tr_selector |= 4;
	refused_guest("!(v->guest_tr_selector & SELECTOR_TI)");
	t.v.guest_ldtr_access_rights = 0x82;
	t.v.guest_ldtr_selector = 0x48;
	t.v.guest_ldtr_base = 0;
	t.v.guest_ldtr_limit = 0xffff;
	accepted();
	t.v.guest_ldtr_selector |= 4;
	refused_guest("IMPLIES(is_usable(v->guest_ldtr_access_rights), "
		      "!(v->guest_ldtr_selector & SELECTOR_TI))");
	for (u16 rpl = 1; rpl < 4; rpl++) {
		t.v.guest_ss_selector |= rpl;
		refused_guest("IMPLIES(!is_virtual_8086(e) && !is_unrestricted(e), "
			      "!(privileges & SELECTOR_RPL))");
	}
	begin_unrestricted();
	t.v.guest_ss_selector |= 3;
	accepted();
	begin_virtual_8086();
	t.v.guest_ss_selector |= 1;
	t.v.guest_ss_base = t.v.guest_ss_selector * 16ULL;
	accepted();
}

/* @base must be canonical by @rule. */
static void canonical(u64 *base, const char *rule)
{
	*base = FIELD(63, 47);
	accepted();
	*base = BIT(47);
	refused_guest(rule);
	*base = FIELD(63, 48);
	refused_guest(rule);
}

/* @s has a 32-bit base if it is usable. */
static void narrow(const struct segment_fields *s, const char *rule)
{
	*s->base = 0xffffffff;
	accepted();
	*s->base = BIT(32);
	refused_guest(rule);
	*s->base = BIT(63);
	refused_guest(rule);
	*s->rights |= ACCESS_RIGHTS_UNUSABLE;
	*s->base = ~0ULL;
	accepted();
}

static void test_bases(void)
{
	trial_begin();
	canonical(&t.v.guest_tr_base, "is_canonical(v->guest_tr_base, e->caps)");
	canonical(&t.v.guest_fs_base, "is_canonical(v->guest_fs_base, e->caps)");
	canonical(&t.v.guest_gs_base, "is_canonical(v->guest_gs_base, e->caps)");
	/* An unusable FS keeps its base. */
	t.v.guest_fs_access_rights = ACCESS_RIGHTS_UNUSABLE;
	canonical(&t.v.guest_fs_base, "is_canonical(v->guest_fs_base, e->caps)");
	t.v.guest_ldtr_access_rights = 0x82;
	t.v.guest_ldtr_selector = 0x48;
	t.v.guest_ldtr_limit = 0xffff;
	canonical(&t.v.guest_ldtr_base, "IMPLIES(is_usable(v->guest_ldtr_access_rights), "
					"is_canonical(v->guest_ldtr_base, e->caps))");
	t.v.guest_cs_base = 0xffffffff;
	accepted();
	t.v.guest_cs_base = BIT(32);
	refused_guest("fits_32_bits(v->guest_cs_base)");
	narrow(&ss, "IMPLIES(is_usable(v->guest_ss_access_rights), "
		    "fits_32_bits(v->guest_ss_base))");
	narrow(&data[0], "IMPLIES(is_usable(v->guest_ds_access_rights), "
			 "fits_32_bits(v->guest_ds_base))");
	narrow(&data[1], "IMPLIES(is_usable(v->guest_es_access_rights), "
			 "fits_32_bits(v->guest_es_base))");
}

static void test_virtual_8086(void)
{
	begin_virtual_8086();
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const struct segment_fields *s = &all[i];

		*s->selector = 0xffff;
		*s->base = 0xffff0;
		accepted();
		*s->base = 0xffff1;
		refused_guest("s.base == (u64)s.selector << 4");
		*s->limit = 0xfffe;
		refused_guest("s.limit == VIRTUAL_8086_LIMIT");
		*s->limit = 0x1ffff;
		refused_guest("s.limit == VIRTUAL_8086_LIMIT");
		for (unsigned int bit = 0; bit < 32; bit++) {
			*s->rights ^= BIT32(bit);
			refused_guest("s.rights == VIRTUAL_8086_RIGHTS");
		}
	}
}

/* Granularity, presence and reserved bits of @s; a refused S bit has the text @s_rule. */
static void common_rules(const struct segment_fields *s, const char *s_rule)
{
	*s->rights ^= ACCESS_RIGHTS_S;
	refused_guest(s_rule);
	*s->rights &= (u32)~ACCESS_RIGHTS_P;
	refused_guest("s.rights & ACCESS_RIGHTS_P");
	for (unsigned int bit = 8; bit < 32; bit++) {
		if (bit >= 12 && bit < 17)
			continue;
		*s->rights |= BIT32(bit);
		refused_guest(bit < 12 ? "!(s.rights & RIGHTS_RESERVED_LOW)"
				       : "!(s.rights & RIGHTS_RESERVED_HIGH)");
	}
	*s->rights |= ACCESS_RIGHTS_AVL;
	accepted();

	*s->limit = 0xffff;
	*s->rights &= (u32)~ACCESS_RIGHTS_G;
	accepted();
	*s->limit = 0xfffff;
	accepted();
	for (unsigned int bit = 20; bit < 32; bit++) {
		*s->limit = 0xfffff | BIT32(bit);
		refused_guest("IMPLIES(s.limit & LIMIT_HIGH, pages)");
	}
	*s->rights |= ACCESS_RIGHTS_G;
	accepted();
	for (unsigned int bit = 0; bit < 12; bit++) {
		*s->limit = 0xfffff & ~BIT32(bit);
		refused_guest("IMPLIES(pages, (s.limit & LIMIT_LOW) == LIMIT_LOW)");
	}
}

static void test_common_rules(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		trial_begin();
		accepted();
		common_rules(&all[i], "s.rights & ACCESS_RIGHTS_S");
	}
	/* None of it for an unusable register, but for CS all of it. */
	for (size_t i = 0; i < ARRAY_SIZE(data); i++) {
		*data[i].rights = ~0U;
		*data[i].limit = 1;
		accepted();
	}
	*ss.rights = ~0U;
	set_dpl(&ss, 0);
	accepted();
	*cs.rights |= ACCESS_RIGHTS_UNUSABLE;
	accepted();
	*cs.rights &= (u32)~ACCESS_RIGHTS_P;
	refused_guest("s.rights & ACCESS_RIGHTS_P");
}

static void test_code_segment(void)
{
	for (u32 type = 0; type < 16; type++) {
		bool code = type == 9 || type == 11 || type == 13 || type == 15;

		trial_begin();
		accepted();
		set_type(&cs, type);
		if (code)
			accepted();
		else
			refused_guest("is_cs_type(e, type)");
		begin_unrestricted();
		set_type(&cs, type);
		if (code || type == 3)
			accepted();
		else
			refused_guest("is_cs_type(e, type)");
	}

	begin_unrestricted();
	set_type(&cs, 3);
	set_dpl(&cs, 1);
	refused_guest("IMPLIES(data, dpl == 0)");

	trial_begin();
	accepted();
	t.v.guest_cs_access_rights |= ACCESS_RIGHTS_DB;
	refused_guest("IMPLIES(long_code, !(cs.rights & ACCESS_RIGHTS_DB))");
	trial_guest_32_bit(0);
	t.v.guest_cs_access_rights |= ACCESS_RIGHTS_DB | ACCESS_RIGHTS_L;
	accepted();
}

/* DPL of CS against that of SS, for conforming and non-conforming code. */
static void test_code_privilege(void)
{
	for (u32 ss_dpl = 0; ss_dpl < 4; ss_dpl++) {
		for (u32 cs_dpl = 0; cs_dpl < 4; cs_dpl++) {
			begin_unrestricted();
			set_dpl(&ss, ss_dpl);
			set_dpl(&cs, ss_dpl);
			accepted();
			set_type(&cs, ss_dpl & 1 ? 9 : 11);
			set_dpl(&cs, cs_dpl);
			if (cs_dpl == ss_dpl)
				accepted();
			else
				refused_guest("IMPLIES(non_conforming, dpl == ss_dpl)");
			set_type(&cs, ss_dpl & 1 ? 13 : 15);
			set_dpl(&cs, cs_dpl);
			if (cs_dpl <= ss_dpl)
				accepted();
			else
				refused_guest("IMPLIES(conforming, dpl <= ss_dpl)");
		}
	}
}

static void test_stack_segment(void)
{
	const char *const rule = "IMPLIES(usable, type == TYPE_DATA_RW_ACCESSED || "
				 "type == TYPE_DATA_RW_DOWN)";

	for (u32 type = 0; type < 16; type++) {
		trial_begin();
		accepted();
		set_type(&ss, type);
		if (type == 3 || type == 7)
			accepted();
		else
			refused_guest(rule);
		set_type(&ss, type);
		*ss.rights |= ACCESS_RIGHTS_UNUSABLE;
		accepted();
	}

	/* The DPL is the RPL, also that of an unusable SS. */
	trial_begin();
	t.v.guest_cs_selector |= 3;
	t.v.guest_ss_selector |= 3;
	set_dpl(&cs, 3);
	set_dpl(&ss, 3);
	accepted();
	*ss.rights |= ACCESS_RIGHTS_UNUSABLE;
	accepted();
	t.v.guest_ss_selector ^= 1;
	t.v.guest_cs_selector ^= 1;
	refused_guest("IMPLIES(!is_unrestricted(e), dpl == (ss.selector & SELECTOR_RPL))");

	begin_unrestricted();
	set_type(&cs, 3);
	accepted();
	set_dpl(&ss, 3);
	refused_guest("IMPLIES(cs_is_data || real_mode, dpl == 0)");
	set_type(&cs, 15);
	t.v.guest_cr0 &= ~(CR0_PE | CR0_PG);
	accepted();
	set_dpl(&ss, 3);
	refused_guest("IMPLIES(cs_is_data || real_mode, dpl == 0)");
	set_dpl(&ss, 3);
	t.v.guest_cr0 |= CR0_PE;
	accepted();
}

/* Every type of DS, ES, FS and GS, with each RPL and DPL, restricted and not. */
static void data_segment(const struct segment_fields *s, u32 type)
{
	bool accessed = type & 1, readable = !(type & 8) || (type & 2);

	for (u32 privileges = 0; privileges < 32; privileges++) {
		u32 rpl = privileges & 3, dpl = privileges >> 2 & 3;
		bool unrestricted = privileges & 16;

		if (unrestricted)
			begin_unrestricted();
		else
			trial_begin();
		accepted();
		set_type(s, type);
		set_dpl(s, dpl);
		*s->selector = (u16)(0x18 | rpl);
		if (!accessed)
			refused_guest("type & TYPE_ACCESSED");
		else if (!readable)
			refused_guest("IMPLIES(code, type & TYPE_READABLE)");
		else if (!unrestricted && type < 12 && dpl < rpl)
			refused_guest("IMPLIES(privilege, "
				      "dpl_of(s.rights) >= (s.selector & SELECTOR_RPL))");
		else
			accepted();
	}
}

static void test_data_segments(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(data); i++)
		for (u32 type = 0; type < 16; type++)
			data_segment(&data[i], type);
}

static void test_task_register(void)
{
	const char *const rule = "type == TYPE_BUSY_TSS_32_OR_64 || "
				 "(type == TYPE_BUSY_TSS_16 && !ia32e)";

	for (u32 type = 0; type < 16; type++) {
		trial_begin();
		accepted();
		set_type(&tr, type);
		if (type == 11)
			accepted();
		else
			refused_guest(rule);
		trial_guest_32_bit(0);
		accepted();
		set_type(&tr, type);
		if (type == 11 || type == 3)
			accepted();
		else
			refused_guest(rule);
	}
	trial_begin();
	accepted();
	common_rules(&tr, "!(s.rights & ACCESS_RIGHTS_S)");
	*tr.rights |= ACCESS_RIGHTS_UNUSABLE;
	refused_guest("is_usable(tr.rights)");
}

static void test_ldtr(void)
{
	trial_begin();
	t.v.guest_ldtr_access_rights = 0x82;
	t.v.guest_ldtr_selector = 0x48;
	t.v.guest_ldtr_base = 0;
	t.v.guest_ldtr_limit = 0xffff;
	accepted();
	for (u32 type = 0; type < 16; type++) {
		set_type(&ldtr, type);
		if (type == 2)
			accepted();
		else
			refused_guest("type_of(ldtr.rights) == TYPE_LDT");
	}
	common_rules(&ldtr, "!(s.rights & ACCESS_RIGHTS_S)");
}

int main(void)
{
	test_selectors();
	test_bases();
	test_virtual_8086();
	test_common_rules();
	test_code_segment();
	test_code_privilege();
	test_stack_segment();
	test_data_segments();
	test_task_register();
	test_ldtr();
	trial_rules_all_refused("nested/entry/guest_segments.c");
	return tap_end();
}
