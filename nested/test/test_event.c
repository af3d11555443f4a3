/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events: re-injection for every interruption information, the NMI truth table, double
 * faults from the SDM's table, windows, and the preemption timer against counting ticks.
 */
/* sources: nested/event/event.c nested/event/nmi.c nested/event/preemption_timer.c */
#include "nested/event/event.h"

#include "xmhf/test/tap.h"
#include "xmhf/x86/cpu.h"
#include "nested/event/preemption_timer.h"

#define VALID 0x80000000U

/* Every type and vector, with junk in the bits that are undefined. */
static void test_reinjection(void)
{
	for (u32 type = 0; type < 8; type++)
		for (u32 vector = 0; vector < 256; vector++)
			for (u32 n = 0; n < 8; n++) {
				u32 code_bit = n & 1 ? 0x800 : 0, junk = n & 2 ? 0x1000 : 0;
				u32 info =
					vector | type << 8 | code_bit | junk | (n & 4 ? VALID : 0);
				struct entry_event e = event_from_idt_vectoring(info, 0x1234, 3);
				bool software = type == 4 || type == 5 || type == 6;

				if (!(n & 4)) {
					ok(e.information == 0, "nothing to inject");
					continue;
				}
				is_u64(e.information, VALID | vector | type << 8 | code_bit,
				       "information");
				is_u64(e.error_code, code_bit ? 0x1234 : 0, "error code");
				is_u64(e.instruction_length, software ? 3 : 0, "length");
			}
}

/* An NMI whose delivery exited (EPT violation): injected again, with blocking taken back. */
static void test_interrupted_nmi(void)
{
	for (u32 n = 0; n < 16; n++) {
		struct event_exit e = { .exit_reason = EXIT_REASON_EPT_VIOLATION,
					.idt_vectoring_information = VALID | 2U << 8 | 2,
					.interruptibility_state = n,
					.qualification = BIT(12),
					.pin_controls = PIN_NMI_EXITING | PIN_VIRTUAL_NMIS };
		struct event_resume r;

		event_resume_after_exit(&e, &r);
		is_u64(r.inject.information, VALID | 2U << 8 | 2, "NMI again");
		is_u64(r.interruptibility_state, n & ~8U, "blocking cleared before injection");
		e.idt_vectoring_information = VALID | 3U << 8 | 14 | 0x800;
		e.idt_vectoring_error_code = 7;
		event_resume_after_exit(&e, &r);
		is_u64(r.interruptibility_state, n, "a page fault does not touch blocking");
		is_u64(r.inject.error_code, 7, "its error code");
	}
}

/* "NMI unblocking due to IRET": where it is defined, it sets blocking again. */
static void test_iret(void)
{
	static const struct {
		u32 reason, info;
		u64 qualification;
		bool defined;
	} exits[] = {
		{ 0, VALID | 3U << 8 | 14 | 0x1000, 0, true },
		{ 0, VALID | 3U << 8 | 14, 0x1000, false },
		{ 0, VALID | 3U << 8 | 8 | 0x1000, 0, false }, /* double fault: undefined */
		{ 48, 0, 0x1000, true },
		{ 48, 0x1000, 0, false },
		{ 62, 0, 0x1000, true },
		{ 66, 0, 0x1000, true },
		{ 49, 0, 0x1000, false }, /* a misconfiguration has no such bit */
		{ 28, 0x1000, 0x1000, false },
		{ 10, 0x1000, 0x1000, false },
	};

	for (u32 i = 0; i < ARRAY_SIZE(exits); i++)
		for (u32 n = 0; n < 8; n++) {
			struct event_exit e = {
				.exit_reason = exits[i].reason,
				.interruption_information = exits[i].info,
				.qualification = exits[i].qualification,
				.idt_vectoring_information = n & 1 ? VALID | 0x20 : 0,
				.pin_controls = (n & 2 ? PIN_NMI_EXITING : 0U) |
						(n & 4 ? PIN_VIRTUAL_NMIS : 0U),
				.interruptibility_state = 0,
			};
			bool expected = exits[i].defined && !(n & 1) && (n & 6) != 2;
			struct event_resume r;

			ok(event_iret_unblocked_nmi(&e) == expected, "exit %u case %u", i, n);
			event_resume_after_exit(&e, &r);
			is_u64(r.interruptibility_state, expected ? 8 : 0, "blocked again");
			is_u64(r.inject.information, n & 1 ? VALID | 0x20 : 0, "event");
		}
}

/* SDM table "Conditions for Generating a Double Fault", row by row. */
static void test_combination(void)
{
	/* b: benign, c: contributory, p: page fault or #VE, d: double fault */
	static const char classes[33] = "cbbbbbbbdbccccpbbbbbpcbbbbbbbbbb";

	for (u32 first = 0; first < 32; first++)
		for (u32 second = 0; second < 32; second++) {
			char a = classes[first], b = classes[second];
			enum event_combination expected = EVENT_COMBINE_SECOND;

			if ((a == 'c' && b == 'c') || (a == 'p' && (b == 'c' || b == 'p')))
				expected = EVENT_COMBINE_DOUBLE_FAULT;
			if (a == 'd' && (b == 'c' || b == 'p' || b == 'd'))
				expected = EVENT_COMBINE_TRIPLE_FAULT;
			ok(event_combine(VALID | 3U << 8 | first, (u8)second) == expected,
			   "%u then %u", first, second);
			ok(event_combine(3U << 8 | first, (u8)second) == EVENT_COMBINE_SECOND,
			   "no first event");
			for (u32 type = 0; type < 8; type++)
				if (type != 3)
					ok(event_combine(VALID | type << 8 | first, (u8)second) ==
						   EVENT_COMBINE_SECOND,
					   "interrupts are benign");
		}
}

static void test_exception(void)
{
	for (u32 vector = 0; vector < 32; vector++) {
		bool has = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 ||
			   vector == 21;
		struct entry_event e = event_exception((u8)vector, 0x18);

		is_u64(e.information, VALID | 3U << 8 | vector | (has ? 0x800 : 0), "exception");
		is_u64(e.error_code, has ? 0x18 : 0, "error code");
		is_u64(e.instruction_length, 0, "no length");
	}
}

/* NMI exiting x virtual NMIs x blocking. */
static void test_nmi(void)
{
	for (u32 n = 0; n < 4; n++)
		for (u32 blocking = 0; blocking < 16; blocking++) {
			u32 pin = (n & 1 ? 8U : 0) | (n & 2 ? 32U : 0);
			bool by_nmi = blocking & 8, by_mov_ss = blocking & 2;
			enum nmi_fate expected = n & 1 ? NMI_EXITS : NMI_DELIVERED;

			if (n == 2)
				continue; /* virtual NMIs need NMI exiting */
			/* Virtual blocking is of virtual NMIs; the physical one exits anyway. */
			if (by_mov_ss || (by_nmi && !(n & 2)))
				expected = NMI_HELD;
			ok(event_nmi_fate(pin, blocking) == expected, "controls %u blocking %u", n,
			   blocking);
			ok(event_nmi_window_open(blocking) == (!by_nmi && !by_mov_ss), "window");
			for (u32 f = 0; f < 2; f++)
				ok(event_interrupt_window_open(f ? RFLAGS_IF : ~RFLAGS_IF,
							       blocking) == (f && !(blocking & 3)),
				   "interrupt window");
		}
}

/* The timer against a loop that watches the bit of the TSC. */
static void test_timer(void)
{
	for (u32 rate = 0; rate < 8; rate++)
		for (u32 value = 0; value < 20; value += 3)
			for (u64 start = 1000; start < 1300; start += 37) {
				struct preemption_timer t =
					preemption_timer_start(0x40, rate | 0xe0, value, start);
				u32 left = value, bad = 0;

				for (u64 tsc = start; tsc < start + 3000; tsc++) {
					if (tsc > start &&
					    (tsc >> rate & 1) != ((tsc - 1) >> rate & 1) && left)
						left--;
					bad += preemption_timer_left(&t, tsc) != left;
				}
				is_u64(bad, 0, "count down");
				ok(t.active, "active");
			}
	ok(!preemption_timer_start(0, 5, 1, 1).active, "not active");
	is_u64(preemption_timer_for_vmcs12(100, 0, 10, 40), 100, "not saved");
	is_u64(preemption_timer_for_vmcs12(100, EXIT_SAVE_PREEMPTION_TIMER, 10, 40), 40, "saved");
	is_u64(preemption_timer_for_vmcs12(100, EXIT_SAVE_PREEMPTION_TIMER, 52, 40), 0, "run out");
	is_u64(preemption_timer_for_vmcs12(100, 0, 52, 40), 100, "run out, not saved");
}

int main(void)
{
	test_reinjection();
	test_interrupted_nmi();
	test_iret();
	test_combination();
	test_exception();
	test_nmi();
	test_timer();
	return tap_end();
}
