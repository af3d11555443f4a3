/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's VM-entry checks as a program for this machine; `scripts/vmcs check`
 * builds it and talks to it.  One command per line on standard input:
 *
 *	set NAME VALUE   a field of the VMCS, of the capabilities ("caps.pin.may_be_1") or of
 *	                 the other inputs ("input.virtual_tpr")
 *	base             what is set now is the base state
 *	run              runs all checks, answers, and goes back to the base state
 *	entry LIST INDEX RESERVED VALUE   one more entry of an MSR list (a name of msr_lists)
 *	msrs             as `run`, for the entries of the MSR lists
 *
 * The answer to `run` or `msrs` is a line of the numbers of the rules that did not hold, each as
 * often as it failed; of rules that only a processor can tell, the number with a `?`.  A rule is
 * introduced once, by "rule NUMBER FILE LINE FUNCTION TEXT"; for an MSR list TEXT begins with
 * the entry.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nested/entry/entry.h"
#include "nested/entry/entry_msr_load.h"

#define MAX_RULES    65536
#define MAX_FAILURES 4096
#define MAX_LINE     256
#define MAX_ENTRIES  512 /* IA32_VMX_MISC recommends no more */

#define ONLY_A_PROCESSOR "the processor has this MSR and takes the value"

struct rule {
	const char *file;
	int line;
	const char *text;
	int list, entry; /* list -1: of no MSR list */
};

enum msr_list { ENTRY_LOAD, EXIT_STORE, EXIT_LOAD, MSR_LISTS };

static const char *const msr_lists[MSR_LISTS] = { "entry_msr_load", "exit_msr_store",
						  "exit_msr_load" };

static struct {
	int count;
	struct vmx_msr_entry entries[MAX_ENTRIES];
} lists[MSR_LISTS];

/* Everything the checks look at. */
struct state {
	struct vmcs12 vmcs12;
	struct vmx_caps caps;
	struct entry_inputs inputs;
};

/* A settable number inside struct state. */
struct slot {
	const char *name;
	size_t offset, size;
};

#define CAPS(member)                                                  \
	{                                                             \
		"caps." #member, offsetof(struct state, caps.member), \
			sizeof(((struct state *)0)->caps.member)      \
	}
#define INPUT(member)                                                    \
	{                                                                \
		"input." #member, offsetof(struct state, inputs.member), \
			sizeof(((struct state *)0)->inputs.member)       \
	}

static const struct slot slots[] = {
	CAPS(basic),
	CAPS(misc),
	CAPS(ept_vpid),
	CAPS(vmfunc),
	CAPS(vmcs_enum),
	CAPS(pin.must_be_1),
	CAPS(pin.may_be_1),
	CAPS(proc1.must_be_1),
	CAPS(proc1.may_be_1),
	CAPS(proc2.must_be_1),
	CAPS(proc2.may_be_1),
	CAPS(exit.must_be_1),
	CAPS(exit.may_be_1),
	CAPS(entry.must_be_1),
	CAPS(entry.may_be_1),
	CAPS(proc3),
	CAPS(exit2),
	CAPS(cr0.must_be_1),
	CAPS(cr0.may_be_1),
	CAPS(cr4.must_be_1),
	CAPS(cr4.may_be_1),
	CAPS(physical_address_width),
	CAPS(linear_address_width),
	CAPS(efer_valid),
	CAPS(debugctl_valid),
	CAPS(perf_global_ctrl_valid),
	INPUT(l1_in_ia32e_mode),
	INPUT(l1_traces),
	INPUT(current_vmcs),
	INPUT(virtual_tpr),
	INPUT(link_revision),
	INPUT(pdptes[0]),
	INPUT(pdptes[1]),
	INPUT(pdptes[2]),
	INPUT(pdptes[3]),
};

static struct rule rules[MAX_RULES];
static unsigned int rule_count;
static int current_list = -1, current_entry;
static struct {
	unsigned int rule;
	bool unknown;
} failures[MAX_FAILURES];
static unsigned int failure_count;

static bool is_rule(unsigned int i, const char *file, int line, const char *text)
{
	return i < rule_count && rules[i].line == line && rules[i].list == current_list &&
	       rules[i].entry == current_entry && !strcmp(rules[i].file, file) &&
	       !strcmp(rules[i].text, text);
}

static unsigned int new_rule(const char *file, int line, const char *function, const char *text)
{
	if (rule_count == MAX_RULES)
		abort();
	rules[rule_count] = (struct rule){ file, line, text, current_list, current_entry };
	printf("rule %u %s %d %s ", rule_count, file, line, function);
	if (current_list >= 0)
		printf("%s[%d]: ", msr_lists[current_list], current_entry);
	puts(text);
	return rule_count++;
}

static unsigned int rule_number(const char *file, int line, const char *function, const char *text)
{
	static unsigned int last;

	/* Most often the checks come in the order of the run before. */
	if (is_rule(last + 1, file, line, text))
		return ++last;
	for (last = 0; last < rule_count; last++)
		if (is_rule(last, file, line, text))
			return last;
	return last = new_rule(file, line, function, text);
}

static void failed(unsigned int rule, bool unknown)
{
	if (failure_count == MAX_FAILURES)
		return;
	failures[failure_count].rule = rule;
	failures[failure_count++].unknown = unknown;
}

void rule_seen(const char *file, int line, const char *function, const char *rule, bool held)
{
	unsigned int number = rule_number(file, line, function, rule);

	if (!held)
		failed(number, false);
}

_Noreturn void bug_stop(const char *file, int line, const char *claim)
{
	fprintf(stderr, "vmcs-check: %s:%d: %s\n", file, line, claim);
	exit(1);
}

static bool set_slot(struct state *state, const char *name, u64 value)
{
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
		if (strcmp(slots[i].name, name))
			continue;
		/* Little-endian: the low bytes come first. */
		memcpy((char *)state + slots[i].offset, &value, slots[i].size);
		return true;
	}
	return false;
}

static bool set_field(struct state *state, const char *name, u64 value)
{
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		if (strcmp(vmcs_fields[i].name, name))
			continue;
		vmcs12_set(&state->vmcs12, (enum vmcs_index)i, value);
		return true;
	}
	return false;
}

static void run(struct state *state)
{
	enum entry_failure_qualification qualification;
	struct check_failure why = { 0 };

	state->inputs.vmcs12 = &state->vmcs12;
	state->inputs.caps = &state->caps;
	(void)entry_check_controls_and_host(&state->inputs, &why);
	(void)entry_check_guest(&state->inputs, &qualification, &why);
}

/* The state that a VM entry (or, for the exit lists, a VM exit) has established for its list. */
static struct entry_msr_state established(const struct state *state, enum msr_list list,
					  const struct mtrr_state *mtrrs)
{
	const struct vmcs12 *v = &state->vmcs12;
	bool exit = list == EXIT_LOAD, stored = list == EXIT_STORE;
	bool long_mode = exit ? v->exit_controls & EXIT_HOST_ADDRESS_SPACE_SIZE
			      : v->entry_controls & ENTRY_IA32E_MODE_GUEST;
	bool from_field = exit ? v->exit_controls & EXIT_LOAD_IA32_EFER
			       : stored || v->entry_controls & ENTRY_LOAD_IA32_EFER;
	u64 field = exit ? v->host_ia32_efer : v->guest_ia32_efer;

	return (struct entry_msr_state){
		.caps = &state->caps,
		.mtrrs = mtrrs,
		.cr0 = exit ? v->host_cr0 : v->guest_cr0,
		.efer = from_field  ? field
			: long_mode ? EFER_LME | EFER_LMA
				    : 0,
	};
}

static void judge(enum msr_list list, struct vmx_msr_entry *entry, struct entry_msr_state *msrs)
{
	struct check_failure why = { 0 };
	bool mtrr = mtrr_is_mtrr_msr(msrs->mtrrs, entry->index);
	enum entry_msr_verdict verdict = list == EXIT_STORE
						 ? entry_msr_store_verdict(entry, msrs, &why)
						 : entry_msr_load_verdict(entry, msrs, &why);

	if (verdict == ENTRY_MSR_UNKNOWN || mtrr)
		failed(rule_number(__FILE__, __LINE__, __func__, ONLY_A_PROCESSOR), true);
	if (entry->index == MSR_IA32_EFER)
		msrs->efer = entry->value;
}

static void run_msrs(struct state *state)
{
	/* As many MTRRs as any processor has; whether these do is not known. */
	const struct mtrr_state mtrrs = { .cap = MTRR_VARIABLE_MAX | MTRRCAP_FIX | MTRRCAP_WC,
					  .physical_address_width =
						  state->caps.physical_address_width };

	for (current_list = 0; current_list < MSR_LISTS; current_list++) {
		struct entry_msr_state msrs =
			established(state, (enum msr_list)current_list, &mtrrs);

		for (current_entry = 0; current_entry < lists[current_list].count; current_entry++)
			judge((enum msr_list)current_list,
			      &lists[current_list].entries[current_entry], &msrs);
	}
	current_list = -1;
	current_entry = 0;
}

static bool add_entry(const char *name, const struct vmx_msr_entry *entry)
{
	for (int i = 0; i < MSR_LISTS; i++) {
		if (strcmp(msr_lists[i], name) || lists[i].count == MAX_ENTRIES)
			continue;
		lists[i].entries[lists[i].count++] = *entry;
		return true;
	}
	return false;
}

/* Prints the answer, and forgets what was set since the base state. */
static void answer(struct state *state, const struct state *base)
{
	printf("failed");
	for (unsigned int i = 0; i < failure_count; i++)
		printf(" %u%s", failures[i].rule, failures[i].unknown ? "?" : "");
	putchar('\n');
	failure_count = 0;
	*state = *base;
}

int main(void)
{
	static struct state state, base;
	char line[MAX_LINE], name[MAX_LINE];
	struct vmx_msr_entry entry;
	u64 value;

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "set %255s %llx", name, &value) == 2) {
			if (!set_slot(&state, name, value) && !set_field(&state, name, value))
				printf("unknown %s\n", name);
		} else if (sscanf(line, "entry %255s %x %x %llx", name, &entry.index,
				  &entry.reserved, &entry.value) == 4) {
			if (!add_entry(name, &entry))
				printf("unknown %s\n", name);
		} else if (!strcmp(line, "base\n")) {
			base = state;
		} else if (!strcmp(line, "run\n")) {
			run(&state);
			answer(&state, &base);
		} else if (!strcmp(line, "msrs\n")) {
			run_msrs(&state);
			answer(&state, &base);
		} else {
			printf("bad %s", line);
		}
	}
	return 0;
}
