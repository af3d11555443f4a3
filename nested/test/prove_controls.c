/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control words of VMCS02 and its exception intercepts, for every VMCS12, every wish of L0 and
 * every processor.  Control bits are numbers of the SDM's tables here.
 */
/* sources: nested/vmcs02/controls.c */
#include "nested/test/prove.h"

#include "nested/vmcs02/controls.h"

/* Controls that only add exits, for L1 to have if it asks: "on" is never wrong for another reason.
 */
#define PIN_EXITS (1U << 0 | 1U << 3)
#define PROC1_EXITS                                                                           \
	(1U << 2 | 1U << 7 | 1U << 9 | 1U << 10 | 1U << 11 | 1U << 12 | 1U << 15 | 1U << 16 | \
	 1U << 19 | 1U << 20 | 1U << 22 | 1U << 23 | 1U << 27 | 1U << 29 | 1U << 30)
#define PROC2_EXITS (1U << 2 | 1U << 6 | 1U << 11 | 1U << 16)
/* Controls that L2 can see, or that change what other exits there are: VMCS12's alone. */
#define PIN_SEEN   (1U << 6 | 1U << 7)
#define PROC1_SEEN (1U << 21 | 1U << 28)
#define PROC2_SEEN                                                                         \
	(1U << 0 | 1U << 3 | 1U << 4 | 1U << 7 | 1U << 8 | 1U << 9 | 1U << 10 | 1U << 12 | \
	 1U << 13 | 1U << 15 | 1U << 20 | 1U << 26 | 1U << 27 | 1U << 28)
/* Controls that L0 needs (EPT, VPID), and those that it does for L1 (shadowing, PML, #VE). */
#define PROC2_ON  (1U << 1 | 1U << 5)
#define PROC2_OFF (1U << 14 | 1U << 17 | 1U << 18)
#define IO_ALL	  (1U << 24)
#define IO_BITMAP (1U << 25)
/* Exit: save and load debug controls, PAT and EFER, 64-bit host.  Entry: load the three. */
#define EXIT_ON	 (1U << 2 | 1U << 9 | 1U << 18 | 1U << 19 | 1U << 20 | 1U << 21)
#define ENTRY_ON (1U << 2 | 1U << 14 | 1U << 15)

static struct vmx_caps any_processor(void)
{
	struct vmx_caps caps;

	any_memory(&caps, sizeof(caps), "processor");
	/* A bit that must be 1 may be 1. */
	given(!(caps.pin.must_be_1 & ~caps.pin.may_be_1));
	given(!(caps.proc1.must_be_1 & ~caps.proc1.may_be_1));
	given(!(caps.proc2.must_be_1 & ~caps.proc2.may_be_1));
	given(!(caps.exit.must_be_1 & ~caps.exit.may_be_1));
	given(!(caps.entry.must_be_1 & ~caps.entry.may_be_1));
	return caps;
}

/* One word: legal, as VMCS12 has it in @seen, at least as VMCS12 or L0 has it in @exits, and no
 * exits that nobody wants. */
static void must_be_merged(u32 word, struct vmx_control_caps caps, u32 vmcs12, u32 l0, u32 seen,
			   u32 exits)
{
	u32 may = caps.may_be_1, free = may & ~caps.must_be_1;

	must(!(word & ~may), "no bit that the processor refuses");
	must((word & caps.must_be_1) == caps.must_be_1, "all bits that it demands");
	must((word & seen & free) == (vmcs12 & seen & free), "what L2 sees is VMCS12's");
	must((word & exits & free) == ((vmcs12 | l0) & exits & free),
	     "the exits of L1 and of L0, and no others");
}

void prove_merge(void)
{
	struct vmx_caps caps = any_processor();
	struct control_policy policy;
	struct control_words v, l0, m;

	any_memory(&v, sizeof(v), "VMCS12");
	any_memory(&l0, sizeof(l0), "L0");
	controls_policy(&caps, &policy);
	controls_merge(&policy, &v, &l0, &m);
	must_be_merged(m.pin, caps.pin, v.pin, l0.pin, PIN_SEEN, PIN_EXITS);
	must_be_merged(m.proc1, caps.proc1, v.proc1, l0.proc1, PROC1_SEEN, PROC1_EXITS);
	must_be_merged(m.proc2, caps.proc2, v.proc2, l0.proc2, PROC2_SEEN, PROC2_EXITS);
	must((m.proc2 & PROC2_ON) == (caps.proc2.may_be_1 & PROC2_ON), "EPT and VPID are on");
	must(!(m.proc2 & PROC2_OFF & ~caps.proc2.must_be_1), "what L0 does for L1 is off");
	must((m.exit & EXIT_ON) == (caps.exit.may_be_1 & EXIT_ON), "L0's exit controls");
	must((m.entry & ENTRY_ON) == (caps.entry.may_be_1 & ENTRY_ON), "L0's entry controls");
	must(!((m.entry ^ v.entry) & (1U << 9) & caps.entry.may_be_1 & ~caps.entry.must_be_1),
	     "IA-32e mode guest is VMCS12's");
	must(!((m.exit ^ v.exit) & (1U << 15) & caps.exit.may_be_1 & ~caps.exit.must_be_1),
	     "acknowledge interrupt is VMCS12's");
	must(!(v.pin & m.pin & 1U << 6) || !(caps.exit.may_be_1 & 1U << 22) || (m.exit & 1U << 22),
	     "the preemption timer is saved");
}

/* "Unconditional I/O exiting" is ignored where I/O bitmaps are used. */
void prove_io(void)
{
	struct vmx_caps caps = any_processor();
	struct control_policy policy;
	struct control_words v, l0, m;
	bool l1_wants_all, l0_wants_all;

	any_memory(&v, sizeof(v), "VMCS12");
	any_memory(&l0, sizeof(l0), "L0");
	given((caps.proc1.may_be_1 & IO_ALL) && (caps.proc1.may_be_1 & IO_BITMAP));
	given(!(caps.proc1.must_be_1 & (IO_ALL | IO_BITMAP)));
	controls_policy(&caps, &policy);
	controls_merge(&policy, &v, &l0, &m);
	l1_wants_all = (v.proc1 & IO_ALL) && !(v.proc1 & IO_BITMAP);
	l0_wants_all = (l0.proc1 & IO_ALL) && !(l0.proc1 & IO_BITMAP);
	if (l1_wants_all || l0_wants_all)
		must((m.proc1 & IO_ALL) && !(m.proc1 & IO_BITMAP), "all ports exit");
	else if ((v.proc1 | l0.proc1) & IO_BITMAP)
		must(m.proc1 & IO_BITMAP, "the bitmaps decide");
	else
		must(!(m.proc1 & (IO_ALL | IO_BITMAP)), "no port exits");
}

void prove_words_of_vmcs12(void)
{
	struct vmcs12 v;
	struct control_words w;

	any_memory(&v, sizeof(v), "VMCS12");
	controls_of_vmcs12(&v, &w);
	must(w.pin == v.pin_based_controls && w.proc1 == v.processor_based_controls,
	     "pin, primary");
	must(w.exit == v.exit_controls && w.entry == v.entry_controls, "exit, entry");
	must(w.proc2 == (w.proc1 >> 31 ? v.secondary_processor_based_controls : 0), "secondary");
	must(w.proc3 == (w.proc1 >> 17 & 1 ? v.tertiary_processor_based_controls : 0), "tertiary");
	must(w.exit2 == (w.exit >> 31 ? v.secondary_exit_controls : 0), "secondary exit");
}

/* SDM "Exception Bitmap": whether an exception exits. */
static bool exits(struct exception_intercepts x, u32 vector, u32 error_code)
{
	bool bit = x.bitmap >> vector & 1;

	return vector == 14 && (error_code & x.page_fault_mask) != x.page_fault_match ? !bit : bit;
}

void prove_exceptions(void)
{
	struct exception_intercepts v = { any_u32("bitmap"), any_u32("mask"), any_u32("match") };
	u32 l0 = any_u32("L0"), vector = any_u32("vector"), code = any_u32("error code");
	struct exception_intercepts m = controls_merge_exceptions(v, l0);

	given(vector < 32);
	must(exits(m, vector, code) == (exits(v, vector, code) || (l0 >> vector & 1)),
	     "an exception exits exactly if it does for L1 or for L0");
}
