/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interruption information: what VM entry accepts, against SDM "VM-Entry Controls for Event
 * Injection", for every processor and guest; and an event whose delivery an exit interrupted is
 * injected again as it was, by a VM entry that accepts it.
 */
/* sources: nested/entry/entry.c nested/entry/entry_controls.c
 * nested/event/event.c nested/event/nmi.c */
#include "nested/test/prove.h"

#include "nested/entry/entry_view.h"
#include "nested/event/event.h"

/* What decides besides VMCS12's fields for the event. */
struct setting {
	bool any_error_code; /* IA32_VMX_BASIC[56] */
	bool zero_length;    /* IA32_VMX_MISC[30] */
	bool has_mtf;	     /* the processor has the monitor trap flag */
	bool real_mode;	     /* CR0.PE = 0 in an unrestricted guest */
};

/* Vectors 8, 10 to 14 and 17. */
static bool pushes(u32 vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

static bool is_accepted(u32 info, u32 error_code, u32 length, struct setting s)
{
	u32 vector = info & 0xff, type = info >> 8 & 7;
	bool delivers = info >> 11 & 1, has_code = type == 3 && !s.real_mode;
	bool is_software = type >= 4 && type <= 6;

	if (!(info >> 31))
		return true;
	if (info & 0x7ffff000)
		return false;
	if (type == 1 || (type == 7 && !s.has_mtf))
		return false;
	if ((type == 2 && vector != 2) || (type == 3 && vector > 31) || (type == 7 && vector != 0))
		return false;
	if (!has_code && delivers)
		return false;
	if (has_code && !s.any_error_code && delivers != pushes(vector))
		return false;
	if (delivers && error_code > 0xffff)
		return false;
	return !is_software || (length <= 15 && (length > 0 || s.zero_length));
}

/* A processor and a VMCS12 without another reason to fail. */
static struct setting any_setting(struct vmx_caps *caps, struct vmcs12 *v, struct entry_inputs *in)
{
	bool unrestricted = any_bool("unrestricted guest");
	struct setting s = { 0 };

	any_memory(caps, sizeof(*caps), "processor");
	any_memory(v, sizeof(*v), "VMCS12");
	*in = (struct entry_inputs){ .vmcs12 = v, .caps = caps };
	v->processor_based_controls = (u32)unrestricted << 31;
	v->secondary_processor_based_controls |= 1U << 7;
	v->entry_controls = caps->entry.must_be_1;
	v->entry_msr_load_count = 0;
	given(!(caps->entry.must_be_1 & ~caps->entry.may_be_1));
	/* It does not force SMM, or the loading of IA32_RTIT_CTL. */
	given(!(caps->entry.must_be_1 & (1U << 10 | 1U << 11 | 1U << 17 | 1U << 18)));
	s.any_error_code = caps->basic >> 56 & 1;
	s.zero_length = caps->misc >> 30 & 1;
	s.has_mtf = caps->proc1.may_be_1 >> 27 & 1;
	s.real_mode = unrestricted && !(v->guest_cr0 & 1);
	return s;
}

static bool entry_accepts(const struct entry_inputs *in)
{
	const struct entry_view e = entry_view_of(in);
	struct check_failure why = { 0 };

	return entry_check_entry_controls(&e, &why);
}

void prove_injection(void)
{
	struct vmx_caps caps;
	struct vmcs12 v;
	struct entry_inputs in;
	struct setting s = any_setting(&caps, &v, &in);

	must(entry_accepts(&in) == is_accepted(v.entry_interruption_information,
					       v.entry_exception_error_code,
					       v.entry_instruction_length, s),
	     "an event is accepted exactly by the SDM's rules");
}

/* SDM "Information for VM Exits That Occur During Event Delivery": what a processor reports. */
static bool can_be_reported(u32 info, u32 error_code, u32 length, struct setting s)
{
	u32 vector = info & 0xff, type = info >> 8 & 7;
	bool has_code = info >> 11 & 1, is_software = type >= 4 && type <= 6;

	if (type == 1 || type == 7 || (type == 2 && vector != 2) || (type == 3 && vector > 31))
		return false;
	if (has_code != (type == 3 && pushes(vector) && !s.real_mode))
		return false;
	return (!has_code || error_code <= 0xffff) &&
	       (!is_software || (length >= 1 && length <= 15));
}

void prove_reinjection(void)
{
	struct vmx_caps caps;
	struct vmcs12 v;
	struct entry_inputs in;
	struct setting s = any_setting(&caps, &v, &in);
	u32 info = any_u32("IDT-vectoring information"), code = any_u32("error code");
	u32 length = any_u32("length");
	struct entry_event event = event_from_idt_vectoring(info, code, length);

	must((event.information ^ info) >> 31 == 0, "an event is injected if one was interrupted");
	given(info >> 31);
	must((event.information & 0xfff) == (info & 0xfff), "it is the same event");
	given(can_be_reported(info, code, length, s));
	must(!(info >> 11 & 1) || event.error_code == code, "with its error code");
	v.entry_interruption_information = event.information;
	v.entry_exception_error_code = event.error_code;
	v.entry_instruction_length = event.instruction_length;
	must(entry_accepts(&in), "VM entry accepts it");
}

/* SDM "Interrupt 8-Double Fault Exception": the table of classes, by vectors. */
void prove_double_faults(void)
{
	u32 first = any_u32("first");
	u8 vector = first & 0xff, second = any_u8("second");
	bool is_exception = first >> 31 && (first >> 8 & 7) == 3;
	bool first_contributes = vector == 0 || (vector >= 10 && vector <= 13) || vector == 21;
	bool second_contributes = second == 0 || (second >= 10 && second <= 13) || second == 21;
	bool first_faults = vector == 14 || vector == 20,
	     second_faults = second == 14 || second == 20;
	enum event_combination expected = EVENT_COMBINE_SECOND;

	if (is_exception && vector == 8 && (second_contributes || second_faults || second == 8))
		expected = EVENT_COMBINE_TRIPLE_FAULT;
	else if (is_exception && ((first_contributes && second_contributes) ||
				  (first_faults && (second_contributes || second_faults))))
		expected = EVENT_COMBINE_DOUBLE_FAULT;
	must(event_combine(first, second) == expected, "classes of exceptions");
}

/* An exit that L0 handles leaves NMI blocking as the instruction found it. */
void prove_nmi_blocking(void)
{
	struct event_exit e;
	struct event_resume r;
	bool was_nmi;

	any_memory(&e, sizeof(e), "exit");
	event_resume_after_exit(&e, &r);
	was_nmi = e.idt_vectoring_information >> 31 && (e.idt_vectoring_information >> 8 & 7) == 2;
	must(((r.interruptibility_state ^ e.interruptibility_state) & ~8U) == 0, "bit 3 only");
	if (was_nmi)
		must(!(r.interruptibility_state & 8), "an interrupted NMI is injected unblocked");
	else
		must((r.interruptibility_state & 8) >= (e.interruptibility_state & 8),
		     "blocking stays");
	/* "Resuming Guest Software": not where an event was interrupted. */
	if (e.idt_vectoring_information >> 31 && !was_nmi)
		must(r.interruptibility_state == e.interruptibility_state, "as it was");
}
