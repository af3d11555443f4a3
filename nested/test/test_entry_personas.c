/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control words that real hypervisors wrote into their VMCS12s are accepted, with junk in
 * every field that those words give no meaning, and L2 in each mode they run it in.
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

struct persona {
	const char *name;
	u32 pin, proc1, proc2, exit, entry;
};

static const struct persona personas[] = {
	{ "KVM 5.10", 0x3f, 0xb5a06dfa, 0xe3, 0x3efff, 0x11ff },
	{ "KVM 5.10, 64-bit L2", 0x3f, 0xb5a06dfa, 0xe3, 0x3efff, 0x13ff },
	{ "VirtualBox 6.1, PG=0", 0x7f, 0xb5a0fdfa, 0xeb, 0x436fff, 0x11ff },
	{ "VirtualBox 6.1, PG=1", 0x7f, 0xb5a07dfe, 0xeb, 0x436fff, 0x11ff },
	{ "VirtualBox 6.1, 64-bit", 0x7f, 0xb5a06dfa, 0xeb, 0x436fff, 0x13ff },
	{ "Hyper-V", 0x3f, 0xb6a06dfa, 0x001810af, 0x103efff, 0x213ff },
	{ "Hyper-V, retry", 0x3f, 0xb6206dfa, 0x001810af, 0x103efff, 0x213ff },
};

/* Good values for the fields that the words of all personas together enable. */
static void begin(const struct persona *persona)
{
	trial_begin();
	trial_proc2(PROC2_ENABLE_EPT);
	t.v.pin_based_controls = persona->pin;
	t.v.processor_based_controls = persona->proc1;
	t.v.secondary_processor_based_controls = persona->proc2;
	t.v.exit_controls = persona->exit;
	t.v.entry_controls = persona->entry;
	t.v.vpid = 1;
	t.v.tpr_threshold = 0;
	t.v.virtual_apic_address = t.v.apic_access_address = TRIAL_PAGE;
	t.v.guest_ia32_debugctl = 0;
	t.v.guest_dr7 = DR7_FIXED_1;
	if (persona->proc1 & PROC1_USE_IO_BITMAPS)
		t.v.io_bitmap_a_address = t.v.io_bitmap_b_address = TRIAL_PAGE;
	if (persona->proc1 & PROC1_USE_MSR_BITMAPS)
		t.v.msr_bitmap_address = TRIAL_PAGE;
}

static void begin_32_bit(const struct persona *persona, u64 paging)
{
	begin(persona);
	trial_guest_32_bit(paging);
	t.v.guest_pdpte0 = t.v.guest_pdpte1 = t.v.guest_pdpte2 = t.v.guest_pdpte3 = 0;
}

/* Real-address mode at reset: CR0 with NE, which VMX keeps. */
static void begin_real_mode(const struct persona *persona)
{
	begin_32_bit(persona, 0);
	t.v.guest_cr0 = CR0_NE | CR0_ET;
	t.v.guest_cs_selector = 0xf000;
	t.v.guest_cs_base = 0xffff0000;
	t.v.guest_rip = 0xfff0;
	t.v.guest_cs_limit = t.v.guest_ss_limit = t.v.guest_ds_limit = 0xffff;
	t.v.guest_es_limit = t.v.guest_fs_limit = t.v.guest_gs_limit = 0xffff;
	t.v.guest_cs_access_rights = 0x9b;
	t.v.guest_ss_access_rights = t.v.guest_ds_access_rights = 0x93;
	t.v.guest_es_access_rights = t.v.guest_fs_access_rights = 0x93;
	t.v.guest_gs_access_rights = 0x93;
}

static void test_persona(const struct persona *persona)
{
	bool unrestricted = persona->proc2 & PROC2_UNRESTRICTED_GUEST;

	printf("# %s\n", persona->name);
	if (persona->entry & ENTRY_IA32E_MODE_GUEST) {
		begin(persona);
		accepted();
		return;
	}
	begin_32_bit(persona, 0);
	accepted();
	begin_32_bit(persona, CR4_PAE);
	accepted();
	t.v.guest_pdpte3 = 3;
	refused_guest_with(ENTRY_FAILURE_PDPTE, "IMPLIES(present, !(entry & PDPTE_RESERVED))");
	if (!unrestricted)
		return;
	begin_32_bit(persona, CR4_PAE);
	t.v.guest_cr0 &= ~CR0_PG;
	accepted();
	begin_real_mode(persona);
	accepted();
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(personas); i++)
		test_persona(&personas[i]);
	return tap_end();
}
