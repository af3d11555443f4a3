/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MUST() for scripts/vmcs-check.c, found before xmhf/lib/check.h: it reports every rule
 * with its outcome and goes on as if it held, so that one run sees all broken rules.
 */
#pragma once

#include "xmhf/lib/types.h"

/** As in the hypervisor; not used here. */
struct check_failure {
	const char *function;
	const char *rule;
};

/** Takes note of one rule and whether it held. */
void rule_seen(const char *file, int line, const char *function, const char *rule, bool held);

static inline bool check_failed(struct check_failure *why, const char *function, const char *rule)
{
	(void)why;
	rule_seen("", 0, function, rule, false);
	return true;
}

#define MUST(condition) \
	((void)why, rule_seen(__FILE__, __LINE__, __func__, #condition, (condition)), true)
