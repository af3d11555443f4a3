/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bug_if(): stops the machine on a mistake of ours.  No bug_if() may depend on a
 * value that L1 or L2 can choose.
 */
#pragma once

#include "xmhf/lib/types.h"

/**
 * Reports the failed claim and stops; never returns.  Linked by the program: the
 * hypervisor panics with dumps, lhv and host tests have their own.
 */
_Noreturn void bug_stop(const char *file, int line, const char *claim);

#define bug_if(condition) \
	((condition) ? bug_stop(__FILE__, __LINE__, "bug_if(" #condition ")") : (void)0)
