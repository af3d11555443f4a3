/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Merge of control words bit by bit, exception intercepts against the SDM's rule for every
 * vector and page-fault code, TSC composition against applying the two views in turn.
 */
/* sources: nested/vmcs02/controls.c nested/vmcs02/rules.c xmhf/x86/vmcs.c */
#include "nested/vmcs02/controls.h"

#include <string.h>
#include "xmhf/test/tap.h"
#include "xmhf/x86/cpu.h"
#include "nested/vmcs02/rules.h"

static u64 xorshift(void)
{
	static u64 x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* A processor that has every bit, and forces those of the default1 class that true MSRs force. */
static struct vmx_caps everything(void)
{
	return (struct vmx_caps){
		.pin = { 0x16, 0xff },
		.proc1 = { 0x04006172, 0xffffffff },
		.proc2 = { 0, 0xffffffff },
		.exit = { 0x00036dfb, 0xffffffff },
		.entry = { 0x000011fb, 0xffffffff },
		.proc3 = 0xff,
		.exit2 = 8,
	};
}

/* What each bit must do, as hexadecimal words written down from the SDM, not from the table. */
#define L1_PIN	   0xc0U /* timer, posted interrupts */
#define EITHER_PIN 0x29U /* external interrupts, NMI, virtual NMIs */
#define EITHER_PROC1 \
	0x68d99e8cU /* window, offset, HLT, INVLPG, MWAIT, RDPMC, RDTSC, CR3, CR8, ... */
#define L1_PROC1     0x10200000U /* TPR shadow, MSR bitmaps */
#define L1_PROC2     0x1c10b799U
#define EITHER_PROC2 0x02010844U
#define ON_PROC2     0x00000022U
#define ON_EXIT	     0x003c0204U
#define L1_EXIT	     0x00008000U
#define ON_ENTRY     0x0000c004U
#define L1_ENTRY     0x00000200U

static void one_merge(const struct control_policy *p, const struct control_words *v,
		      const struct control_words *l0)
{
	struct control_words m;
	u32 io_v = v->proc1 & (3U << 24), io_0 = l0->proc1 & (3U << 24), io;

	controls_merge(p, v, l0, &m);
	is_u64(m.pin, 0x16 | (v->pin & (L1_PIN | EITHER_PIN)) | (l0->pin & EITHER_PIN), "pin");
	io = io_v == 1U << 24 || io_0 == 1U << 24 ? 1U << 24 : (io_v | io_0) & 2U << 24;
	is_u64(m.proc1,
	       0x84006172 | (v->proc1 & (L1_PROC1 | EITHER_PROC1)) | (l0->proc1 & EITHER_PROC1) |
		       io,
	       "proc1");
	is_u64(m.proc2,
	       ON_PROC2 | (v->proc2 & (L1_PROC2 | EITHER_PROC2)) | (l0->proc2 & EITHER_PROC2),
	       "proc2");
	is_u64(m.exit, 0x00036dfb | ON_EXIT | (v->exit & L1_EXIT) | (v->pin & 0x40 ? 1U << 22 : 0),
	       "exit");
	is_u64(m.entry, 0x000011fb | ON_ENTRY | (v->entry & L1_ENTRY), "entry");
	is_u64(m.proc3 | m.exit2, 0, "nothing tertiary");
}

static void test_merge(void)
{
	struct vmx_caps hw = everything();
	struct control_policy p;
	struct control_words v = { 0 }, l0 = { 0 }, m;

	controls_policy(&hw, &p);
	one_merge(&p, &v, &l0);
	for (u32 bit = 0; bit < 64; bit++) /* every bit alone, of each side */
		for (int side = 0; side < 2; side++) {
			struct control_words *w = side ? &v : &l0;

			*w = (struct control_words){ .pin = (u32)BIT(bit),
						     .proc1 = (u32)BIT(bit),
						     .proc2 = (u32)BIT(bit),
						     .exit = (u32)BIT(bit),
						     .entry = (u32)BIT(bit),
						     .proc3 = BIT(bit),
						     .exit2 = BIT(bit) };
			one_merge(&p, &v, &l0);
			*w = (struct control_words){ 0 };
		}
	for (u32 n = 0; n < 20000; n++) {
		v = (struct control_words){ (u32)xorshift(), (u32)xorshift(), (u32)xorshift(),
					    (u32)xorshift(), (u32)xorshift(), xorshift(),
					    xorshift() };
		l0 = (struct control_words){ (u32)xorshift(), (u32)xorshift(), (u32)xorshift(),
					     (u32)xorshift(), (u32)xorshift(), xorshift(),
					     xorshift() };
		one_merge(&p, &v, &l0);
	}
	/* A processor that lacks bits never gets them. */
	hw.proc2.may_be_1 = 0x2;
	hw.exit.may_be_1 = 0x00036fff;
	controls_policy(&hw, &p);
	controls_merge(&p, &v, &l0, &m);
	is_u64(m.proc2, 2, "only EPT");
	is_u64(m.exit & ~0x00036fffU, 0, "no exit controls beyond the processor's");
}

static void test_words_of_vmcs12(void)
{
	struct vmcs12 v = { 0 };
	struct control_words w;

	v.secondary_processor_based_controls = 0x55;
	v.tertiary_processor_based_controls = 0x77;
	v.secondary_exit_controls = 8;
	controls_of_vmcs12(&v, &w);
	is_u64(w.proc2 | w.proc3 | w.exit2, 0, "words whose activation is off");
	v.processor_based_controls = 1U << 31;
	controls_of_vmcs12(&v, &w);
	ok(w.proc2 == 0x55 && w.proc3 == 0 && w.exit2 == 0, "secondary");
	v.processor_based_controls = 1U << 17;
	v.exit_controls = 1U << 31;
	controls_of_vmcs12(&v, &w);
	ok(w.proc2 == 0 && w.proc3 == 0x77 && w.exit2 == 8, "tertiary, secondary exit");
}

/* SDM "Exceptions": does vector @vector with @code exit? */
static bool oracle_exits(struct exception_intercepts e, u32 vector, u32 code)
{
	bool bit = e.bitmap & (1U << vector);

	if (vector == 14 && (code & e.page_fault_mask) != e.page_fault_match)
		return !bit;
	return bit;
}

/* L1's exits all exit; beyond them only L0's, unless that is a page fault L0 filters. */
static void test_exceptions(void)
{
	for (u32 n = 0; n < 3000; n++) {
		struct exception_intercepts v = { (u32)xorshift(), (u32)xorshift() & 0x1f,
						  (u32)xorshift() & 0x1f };
		u32 l0 = (u32)(xorshift() & xorshift());
		struct exception_intercepts m = controls_merge_exceptions(v, l0);

		for (u32 vector = 0; vector < 32; vector++)
			for (u32 code = 0; code < (vector == 14 ? 64 : 1); code++)
				ok(oracle_exits(m, vector, code) ==
					   (oracle_exits(v, vector, code) || (l0 >> vector & 1)),
				   "vector %u code %u", vector, code);
	}
}

/* Two views in turn, in exact arithmetic, against the composed one: equal up to rounding. */
static void test_tsc(void)
{
	struct tsc_view one = { TSC_MULTIPLIER_ONE, 0 };
	struct vmcs12 v = { .tsc_offset = 7, .tsc_multiplier = 3 };

	for (u32 n = 0; n < 100000; n++) {
		struct tsc_view l1 = { TSC_MULTIPLIER_ONE, xorshift() };
		struct tsc_view l2 = { TSC_MULTIPLIER_ONE, xorshift() };
		u64 tsc = xorshift() >> 8, direct, composed;
		s64 difference;

		if (n & 1) { /* scaling: views within a factor of 16, offsets that are times */
			l1.multiplier = (xorshift() >> 16 & 0xfffffffffffULL) | BIT(46);
			l2.multiplier = (xorshift() >> 16 & 0xfffffffffffULL) | BIT(47);
			tsc &= low_bits(50);
			l1.offset = xorshift() & low_bits(50);
		}
		direct = controls_apply_tsc(l2, controls_apply_tsc(l1, tsc));
		composed = controls_apply_tsc(controls_compose_tsc(l1, l2), tsc);
		difference = (s64)(direct - composed);
		/* A multiplier is exact to 2^-48, so 2^50 ticks are exact to a few. */
		ok(n & 1 ? difference >= -1 && difference <= 8 : difference == 0,
		   "composition %u: off by %lld", n, difference);
	}
	ok(controls_apply_tsc(one, 12345) == 12345, "identity");
	ok(controls_compose_tsc((struct tsc_view){ TSC_MULTIPLIER_ONE, -100ULL },
				(struct tsc_view){ BIT(47), 0 })
			   .offset == -50ULL,
	   "a negative offset is scaled as one");
	ok(controls_tsc_of_vmcs12(&v).offset == 0 &&
		   controls_tsc_of_vmcs12(&v).multiplier == TSC_MULTIPLIER_ONE,
	   "without offsetting");
	v.secondary_processor_based_controls = PROC2_USE_TSC_SCALING;
	v.processor_based_controls = PROC1_ACTIVATE_SECONDARY_CONTROLS;
	ok(controls_tsc_of_vmcs12(&v).multiplier == TSC_MULTIPLIER_ONE, "scaling needs offsetting");
	v.processor_based_controls |= PROC1_USE_TSC_OFFSETTING;
	ok(controls_tsc_of_vmcs12(&v).offset == 7 && controls_tsc_of_vmcs12(&v).multiplier == 3,
	   "offset and multiplier");
}

/* Rules that cannot be wrong: by the type of the field. */
static void test_rules(void)
{
	for (u32 i = 0; i < VMCS_FIELD_COUNT; i++) {
		const struct vmcs02_rule *r = &vmcs02_rules[i];
		const char *name = vmcs_fields[i].name;

		switch (vmcs_encoding_type(vmcs_fields[i].encoding)) {
		case VMCS_TYPE_CONTROL:
			ok(r->out == OUT_KEEP || !strncmp(name, "entry_", 6), "%s", name);
			ok(r->into != INTO_HOST, "%s", name);
			break;
		case VMCS_TYPE_READ_ONLY:
			ok(r->into == INTO_ABSENT, "%s", name);
			break;
		case VMCS_TYPE_HOST:
			ok((r->into == INTO_HOST || r->into == INTO_ABSENT) && r->out == OUT_KEEP,
			   "%s", name);
			break;
		default:
			ok(r->into != INTO_HOST &&
				   IMPLIES(r->into == INTO_ABSENT, r->out == OUT_KEEP),
			   "%s", name);
			break;
		}
		/* An address of L1 is never given to the processor as it is. */
		if (strstr(name, "_address") && strncmp(name, "guest_", 6))
			ok(r->into == INTO_OWN || r->into == INTO_ABSENT, "%s is translated", name);
	}
}

int main(void)
{
	test_merge();
	test_words_of_vmcs12();
	test_exceptions();
	test_tsc();
	test_rules();
	return tap_end();
}
