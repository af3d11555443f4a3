/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the VM-entry checks share: a VMCS12 that every check accepts, on a
 * processor that can do everything, and the book of rules seen to refuse.
 *
 * A test makes a trial, shows that it is accepted, breaks one thing, and names the rule
 * that refuses it.  At its end trial_rules_all_refused() reads the sources and fails for
 * each MUST() that never refused anything.
 */
#pragma once

#include <string.h>

#include "nested/entry/entry_view.h"
#include "xmhf/test/tap.h"

#define TRIAL_REVISION	 0x12345678
#define TRIAL_PAGE	 0x123000ULL
#define TRIAL_VMCS12	 0x777000ULL
#define BEYOND_WIDTH	 BIT(39) /* the physical-address width */
#define LAST_PAGE	 (BEYOND_WIDTH - PAGE_SIZE)
#define TRIAL_RULES_MAX	 400
#define TRIAL_SOURCE_MAX 65536
#define TRIAL_TEXT_MAX	 512

struct trial {
	struct vmcs12 v;
	struct vmx_caps caps;
	struct entry_inputs in;
};

/* The trial at hand, and how it was when it was last accepted. */
static struct trial t, good;

static struct check_failure refusals[TRIAL_RULES_MAX];
static unsigned int refusal_count;

static u32 trial_all_bits(enum vmx_control_word word)
{
	static const struct {
		enum vmx_control_word word;
		u32 bit;
	} all[] = {
#define VMX_CONTROL(word, bit, name) { VMX_WORD_##word, BIT32(bit) },
#include "xmhf/x86/vmx_controls.def"
#undef VMX_CONTROL
	};
	u32 bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		bits |= all[i].word == word ? all[i].bit : 0;
	return bits;
}

static struct vmx_control_caps trial_control(enum vmx_control_word word, u32 must_be_1)
{
	return (struct vmx_control_caps){ must_be_1, must_be_1 | trial_all_bits(word) };
}

/** A processor with every feature of the tables. */
static struct vmx_caps trial_caps(void)
{
	return (struct vmx_caps){
		.basic = TRIAL_REVISION | VMX_BASIC_TRUE_CONTROLS,
		.misc = VMX_MISC_ACTIVITY_HLT | VMX_MISC_ACTIVITY_SHUTDOWN |
			VMX_MISC_ACTIVITY_SIPI | field_make(VMX_MISC_CR3_TARGETS, 4) |
			VMX_MISC_INJECT_LENGTH_ZERO,
		.ept_vpid = EPT_CAP_WALK_4 | EPT_CAP_WALK_5 | EPT_CAP_UC | EPT_CAP_WB | EPT_CAP_AD |
			    EPT_CAP_SHADOW_STACK,
		.vmfunc = VMFUNC_EPTP_SWITCHING,
		.pin = trial_control(VMX_WORD_PIN, 0x16),
		.proc1 = trial_control(VMX_WORD_PROC1, 0x04006172),
		.proc2 = trial_control(VMX_WORD_PROC2, 0),
		.exit = trial_control(VMX_WORD_EXIT, 0x00036dfb),
		.entry = trial_control(VMX_WORD_ENTRY, 0x000011fb),
		.proc3 = trial_all_bits(VMX_WORD_PROC3),
		.exit2 = trial_all_bits(VMX_WORD_EXIT2),
		.cr0 = { CR0_PG | CR0_NE | CR0_PE, 0xffffffff },
		.cr4 = { CR4_VMXE, FIELD(25, 0) & ~(BIT(15) | CR4_LA57) },
		.physical_address_width = 39,
		.linear_address_width = 48,
		.efer_valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
		.debugctl_valid = 0xffc7,
		.perf_global_ctrl_valid = FIELD(34, 32) | FIELD(3, 0),
	};
}

/* Every field all-ones: what nothing gives a meaning to must not matter. */
static void trial_junk(struct vmcs12 *v)
{
	memset(v, 0xff, sizeof(*v));
}

static void trial_controls(struct vmcs12 *v, const struct vmx_caps *caps)
{
	v->pin_based_controls = caps->pin.must_be_1;
	v->processor_based_controls = caps->proc1.must_be_1;
	v->exit_controls = caps->exit.must_be_1 | EXIT_HOST_ADDRESS_SPACE_SIZE;
	v->entry_controls = caps->entry.must_be_1 | ENTRY_IA32E_MODE_GUEST;
	v->cr3_target_count = 0;
	v->exit_msr_store_count = v->exit_msr_load_count = v->entry_msr_load_count = 0;
	v->entry_interruption_information = 0;
}

static void trial_host(struct vmcs12 *v)
{
	v->host_cr0 = 0x80050033;
	v->host_cr3 = TRIAL_PAGE;
	v->host_cr4 = CR4_VMXE | CR4_PAE;
	v->host_cs_selector = 0x10;
	v->host_tr_selector = 0x40;
	v->host_ss_selector = v->host_ds_selector = v->host_es_selector = 0;
	v->host_fs_selector = v->host_gs_selector = 0;
	v->host_fs_base = v->host_gs_base = v->host_tr_base = 0;
	v->host_gdtr_base = v->host_idtr_base = 0xffff800000000000;
	v->host_ia32_sysenter_esp = v->host_ia32_sysenter_eip = 0;
	v->host_rip = 0xffffffff81000000;
}

static void trial_guest_segments(struct vmcs12 *v)
{
	const u32 data = 0xc093, unusable = ACCESS_RIGHTS_UNUSABLE;

	v->guest_cs_selector = 0x10;
	v->guest_ss_selector = v->guest_ds_selector = v->guest_es_selector = 0x18;
	v->guest_fs_selector = v->guest_gs_selector = 0x18;
	v->guest_tr_selector = 0x40;
	v->guest_cs_base = v->guest_ss_base = v->guest_ds_base = v->guest_es_base = 0;
	v->guest_fs_base = v->guest_gs_base = v->guest_tr_base = 0;
	v->guest_cs_limit = v->guest_ss_limit = v->guest_ds_limit = 0xffffffff;
	v->guest_es_limit = v->guest_fs_limit = v->guest_gs_limit = 0xffffffff;
	v->guest_tr_limit = 0x67;
	v->guest_cs_access_rights = 0xa09b;
	v->guest_ss_access_rights = v->guest_ds_access_rights = data;
	v->guest_es_access_rights = v->guest_fs_access_rights = data;
	v->guest_gs_access_rights = data;
	v->guest_tr_access_rights = 0x8b;
	v->guest_ldtr_access_rights = unusable;
}

static void trial_guest(struct vmcs12 *v)
{
	v->guest_cr0 = 0x80050033;
	v->guest_cr3 = TRIAL_PAGE;
	v->guest_cr4 = CR4_VMXE | CR4_PAE;
	v->guest_ia32_sysenter_esp = v->guest_ia32_sysenter_eip = 0;
	trial_guest_segments(v);
	v->guest_gdtr_base = v->guest_idtr_base = 0xffff800000000000;
	v->guest_gdtr_limit = v->guest_idtr_limit = 0xffff;
	v->guest_rip = 0x400000;
	v->guest_rflags = RFLAGS_FIXED_1;
	v->guest_activity_state = ACTIVITY_ACTIVE;
	v->guest_interruptibility_state = 0;
	v->guest_pending_debug_exceptions = 0;
	v->vmcs_link_pointer = ~0ULL;
}

/** Begins with a 64-bit L1 whose L2 is 64-bit, and junk in every field without a meaning. */
static __attribute__((unused)) void trial_begin(void)
{
	t.caps = trial_caps();
	trial_junk(&t.v);
	trial_controls(&t.v, &t.caps);
	trial_host(&t.v);
	trial_guest(&t.v);
	t.in = (struct entry_inputs){
		.vmcs12 = &t.v,
		.caps = &t.caps,
		.l1_in_ia32e_mode = true,
		.current_vmcs = l1pa(TRIAL_VMCS12),
		.virtual_tpr = 0,
		.link_revision = TRIAL_REVISION,
		.pdptes = { ~0ULL, ~0ULL, ~0ULL, ~0ULL },
	};
}

/** Clears @bits in a control word. */
static __attribute__((unused)) void trial_clear(u32 *word, u32 bits)
{
	*word &= ~bits;
}

/** Turns the secondary controls @bits on. */
static __attribute__((unused)) void trial_proc2(u32 bits)
{
	if (!(t.v.processor_based_controls & PROC1_ACTIVATE_SECONDARY_CONTROLS))
		t.v.secondary_processor_based_controls = 0;
	t.v.processor_based_controls |= PROC1_ACTIVATE_SECONDARY_CONTROLS;
	t.v.secondary_processor_based_controls |= bits;
	if (bits & PROC2_ENABLE_EPT)
		t.v.eptp = TRIAL_PAGE | MEMORY_TYPE_WB | field_make(EPTP_WALK_LENGTH, 3);
}

/** Turns the tertiary controls @bits on. */
static __attribute__((unused)) void trial_proc3(u64 bits)
{
	if (!(t.v.processor_based_controls & PROC1_ACTIVATE_TERTIARY_CONTROLS))
		t.v.tertiary_processor_based_controls = 0;
	t.v.processor_based_controls |= PROC1_ACTIVATE_TERTIARY_CONTROLS;
	t.v.tertiary_processor_based_controls |= bits;
}

/** Makes L2 a 32-bit protected-mode guest; @paging is CR4_PAE or 0. */
static __attribute__((unused)) void trial_guest_32_bit(u64 paging)
{
	trial_clear(&t.v.entry_controls, ENTRY_IA32E_MODE_GUEST);
	t.v.guest_cr4 = CR4_VMXE | paging;
	t.v.guest_cs_access_rights = 0xc09b;
	memset(t.in.pdptes, 0, sizeof(t.in.pdptes));
}

/** Gives L2 the segments of virtual-8086 mode. */
static __attribute__((unused)) void trial_virtual_8086_segments(void)
{
	t.v.guest_cs_base = t.v.guest_cs_selector * 16ULL;
	t.v.guest_ss_base = t.v.guest_ss_selector * 16ULL;
	t.v.guest_ds_base = t.v.guest_ds_selector * 16ULL;
	t.v.guest_es_base = t.v.guest_es_selector * 16ULL;
	t.v.guest_fs_base = t.v.guest_fs_selector * 16ULL;
	t.v.guest_gs_base = t.v.guest_gs_selector * 16ULL;
	t.v.guest_cs_limit = t.v.guest_ss_limit = t.v.guest_ds_limit = 0xffff;
	t.v.guest_es_limit = t.v.guest_fs_limit = t.v.guest_gs_limit = 0xffff;
	t.v.guest_cs_access_rights = t.v.guest_ss_access_rights = 0xf3;
	t.v.guest_ds_access_rights = t.v.guest_es_access_rights = 0xf3;
	t.v.guest_fs_access_rights = t.v.guest_gs_access_rights = 0xf3;
}

/** Asks for the injection of an event of @type and @vector. */
static __attribute__((unused)) void trial_inject(enum interruption_type type, u32 vector)
{
	t.v.entry_interruption_information =
		INTR_INFO_VALID | (u32)field_make(INTR_INFO_TYPE, type) | vector;
	t.v.entry_instruction_length = 1;
}

/** The text of a refusal, also if there is none. */
static const char *trial_reason(struct check_failure why)
{
	return why.rule ? why.rule : "accepted";
}

/** The trial passes all checks; it is the one that the next refusals start from. */
static __attribute__((unused)) void accepted(void)
{
	enum entry_failure_qualification qualification;
	struct check_failure why;
	enum vm_instruction_error error = entry_check_controls_and_host(&t.in, &why);
	bool guest;

	ok(error == VMFAIL_NONE, "controls and host: %s", trial_reason(why));
	guest = entry_check_guest(&t.in, &qualification, &why);
	ok(guest && qualification == ENTRY_FAILURE_DEFAULT, "guest: %s", trial_reason(why));
	good = t;
}

/* Claim: two rules have the same text, where lines are broken set aside. */
static bool trial_same_text(const char *a, const char *b)
{
	for (;; a++, b++) {
		a += strspn(a, " \t\n");
		b += strspn(b, " \t\n");
		if (*a != *b || !*a)
			return *a == *b;
	}
}

static bool trial_was_refused(const char *function, const char *rule)
{
	for (unsigned int i = 0; i < refusal_count; i++)
		if (!strcmp(refusals[i].function, function) &&
		    trial_same_text(refusals[i].rule, rule))
			return true;
	return false;
}

static void trial_note(struct check_failure why, const char *rule)
{
	ok(why.rule && trial_same_text(why.rule, rule), "refused by \"%s\", got \"%s\"", rule,
	   trial_reason(why));
	if (why.rule && !trial_was_refused(why.function, why.rule) &&
	    refusal_count < TRIAL_RULES_MAX)
		refusals[refusal_count++] = why;
	t = good;
}

/** The trial fails with @error and the rule's text is @rule; then it is good again. */
static __attribute__((unused)) void refused(enum vm_instruction_error error, const char *rule)
{
	struct check_failure why;

	is_u64(entry_check_controls_and_host(&t.in, &why), error, rule);
	trial_note(why, rule);
}

/** As refused(), of the checks of guest state, with exit qualification @expected. */
static __attribute__((unused)) void refused_guest_with(enum entry_failure_qualification expected,
						       const char *rule)
{
	enum entry_failure_qualification qualification;
	struct check_failure why;

	is_u64(entry_check_controls_and_host(&t.in, &why), VMFAIL_NONE, rule);
	ok(!entry_check_guest(&t.in, &qualification, &why), "guest refused: %s", rule);
	is_u64(qualification, expected, "exit qualification");
	trial_note(why, rule);
}

static __attribute__((unused)) void refused_guest(const char *rule)
{
	refused_guest_with(ENTRY_FAILURE_DEFAULT, rule);
}

static __attribute__((unused)) void refused_control(const char *rule)
{
	refused(VMFAIL_ENTRY_INVALID_CONTROL, rule);
}

/* @field of the trial, an address of a structure aligned to @alignment, is refused by @rule
 * when it is misaligned or beyond the physical width, and accepted on the last page. */
static __attribute__((unused)) void structure_address(u64 *field, u64 alignment, const char *rule)
{
	*field = LAST_PAGE;
	accepted();
	*field = LAST_PAGE | alignment >> 1;
	refused_control(rule);
	*field = 1;
	refused_control(rule);
	*field = BEYOND_WIDTH;
	refused_control(rule);
	*field = ~0ULL;
	refused_control(rule);
	/* Processors whose structures lie below 4 GiB. */
	t.caps.basic |= VMX_BASIC_32BIT_ADDRESSES;
	*field = 4 * GIB - PAGE_SIZE;
	accepted();
	*field = 4 * GIB;
	refused_control(rule);
	t.caps.basic &= ~VMX_BASIC_32BIT_ADDRESSES;
	*field = TRIAL_PAGE;
	accepted();
}

/* The name before the first parenthesis of @line, a line that begins a function. */
static void trial_function_name(const char *line, char *name, size_t size)
{
	size_t end = strcspn(line, "("), start;

	for (start = end; start > 0 && line[start - 1] != ' ' && line[start - 1] != '*'; start--)
		;
	snprintf(name, size, "%.*s", (int)(end - start), line + start);
}

/* The text between the parenthesis at @from and its partner, as the preprocessor makes a
 * string of it. */
static void trial_rule_text(const char *from, char *text, size_t size)
{
	unsigned int depth = 1;
	size_t n = 0;

	for (from++; *from; from++) {
		if (*from == '(')
			depth++;
		if (*from == ')' && !--depth)
			break;
		if (*from != '\n' && *from != '\t' && *from != ' ')
			text[n++] = *from;
		else if (n && text[n - 1] != ' ')
			text[n++] = ' ';
		if (n >= size - 1)
			break;
	}
	text[n] = '\0';
}

/** Every MUST() of the source file @path has refused something; returns how many it has. */
static __attribute__((unused)) unsigned int trial_rules_all_refused(const char *path)
{
	static char source[TRIAL_SOURCE_MAX];
	char function[TRIAL_TEXT_MAX] = "", rule[TRIAL_TEXT_MAX];
	FILE *file = fopen(path, "r");
	unsigned int count = 0;
	size_t size;

	if (!ok(file != NULL, "%s can be read (from the top of the tree)", path))
		return 0;
	size = fread(source, 1, sizeof(source) - 1, file);
	source[size] = '\0';
	fclose(file);
	for (const char *at = source; *at; at++) {
		bool line_start = at == source || at[-1] == '\n';

		if (line_start && strchr("abcdefghijklmnopqrstuvwxyz", *at) &&
		    strcspn(at, "(") < strcspn(at, ";="))
			trial_function_name(at, function, sizeof(function));
		if (strncmp(at, "MUST(", 5))
			continue;
		trial_rule_text(at + 4, rule, sizeof(rule));
		ok(trial_was_refused(function, rule), "%s: %s has refused something", function,
		   rule);
		count++;
	}
	ok(count > 0, "%s has rules", path);
	return count;
}
