/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CR0 and CR4 sharing for every 64-bit value of every field, from the real cr.c.
 * g++ -std=c++20 -I. nested/test/prove_cr.cc -lz3
 */
#include "nested/test/prove.hh"

#include "xmhf/lib/bits.h"
#include "xmhf/x86/cpu.h"

#define u64 prove::word
#define u16 prove::word
#define bool prove::claim
#include "nested/vmcs02/cr.c"
#undef u64
#undef u16
#undef bool

using prove::implies;
using prove::variable;
using prove::word;

/* Fields with unknown contents. */
static cr_fields unknown_fields()
{
	return { variable("mask12"), variable("shadow12"), variable("guest12") };
}

static cr_l0 unknown_l0()
{
	return { variable("l0_mask"), variable("l0_value") };
}

/* What VMCS12 alone would hold after a write that does not exit. */
static word written_alone(cr_fields v, word value)
{
	return (v.guest & v.mask) | (value & ~v.mask);
}

static prove::statements merge()
{
	cr_fields v = unknown_fields(), m = cr_merge(v, unknown_l0());
	cr_l0 l0 = unknown_l0();
	word w = variable("written");

	return {
		{ "L2 reads what VMCS12 gives", (cr_read(m) == cr_read(v)).e },
		{ "L0's bits hold L0's value", ((m.guest & l0.mask) == (l0.value & l0.mask)).e },
		{ "every exit of L1 is an exit",
		  implies(cr_write_exits(v, w), cr_write_exits(m, w)) },
		{ "VMCS12 gets its own register back",
		  (cr_guest_for_vmcs12(m, v, l0) == v.guest).e },
		{ "no other exits without L0's bits",
		  implies(((l0.mask & ~v.mask) == word(0)).e && cr_write_exits(m, w).e,
			  cr_write_exits(v, w)) },
	};
}

/* A write that VMCS12 lets through and L0 applies; then the same write again does not exit. */
static prove::statements apply()
{
	cr_fields v = unknown_fields();
	cr_l0 l0 = unknown_l0();
	cr_fields m = cr_merge(v, l0);
	word w = variable("written");
	z3::expr allowed = !cr_write_exits(v, w).e;
	cr_fields a = cr_apply_write(m, v, l0, w);
	cr_fields after = { v.mask, v.shadow, written_alone(v, w) };

	return {
		{ "L2 reads what VMCS12 alone would give",
		  z3::implies(allowed, (cr_read(a) == cr_read(after)).e) },
		{ "L0's bits still hold L0's value",
		  ((a.guest & l0.mask) == (l0.value & l0.mask)).e },
		{ "VMCS12 gets what it alone would hold",
		  z3::implies(allowed, (cr_guest_for_vmcs12(a, v, l0) == after.guest).e) },
		{ "the mask stays", (a.mask == m.mask).e },
		{ "the same write does not exit again",
		  z3::implies(allowed, !cr_write_exits(a, w).e) },
	};
}

/* A write that does not exit under VMCS02: the processor writes the unowned bits. */
static prove::statements no_exit()
{
	cr_fields v = unknown_fields();
	cr_l0 l0 = unknown_l0();
	cr_fields m = cr_merge(v, l0);
	word w = variable("written");
	z3::expr silent = !cr_write_exits(m, w).e;
	cr_fields after = { m.mask, m.shadow, (m.guest & m.mask) | (w & ~m.mask) };
	cr_fields alone = { v.mask, v.shadow, written_alone(v, w) };

	return {
		{ "L2 reads the same", z3::implies(silent, (cr_read(after) == cr_read(alone)).e) },
		{ "VMCS12 gets the same",
		  z3::implies(silent, (cr_guest_for_vmcs12(after, v, l0) == alone.guest).e) },
	};
}

/* LMSW is MOV to CR0 of the value it asks for, as far as exits go, if PE is not being cleared. */
static prove::statements lmsw()
{
	cr_fields v = unknown_fields();
	word source = variable("source") & word(0xffff);
	word asked = cr_lmsw_value(cr_read(v), source);
	prove::claim exits = cr_lmsw_exits(v, source);

	return {
		{ "LMSW exits as MOV to CR0 of its value does",
		  exits.e == cr_write_exits(v, asked).e },
		{ "LMSW never clears PE",
		  implies((cr_read(v) & word(1)) != word(0), (asked & word(1)) != word(0)) },
		{ "LMSW touches bits 3:0 only",
		  ((asked & ~word(15)) == (cr_read(v) & ~word(15))).e },
	};
}

int main()
{
	int refuted = prove::all("merge", merge) + prove::all("apply", apply) +
		      prove::all("no exit", no_exit) + prove::all("LMSW", lmsw);

	return refuted != 0;
}
