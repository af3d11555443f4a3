/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event injection, exhaustively: every type, vector and deliver-error-code bit, on every
 * kind of processor and guest, against a table written on its own from the SDM's
 * "VM-Entry Controls for Event Injection".
 */
/* sources: nested/entry/entry.c nested/entry/execution_controls.c
 * nested/entry/exit_controls.c nested/entry/entry_controls.c nested/entry/host_registers.c
 * nested/entry/host_segments.c nested/entry/address_space_size.c nested/entry/guest_registers.c
 * nested/entry/guest_segments.c nested/entry/guest_descriptor_tables.c
 * nested/entry/guest_rip_rflags.c nested/entry/guest_activity.c
 * nested/entry/guest_interruptibility.c nested/entry/guest_link_pointer.c
 * nested/entry/guest_pdptes.c
 */
#include "nested/test/entry_trial.h"

/* When an event of a type carries an error code. */
enum error_code {
	NEVER,
	BY_VECTOR,
};

/* One row for each interruption type, in the order of the numbers. */
static const struct {
	bool exists, needs_mtf, has_length;
	u32 first, last; /* vectors */
	enum error_code error_code;
} table[8] = {
	[0] = { true, false, false, 0, 255, NEVER }, [1] = { false, false, false, 0, 255, NEVER },
	[2] = { true, false, false, 2, 2, NEVER },   [3] = { true, false, false, 0, 31, BY_VECTOR },
	[4] = { true, false, true, 0, 255, NEVER },  [5] = { true, false, true, 0, 255, NEVER },
	[6] = { true, false, true, 0, 255, NEVER },  [7] = { true, true, false, 0, 0, NEVER },
};

/* Vectors 8, 10 to 14 and 17, one character each: 'y' pushes an error code. */
static const char pushes[] = "........y.yyyyy..y..............";

/* What a case is made of. */
struct injection {
	u32 type, vector, length;
	bool delivers, any_error_code, unrestricted, protected_mode, zero_length, mtf;
};

static bool error_code_allowed(const struct injection *i)
{
	/* A restricted guest is in protected mode as far as this check can tell. */
	bool real_mode = i->unrestricted && !i->protected_mode;

	if (table[i->type].error_code == NEVER || real_mode)
		return !i->delivers;
	return i->any_error_code || i->delivers == (pushes[i->vector] == 'y');
}

static bool expected(const struct injection *i)
{
	bool length = i->length <= 15 && (i->length > 0 || i->zero_length);

	return table[i->type].exists && (i->mtf || !table[i->type].needs_mtf) &&
	       i->vector >= table[i->type].first && i->vector <= table[i->type].last &&
	       error_code_allowed(i) && (length || !table[i->type].has_length);
}

static void begin(const struct injection *i)
{
	trial_begin();
	if (i->unrestricted)
		trial_proc2(PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
	if (!i->protected_mode)
		t.v.guest_cr0 &= ~(CR0_PE | CR0_PG);
	if (i->any_error_code)
		t.caps.basic |= VMX_BASIC_ANY_ERROR_CODE;
	if (!i->zero_length)
		t.caps.misc &= ~VMX_MISC_INJECT_LENGTH_ZERO;
	if (!i->mtf)
		trial_clear(&t.caps.proc1.may_be_1, PROC1_MONITOR_TRAP_FLAG);
}

/* Every event under one kind of processor and guest; returns how many were accepted. */
static unsigned int all_events(struct injection i)
{
	static const u32 lengths[] = { 0, 1, 15, 16, 0xffffffff };
	unsigned int count = 0;

	begin(&i);
	for (u32 n = 0; n < 8 * 256 * 2 * ARRAY_SIZE(lengths); n++) {
		struct check_failure why;
		bool accept;

		i.vector = n & 255;
		i.type = n >> 8 & 7;
		i.delivers = n >> 11 & 1;
		i.length = lengths[n >> 12];
		t.v.entry_interruption_information =
			BIT32(31) | (u32)i.delivers << 11 | i.type << 8 | i.vector;
		t.v.entry_instruction_length = i.length;
		t.v.entry_exception_error_code = i.delivers ? 0x8000 : ~0U;
		accept = entry_check_controls_and_host(&t.in, &why) == VMFAIL_NONE;
		count += accept;
		ok(accept == expected(&i),
		   "type %u vector %u error code %d length %u: %s (any %d unrestricted %d PE %d "
		   "zero %d MTF %d)",
		   i.type, i.vector, i.delivers, i.length, trial_reason(why), i.any_error_code,
		   i.unrestricted, i.protected_mode, i.zero_length, i.mtf);
	}
	return count;
}

/* No reserved bit is accepted with any type and vector; no error code of more than 16 bits. */
static void test_reserved_bits(void)
{
	struct check_failure why;

	trial_begin();
	for (u32 info = 0; info < 4096; info++) {
		for (unsigned int bit = 12; bit < 31; bit++) {
			t.v.entry_interruption_information = BIT32(31) | BIT32(bit) | info;
			t.v.entry_instruction_length = 1;
			t.v.entry_exception_error_code = 0;
			ok(entry_check_controls_and_host(&t.in, &why) ==
				   VMFAIL_ENTRY_INVALID_CONTROL,
			   "reserved bit %u with 0x%x", bit, info);
		}
	}
	t.v.entry_interruption_information = BIT32(31) | 0xb0d;
	for (unsigned int bit = 0; bit < 32; bit++) {
		t.v.entry_exception_error_code = BIT32(bit);
		ok((entry_check_controls_and_host(&t.in, &why) == VMFAIL_NONE) == (bit < 16),
		   "error code bit %u", bit);
	}
}

/* Without the valid bit nothing is looked at. */
static void test_not_valid(void)
{
	struct check_failure why;

	trial_begin();
	for (u32 info = 0; info < 4096; info++) {
		t.v.entry_interruption_information = 0x7ffff000 | info;
		ok(entry_check_controls_and_host(&t.in, &why) == VMFAIL_NONE, "not valid: 0x%x",
		   info);
	}
}

int main(void)
{
	for (unsigned int n = 0; n < 32; n++) {
		struct injection i = {
			.any_error_code = n & 1,
			.unrestricted = n & 2,
			.protected_mode = n & 4,
			.zero_length = n & 8,
			.mtf = n & 16,
		};

		ok(all_events(i) > 0, "some event is accepted");
	}
	test_reserved_bits();
	test_not_valid();
	return tap_end();
}
