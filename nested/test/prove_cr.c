/* SPDX-License-Identifier: BSD-2-Clause */
/* CR0 and CR4 shared by L1 and L0, for every 64-bit value of every field. */
/* sources: nested/vmcs02/cr.c */
#include "nested/test/prove.h"

#include "nested/vmcs02/cr.h"

static struct cr_fields vmcs12_fields(void)
{
	return (struct cr_fields){ any_u64("mask12"), any_u64("shadow12"), any_u64("guest12") };
}

static struct cr_l0 l0_bits(void)
{
	return (struct cr_l0){ any_u64("l0_mask"), any_u64("l0_value") };
}

/* SDM "Guest/Host Masks and Read Shadows": bit for bit. */
static u64 reads(struct cr_fields f)
{
	return (f.mask & f.shadow) | (~f.mask & f.guest);
}

static bool exits(struct cr_fields f, u64 value)
{
	return (f.mask & f.shadow) != (f.mask & value);
}

/* What VMCS12 alone would hold after a write that does not exit. */
static u64 written_alone(struct cr_fields v, u64 value)
{
	return (v.guest & v.mask) | (value & ~v.mask);
}

void prove_merge(void)
{
	struct cr_fields v = vmcs12_fields(), m = cr_merge(v, l0_bits());
	struct cr_l0 l0 = l0_bits();
	u64 w = any_u64("written");

	must(cr_read(v) == reads(v), "cr_read() is the SDM's");
	must(cr_write_exits(v, w) == exits(v, w), "cr_write_exits() is the SDM's");
	must(reads(m) == reads(v), "L2 reads what VMCS12 gives");
	must((m.guest & l0.mask) == (l0.value & l0.mask), "L0's bits hold L0's value");
	must(!exits(v, w) || exits(m, w), "every exit of L1 is an exit");
	must(cr_guest_for_vmcs12(m, v, l0) == v.guest, "VMCS12 gets its own register back");
	must((l0.mask & ~v.mask) || exits(m, w) == exits(v, w), "no exits without L0's bits");
}

/* A write that VMCS12 lets through and L0 applies; then the same write again does not exit. */
void prove_apply(void)
{
	struct cr_fields v = vmcs12_fields();
	struct cr_l0 l0 = l0_bits();
	struct cr_fields m = cr_merge(v, l0);
	u64 w = any_u64("written");
	struct cr_fields a = cr_apply_write(m, v, l0, w);
	struct cr_fields after = { v.mask, v.shadow, written_alone(v, w) };

	must((a.guest & l0.mask) == (l0.value & l0.mask), "L0's bits still hold L0's value");
	must(a.mask == m.mask, "the mask stays");
	given(!exits(v, w));
	must(reads(a) == reads(after), "L2 reads what VMCS12 alone would give");
	must(cr_guest_for_vmcs12(a, v, l0) == after.guest, "VMCS12 gets what it would hold");
	must(!exits(a, w), "the same write does not exit again");
}

/* A write that does not exit under VMCS02: the processor writes the unowned bits. */
void prove_no_exit(void)
{
	struct cr_fields v = vmcs12_fields();
	struct cr_l0 l0 = l0_bits();
	struct cr_fields m = cr_merge(v, l0);
	u64 w = any_u64("written");
	struct cr_fields after = { m.mask, m.shadow, (m.guest & m.mask) | (w & ~m.mask) };
	struct cr_fields alone = { v.mask, v.shadow, written_alone(v, w) };

	given(!exits(m, w));
	must(reads(after) == reads(alone), "L2 reads the same");
	must(cr_guest_for_vmcs12(after, v, l0) == alone.guest, "VMCS12 gets the same");
}

/* LMSW is MOV to CR0 of the value it asks for, as far as exits go, if PE is not being cleared. */
void prove_lmsw(void)
{
	struct cr_fields v = vmcs12_fields();
	u16 source = any_u16("source");
	u64 asked = cr_lmsw_value(reads(v), source);

	must(cr_lmsw_exits(v, source) == exits(v, asked), "LMSW exits as MOV to CR0 does");
	must(!(reads(v) & 1) || (asked & 1), "LMSW never clears PE");
	must((asked & ~15ULL) == (reads(v) & ~15ULL), "LMSW touches bits 3:0 only");
}

void prove_clts(void)
{
	struct cr_fields v = vmcs12_fields();

	/* TS owned by the host and read as 1: clearing it is a change. */
	must(cr_clts_exits(v) == ((v.mask & 8) && (v.shadow & 8)), "CLTS exits by TS");
}
