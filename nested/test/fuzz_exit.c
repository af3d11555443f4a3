/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A random VMCS12, a random exit: the owner, the merged controls and the state of L1 after
 * the exit are computed without a trap of the sanitizers, and what they must keep holds.
 */
/* sources: nested/exit/owner.c nested/exit/owner_access.c nested/exit/host_state.c
 * nested/vmcs02/controls.c nested/vmcs02/msr_bitmap.c nested/vmcs02/cr.c nested/event/event.c
 * nested/event/nmi.c */
#include "nested/exit/owner.h"

#include <string.h>
#include "xmhf/x86/cpu.h"
#include "nested/event/event.h"
#include "nested/exit/host_state.h"
#include "nested/vmcs02/controls.h"
#include "nested/vmcs02/cr.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct input {
	struct vmcs12 vmcs12;
	struct owner_exit exit;
	struct control_words l0;
	struct vmx_caps hardware;
	struct host_state_before before;
	struct event_exit event;
	u64 cr_mask, cr_value, written;
	u32 l0_exceptions;
};

#define CLAIM(c)                          \
	do {                              \
		if (!(c))                 \
			__builtin_trap(); \
	} while (0)

/* bool members must hold 0 or 1. */
static bool make_bool(const void *member)
{
	return *(const unsigned char *)member & 1;
}

static void check_controls(const struct input *in)
{
	struct control_policy policy;
	struct control_words words, merged;

	controls_policy(&in->hardware, &policy);
	controls_of_vmcs12(&in->vmcs12, &words);
	controls_merge(&policy, &words, &in->l0, &merged);
	CLAIM(!(merged.pin & ~in->hardware.pin.may_be_1));
	CLAIM(!(merged.proc1 & ~in->hardware.proc1.may_be_1));
	CLAIM(!(merged.proc2 & ~in->hardware.proc2.may_be_1));
	CLAIM(!(in->hardware.exit.must_be_1 & in->hardware.exit.may_be_1 & ~merged.exit));
	CLAIM(!(merged.proc2 & ~in->hardware.proc2.must_be_1 & PROC2_VMCS_SHADOWING));
	CLAIM(!(merged.entry & ENTRY_ENTRY_TO_SMM) ||
	      (in->hardware.entry.must_be_1 & ENTRY_ENTRY_TO_SMM));
}

static void check_cr(const struct input *in)
{
	struct cr_fields v = { in->vmcs12.cr0_guest_host_mask, in->vmcs12.cr0_read_shadow,
			       in->vmcs12.guest_cr0 };
	struct cr_l0 l0 = { in->cr_mask, in->cr_value };
	struct cr_fields m = cr_merge(v, l0);

	CLAIM(cr_read(m) == cr_read(v));
	CLAIM(cr_guest_for_vmcs12(m, v, l0) == v.guest);
	CLAIM(!cr_write_exits(v, in->written) || cr_write_exits(m, in->written));
	if (!cr_write_exits(v, in->written)) {
		m = cr_apply_write(m, v, l0, in->written);
		CLAIM((cr_read(m) & ~v.mask) == (in->written & ~v.mask));
	}
}

static void check_events(const struct input *in)
{
	struct event_resume resume;

	event_resume_after_exit(&in->event, &resume);
	CLAIM(!(resume.inject.information & ~0x80000fffU));
	CLAIM((resume.inject.information ^ in->event.idt_vectoring_information) >> 31 == 0);
	CLAIM(!((resume.interruptibility_state ^ in->event.interruptibility_state) &
		~BLOCKING_BY_NMI));
}

/* L1's pages, filled with what the fuzzer has left; some are not there. */
static void take_pages(const unsigned char *data, size_t size, struct owner_pages *pages)
{
	static u8 memory[4096];

	for (size_t i = 0; i < sizeof(memory); i++)
		memory[i] = size ? data[i % size] : 0;
	*pages = (struct owner_pages){ memory, memory, memory, memory, memory };
	if (size && data[0] & 1)
		pages->msr_bitmap = pages->io_bitmap_b = pages->vmread_bitmap = NULL;
	if (size && data[0] & 2)
		pages->io_bitmap_a = pages->vmwrite_bitmap = NULL;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct owner_pages pages;
	struct host_state state;
	struct input in;

	memset(&in, 0, sizeof(in));
	memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
	take_pages(data + (size < sizeof(in) ? size : sizeof(in)),
		   size < sizeof(in) ? 0 : size - sizeof(in), &pages);
	in.exit.l2_is_64bit_code = make_bool(&in.exit.l2_is_64bit_code);
	in.exit.init_is_l0_kick = make_bool(&in.exit.init_is_l0_kick);
	in.exit.mtf_was_injected = make_bool(&in.exit.mtf_was_injected);
	in.before.exit_is_nmi = make_bool(&in.before.exit_is_nmi);
	in.hardware.physical_address_width = (u8)(36 + in.hardware.physical_address_width % 17);
	if (in.exit.exit_reason & EXIT_REASON_ENTRY_FAILURE)
		CLAIM(owner_of_exit(&in.vmcs12, &pages, &in.exit) == OWNER_L0);
	in.exit.exit_reason = (in.exit.exit_reason & 0x7f) % (EXIT_REASON_COUNT + 4);
	(void)owner_of_exit(&in.vmcs12, &pages, &in.exit);
	check_controls(&in);
	check_cr(&in);
	check_events(&in);
	host_state_compute(&in.vmcs12, &in.hardware, &in.before, &state);
	CLAIM(state.rflags == RFLAGS_FIXED_1 && state.activity_state == ACTIVITY_ACTIVE);
	CLAIM(!(state.cr3 >> in.hardware.physical_address_width));
	return 0;
}
