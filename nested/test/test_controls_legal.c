/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whatever controls VMCS12 holds that the VM-entry checks accept under the capabilities L1
 * sees, the controls merged from them pass the same checks under the processor's: L1 cannot
 * make the VM entry of VMCS02 fail.  Random words, and those of real hypervisors.
 */
// clang-format off
/* sources: nested/entry/entry.c nested/entry/execution_controls.c nested/entry/exit_controls.c nested/entry/entry_controls.c nested/entry/host_registers.c nested/entry/host_segments.c nested/entry/address_space_size.c nested/entry/guest_registers.c nested/entry/guest_segments.c nested/entry/guest_descriptor_tables.c nested/entry/guest_rip_rflags.c nested/entry/guest_activity.c nested/entry/guest_interruptibility.c nested/entry/guest_link_pointer.c nested/entry/guest_pdptes.c nested/caps/caps.c nested/vmcs02/controls.c xmhf/x86/vmcs.c */
// clang-format on
#include "nested/test/entry_trial.h"

#include "nested/caps/caps.h"
#include "nested/vmcs02/controls.h"
#include "xmhf/test/random.h"

static struct vmx_caps hardware, caps12;
static struct control_policy policy;

/* Random bits that the capabilities allow; every @density-th on average, or all but those. */
static u32 random_word(struct vmx_control_caps caps, u32 density)
{
	u32 bits = random_u32();

	for (u32 i = 1; i < density; i++)
		bits &= random_u32();
	if (random_u32() % 8 == 0)
		bits = ~bits;
	return (bits & caps.may_be_1) | caps.must_be_1;
}

/* Good values for what any control could ask for. */
static void fill_fields(struct vmcs12 *v)
{
	v->io_bitmap_a_address = v->io_bitmap_b_address = v->msr_bitmap_address = TRIAL_PAGE;
	v->virtual_apic_address = v->apic_access_address = TRIAL_PAGE;
	v->posted_interrupt_descriptor_address = TRIAL_PAGE;
	v->posted_interrupt_notification_vector = 0xf2;
	v->eptp = TRIAL_PAGE | MEMORY_TYPE_WB | field_make(EPTP_WALK_LENGTH, 3) | EPTP_AD;
	v->eptp_list_address = v->pml_address = TRIAL_PAGE;
	v->vmread_bitmap_address = v->vmwrite_bitmap_address = TRIAL_PAGE;
	v->virtualization_exception_information_address = TRIAL_PAGE;
	v->vm_function_controls = 0;
	v->vpid = 1;
	v->tpr_threshold = 0;
	v->tsc_multiplier = TSC_MULTIPLIER_ONE;
}

static bool controls_pass(const struct vmcs12 *v, const struct vmx_caps *caps,
			  struct check_failure *why)
{
	struct entry_inputs in = t.in;
	struct entry_view view;

	in.vmcs12 = v;
	in.caps = caps;
	view = entry_view_of(&in);
	return entry_check_execution_controls(&view, why) &&
	       entry_check_exit_controls(&view, why) && entry_check_entry_controls(&view, why);
}

/* Returns false if VMCS12 itself is refused: then there is nothing to merge. */
static bool one_vmcs12(const struct control_words *l0)
{
	struct check_failure why = { 0 };
	struct vmcs12 v02 = t.v;
	struct control_words words, merged;

	if (!controls_pass(&t.v, &caps12, &why))
		return false;
	controls_of_vmcs12(&t.v, &words);
	controls_merge(&policy, &words, l0, &merged);
	v02.pin_based_controls = merged.pin;
	v02.processor_based_controls = merged.proc1;
	v02.secondary_processor_based_controls = merged.proc2;
	v02.exit_controls = merged.exit;
	v02.entry_controls = merged.entry;
	why = (struct check_failure){ 0 };
	ok(controls_pass(&v02, &hardware, &why),
	   "%s: pin 0x%x proc1 0x%x proc2 0x%x exit 0x%x entry 0x%x became 0x%x 0x%x 0x%x 0x%x "
	   "0x%x",
	   why.rule ? why.rule : "-", words.pin, words.proc1, words.proc2, words.exit, words.entry,
	   merged.pin, merged.proc1, merged.proc2, merged.exit, merged.entry);
	return true;
}

static void test_random(void)
{
	static const struct control_words l0_wishes[] = {
		{ 0 },
		{ .proc1 = PROC1_USE_IO_BITMAPS | PROC1_MONITOR_TRAP_FLAG | PROC1_MOV_DR_EXITING },
		{ .pin = PIN_NMI_EXITING | PIN_VIRTUAL_NMIS,
		  .proc1 = PROC1_NMI_WINDOW_EXITING | PROC1_INTERRUPT_WINDOW_EXITING },
		{ .pin = PIN_NMI_EXITING,
		  .proc1 = PROC1_USE_TSC_OFFSETTING,
		  .proc2 = PROC2_USE_TSC_SCALING },
	};
	u32 accepted = 0, refused = 0;

	while (accepted < 20000) {
		u32 density = 1 + random_u32() % 4;

		t.v.pin_based_controls = random_word(caps12.pin, density);
		t.v.processor_based_controls = random_word(caps12.proc1, density);
		t.v.secondary_processor_based_controls = random_word(caps12.proc2, density + 1);
		t.v.exit_controls = random_word(caps12.exit, density);
		t.v.entry_controls = random_word(caps12.entry, density);
		if (one_vmcs12(&l0_wishes[random_u32() % ARRAY_SIZE(l0_wishes)]))
			accepted++;
		else
			refused++;
		if (refused > 100 * 20000)
			break;
	}
	ok(accepted >= 20000, "%u accepted, %u refused", accepted, refused);
}

static void test_personas(void)
{
	static const u32 personas[][5] = {
		{ 0x3f, 0xb5a06dfa, 0xe3, 0x3efff, 0x11ff },
		{ 0x3f, 0xb5a06dfa, 0xe3, 0x3efff, 0x13ff },
		{ 0x7f, 0xb5a0fdfa, 0xeb, 0x436fff, 0x11ff },
		{ 0x7f, 0xb5a07dfe, 0xeb, 0x436fff, 0x13ff },
		{ 0x3f, 0xb6a06dfa, 0x001010af, 0x3efff, 0x13ff },
	};
	const struct control_words none = { 0 };

	for (u32 i = 0; i < ARRAY_SIZE(personas); i++) {
		t.v.pin_based_controls = personas[i][0];
		t.v.processor_based_controls = personas[i][1];
		t.v.secondary_processor_based_controls = personas[i][2];
		t.v.exit_controls = personas[i][3];
		t.v.entry_controls = personas[i][4];
		ok(one_vmcs12(&none), "persona %u is accepted as VMCS12", i);
	}
}

int main(void)
{
	trial_begin();
	fill_fields(&t.v);
	hardware = trial_caps();
	nested_caps_offer(&hardware, NULL, &caps12);
	controls_policy(&hardware, &policy);
	test_random();
	test_personas();
	return tap_end();
}
