/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MUST(): a rule of the SDM as an expression.  It yields its condition; the first
 * one that is false leaves its place and text in the parameter named `why`.
 */
#pragma once

#include "xmhf/lib/types.h"

/** The first rule that did not hold. */
struct check_failure {
	const char *function;
	const char *rule;
};

/** Records @function and @rule in @why unless a failure is there already; returns false. */
static inline bool check_failed(struct check_failure *why, const char *function, const char *rule)
{
	if (!why->rule)
		*why = (struct check_failure){ function, rule };
	return false;
}

#define MUST(condition) ((condition) ? true : check_failed(why, __func__, #condition))
