/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS12s a few random writes away from a good one, on processors that lack random
 * features: the checks are deterministic, give a reason exactly if they refuse, change
 * nothing, and never look at a field that no control gives a meaning.
 */
/* sources: nested/entry/entry.c nested/entry/execution_controls.c
 * nested/entry/exit_controls.c nested/entry/entry_controls.c nested/entry/host_registers.c
 * nested/entry/host_segments.c nested/entry/address_space_size.c nested/entry/guest_registers.c
 * nested/entry/guest_segments.c nested/entry/guest_descriptor_tables.c
 * nested/entry/guest_rip_rflags.c nested/entry/guest_activity.c
 * nested/entry/guest_interruptibility.c nested/entry/guest_link_pointer.c
 * nested/entry/guest_pdptes.c nested/entry/entry_msr_load.c xmhf/memory/mtrr.c
 * nested/vmcs12/vmcs12.c xmhf/x86/vmcs.c
 */
#include "nested/entry/entry_msr_load.h"
#include "nested/test/entry_trial.h"
#include "xmhf/lib/bug.h"

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size);

void bug_stop(const char *file, int line, const char *claim)
{
	printf("%s:%d: %s\n", file, line, claim);
	abort();
}

/* The fuzzer's bytes; zeros at their end. */
struct bytes {
	const unsigned char *next;
	size_t left;
};

static u64 take(struct bytes *bytes, size_t count)
{
	u64 value = 0;

	for (size_t i = 0; i < count && bytes->left; i++, bytes->left--)
		value |= (u64)*bytes->next++ << 8 * i;
	return value;
}

struct outcome {
	enum vm_instruction_error error;
	bool guest;
	enum entry_failure_qualification qualification;
	struct check_failure why, guest_why;
};

static struct outcome check(void)
{
	struct outcome o;

	memset(&o, 0, sizeof(o));
	o.error = entry_check_controls_and_host(&t.in, &o.why);
	o.guest = entry_check_guest(&t.in, &o.qualification, &o.guest_why);
	return o;
}

/* A processor without some features.  What it must have stays. */
static void take_features_away(struct bytes *bytes)
{
	struct vmx_control_caps *words[] = { &t.caps.pin, &t.caps.proc1, &t.caps.proc2,
					     &t.caps.exit, &t.caps.entry };
	u64 choice = take(bytes, 1);

	if (choice < 5)
		words[choice]->may_be_1 &= words[choice]->must_be_1 | (u32)take(bytes, 4);
	else if (choice == 5)
		t.caps.misc &= take(bytes, 8);
	else if (choice == 6)
		t.caps.ept_vpid &= take(bytes, 8);
	else if (choice == 7)
		t.caps.physical_address_width = (u8)(32 + take(bytes, 1) % 21);
	else if (choice == 8)
		t.caps.linear_address_width = 57;
	else if (choice == 9)
		t.caps.basic ^= take(bytes, 8) & ~low_bits(48);
}

/* A new value for a field: any, one bit turned, an address, or all-ones. */
static u64 changed(u64 old, struct bytes *bytes)
{
	u64 how = take(bytes, 1);

	switch (how & 3) {
	case 0:
		return take(bytes, 8);
	case 1:
		return old ^ BIT(how >> 2);
	case 2:
		return BIT(how >> 2) - 1;
	default:
		return take(bytes, 2) << (how >> 2);
	}
}

static void mutate(struct bytes *bytes)
{
	while (bytes->left) {
		u64 what = take(bytes, 1);

		if (what < VMCS_FIELD_COUNT) {
			enum vmcs_index field = (enum vmcs_index)what;

			vmcs12_set(&t.v, field, changed(vmcs12_get(&t.v, field), bytes));
		} else if (what < 220) {
			take_features_away(bytes);
		} else if (what < 240) {
			t.in.pdptes[what & 3] = take(bytes, 8);
		} else if (what < 250) {
			t.in.link_revision = (u32)take(bytes, 4);
			t.in.virtual_tpr = (u8)take(bytes, 1);
		} else {
			t.in.l1_in_ia32e_mode = what & 1;
			t.in.l1_traces = what & 2;
		}
	}
}

/* Claim: the control of @condition is on in the view @e. */
static bool is_on(const struct entry_view *e, struct vmcs_condition condition)
{
	const u64 words[VMX_WORD_COUNT] = {
		[VMX_WORD_NONE] = ~0ULL,       [VMX_WORD_PIN] = e->pin,
		[VMX_WORD_PROC1] = e->proc1,   [VMX_WORD_PROC2] = e->proc2,
		[VMX_WORD_PROC3] = e->proc3,   [VMX_WORD_EXIT] = e->exit,
		[VMX_WORD_EXIT2] = e->exit2,   [VMX_WORD_ENTRY] = e->entry,
		[VMX_WORD_VMFUNC] = e->vmfunc,
	};

	return words[condition.word] & condition.mask;
}

/* Turns over every field that exists only for controls that are off, and the addresses of
 * empty lists. */
static void junk_in_unused_fields(void)
{
	const struct entry_view e = entry_view_of(&t.in);

	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		enum vmcs_index field = (enum vmcs_index)i;

		if (!is_on(&e, vmcs_fields[i].exists_if[0]) &&
		    !is_on(&e, vmcs_fields[i].exists_if[1]))
			vmcs12_set(&t.v, field, ~vmcs12_get(&t.v, field));
	}
	if (!t.v.exit_msr_store_count)
		t.v.exit_msr_store_address ^= ~0ULL;
	if (!t.v.exit_msr_load_count)
		t.v.exit_msr_load_address ^= ~0ULL;
	if (!t.v.entry_msr_load_count)
		t.v.entry_msr_load_address ^= ~0ULL;
	t.v.executive_vmcs_pointer ^= ~0ULL;
	t.v.tsc_offset ^= ~0ULL;
}

static void check_msr_entry(struct bytes *bytes)
{
	const struct mtrr_state mtrrs = { .cap = 8 | MTRRCAP_FIX,
					  .physical_address_width = t.caps.physical_address_width };
	struct entry_msr_state state = { &t.caps, &mtrrs, t.v.guest_cr0, take(bytes, 2) };
	struct vmx_msr_entry entry = { (u32)take(bytes, 4), (u32)take(bytes, 1), take(bytes, 8) };
	struct check_failure why;
	enum entry_msr_verdict verdict = entry_msr_load_verdict(&entry, &state, &why);

	bug_if((verdict == ENTRY_MSR_REFUSED) != (why.rule != NULL));
	verdict = entry_msr_store_verdict(&entry, &state, &why);
	bug_if((verdict == ENTRY_MSR_REFUSED) != (why.rule != NULL));
}

int LLVMFuzzerTestOneInput(const unsigned char *input, size_t size)
{
	struct bytes bytes = { input, size };
	struct outcome first, second;
	u64 base;

	trial_begin();
	base = take(&bytes, 1);
	if (base & 1)
		trial_proc2(PROC2_ENABLE_EPT | (base & 2 ? PROC2_UNRESTRICTED_GUEST : 0));
	if (base & 4)
		trial_guest_32_bit(base & 8 ? CR4_PAE : 0);
	check_msr_entry(&bytes);
	mutate(&bytes);

	good = t;
	first = check();
	bug_if(memcmp(&good, &t, sizeof(t)) != 0);
	bug_if((first.error != VMFAIL_NONE) != (first.why.rule != NULL));
	bug_if(first.guest == (first.guest_why.rule != NULL));
	bug_if(first.guest && first.qualification != ENTRY_FAILURE_DEFAULT);
	second = check();
	bug_if(memcmp(&first, &second, sizeof(first)) != 0);

	junk_in_unused_fields();
	second = check();
	bug_if(memcmp(&first, &second, sizeof(first)) != 0);
	return 0;
}
