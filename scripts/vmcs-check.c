/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's VM-entry checks as a program for this machine; `scripts/vmcs check`
 * builds it and talks to it.  One command per line on standard input:
 *
 *	set NAME VALUE   a field of the VMCS, of the capabilities ("caps.pin.may_be_1") or of
 *	                 the other inputs ("input.virtual_tpr")
 *	base             what is set now is the base state
 *	run              runs all checks, answers, and goes back to the base state
 *
 * The answer to `run` is a line of the numbers of the rules that did not hold, each as often
 * as it failed.  A rule is introduced once, by "rule NUMBER FILE LINE FUNCTION TEXT".
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nested/entry/entry.h"

#define MAX_RULES    4096
#define MAX_FAILURES 4096
#define MAX_LINE     256

struct rule {
	const char *file;
	int line;
	const char *text;
};

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
static unsigned int failures[MAX_FAILURES];
static unsigned int failure_count;

static unsigned int rule_number(const char *file, int line, const char *function, const char *text)
{
	for (unsigned int i = 0; i < rule_count; i++)
		if (rules[i].line == line && !strcmp(rules[i].file, file) &&
		    !strcmp(rules[i].text, text))
			return i;
	if (rule_count == MAX_RULES)
		abort();
	rules[rule_count] = (struct rule){ file, line, text };
	printf("rule %u %s %d %s %s\n", rule_count, file, line, function, text);
	return rule_count++;
}

void rule_seen(const char *file, int line, const char *function, const char *rule, bool held)
{
	unsigned int number = rule_number(file, line, function, rule);

	if (!held && failure_count < MAX_FAILURES)
		failures[failure_count++] = number;
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
	failure_count = 0;
	(void)entry_check_controls_and_host(&state->inputs, &why);
	(void)entry_check_guest(&state->inputs, &qualification, &why);
	printf("failed");
	for (unsigned int i = 0; i < failure_count; i++)
		printf(" %u", failures[i]);
	putchar('\n');
}

int main(void)
{
	static struct state state, base;
	char line[MAX_LINE], name[MAX_LINE];
	u64 value;

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "set %255s %llx", name, &value) == 2) {
			if (!set_slot(&state, name, value) && !set_field(&state, name, value))
				printf("unknown %s\n", name);
		} else if (!strcmp(line, "base\n")) {
			base = state;
		} else if (!strcmp(line, "run\n")) {
			run(&state);
			state = base;
		} else {
			printf("bad %s", line);
		}
	}
	return 0;
}
