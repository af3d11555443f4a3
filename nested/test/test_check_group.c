/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checks that a VM entry leaves out.  From a VMCS12 that passes all checks, one field is
 * changed; the checks of its groups alone must say what all checks say.  Every field, with
 * every single bit flipped and values from a pool, over a random walk of good VMCS12s.
 */
/* sources: nested/entry/entry.c nested/entry/execution_controls.c
 * nested/entry/exit_controls.c nested/entry/entry_controls.c nested/entry/host_registers.c
 * nested/entry/host_segments.c nested/entry/address_space_size.c nested/entry/guest_registers.c
 * nested/entry/guest_segments.c nested/entry/guest_descriptor_tables.c
 * nested/entry/guest_rip_rflags.c nested/entry/guest_activity.c
 * nested/entry/guest_interruptibility.c nested/entry/guest_link_pointer.c
 * nested/entry/guest_pdptes.c nested/entry/recheck.c nested/vmcs12/check_group.c
 * nested/vmcs12/vmcs12.c xmhf/x86/vmcs.c
 */
#include "nested/entry/recheck.h"
#include "nested/test/entry_trial.h"
#include "nested/state.h"
#include "nested/vmcs12/check_group.h"
#include "xmhf/test/random.h"

#define STEPS 120

struct verdict {
	enum vm_instruction_error error;
	bool guest;
	enum entry_failure_qualification qualification;
};

static u64 from_pool(void)
{
	static const u64 pool[] = {
		0,
		1,
		2,
		3,
		4,
		8,
		16,
		0x1000,
		TRIAL_PAGE,
		~0ULL,
		0x8000000000000000ULL,
		0xffffffff,
		0x80000202,
		0x80000b0d,
		0x8000030e,
		0x80000020,
		0x80000300,
		0x80000603,
		0x80000401,
		0x80000700,
		0x80000501,
		0x202,
		0x302,
		0x20202,
		0x10002,
		2,
		0x93,
		0x9b,
		0xa09b,
		0xc09b,
		0x8b,
		0x10000,
		0xf3,
		0x4000,
		0x5000,
		0x800000000000ULL,
		0xffff800000000000ULL,
		0x500,
	};
	u64 r = random_u64();

	return r & 1 ? pool[(r >> 1) % ARRAY_SIZE(pool)] : random_u64() >> (r >> 1 & 63);
}

static bool passes(const struct verdict *v)
{
	return !v->error && v->guest;
}

static struct verdict check(u32 groups)
{
	struct verdict v = { .guest = true, .qualification = ENTRY_FAILURE_DEFAULT };
	struct check_failure why = { 0 };

	v.error = entry_recheck_controls(&t.in, groups, &why);
	if (!v.error)
		v.guest = entry_recheck_guest(&t.in, groups, &v.qualification, &why);
	if (v.guest)
		v.qualification = ENTRY_FAILURE_DEFAULT;
	return v;
}

static unsigned long accepted_changes, refused_changes, differences;

static void compare(enum vmcs_index field, u64 value)
{
	u64 before = vmcs12_get(&t.v, field);
	struct verdict all, some;

	vmcs12_set(&t.v, field, value);
	all = check((u32)CHECK_ALL);
	some = check(check_group_of(field));
	if (all.error != some.error || all.guest != some.guest ||
	    all.qualification != some.qualification) {
		if (!differences++)
			printf("# %s = 0x%llx: all checks %u %u %u, its groups %u %u %u\n",
			       vmcs_fields[field].name, (unsigned long long)value, all.error,
			       all.guest, all.qualification, some.error, some.guest,
			       some.qualification);
	}
	if (passes(&all))
		accepted_changes++;
	else
		refused_changes++;
	vmcs12_set(&t.v, field, before);
}

static void compare_field(enum vmcs_index field)
{
	u64 value = vmcs12_get(&t.v, field);

	for (unsigned int bit = 0; bit < 64; bit++)
		compare(field, value ^ BIT(bit));
	for (unsigned int i = 0; i < 16; i++)
		compare(field, from_pool());
}

/* Half of the changes are in fields whose rules depend on each other. */
static enum vmcs_index random_field(void)
{
	static const u16 entangled[] = {
		VMCS_INDEX_guest_rflags,	 VMCS_INDEX_guest_interruptibility_state,
		VMCS_INDEX_guest_activity_state, VMCS_INDEX_guest_pending_debug_exceptions,
		VMCS_INDEX_guest_ia32_debugctl,	 VMCS_INDEX_entry_interruption_information,
		VMCS_INDEX_pin_based_controls,	 VMCS_INDEX_entry_controls,
	};
	u64 r = random_u64();

	if (r & 1)
		return (enum vmcs_index)entangled[(r >> 1) % ARRAY_SIZE(entangled)];
	return (enum vmcs_index)((r >> 1) % VMCS_FIELD_COUNT);
}

/* Goes to another good VMCS12, a few changes away. */
static void walk(void)
{
	for (unsigned int changed = 0, tries = 0; changed < 6 && tries < 2000; tries++) {
		enum vmcs_index field = random_field();
		u64 before = vmcs12_get(&t.v, field);
		struct verdict v;

		vmcs12_set(&t.v, field,
			   random_u64() & 1 ? before ^ BIT(random_u64() % 16) : from_pool());
		v = check((u32)CHECK_ALL);
		if (passes(&v))
			changed++;
		else
			vmcs12_set(&t.v, field, before);
	}
}

/* A good VMCS12 to start from, with a TPR shadow every other time. */
static void begin(bool has_tpr_shadow)
{
	trial_begin();
	if (!has_tpr_shadow)
		return;
	t.v.processor_based_controls |= PROC1_USE_TPR_SHADOW;
	t.v.virtual_apic_address = TRIAL_PAGE;
	t.v.tpr_threshold = 0;
	t.in.virtual_tpr = 0x50;
}

int main(void)
{
	for (unsigned int step = 0; step < STEPS; step++) {
		if (step % 12 == 0)
			begin(step % 24);
		else
			walk();
		for (unsigned int f = 0; f < VMCS_FIELD_COUNT; f++)
			compare_field((enum vmcs_index)f);
	}
	is_u64(differences, 0, "the groups of a field say what all checks say");
	ok(accepted_changes > 10000, "%lu changes are accepted", accepted_changes);
	ok(refused_changes > 10000, "%lu changes are refused", refused_changes);
	return tap_end();
}
