/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small TAP producer for host tests.  A test program calls ok() and friends, and ends
 * with `return tap_end();`.  Passed checks are counted, printed with TAP_VERBOSE=1;
 * failed ones are always printed.
 */
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned long tap_count, tap_failed;

/** One check: prints "not ok" with the text if @pass is false; returns @pass. */
static __attribute__((format(printf, 3, 4), unused)) int tap_ok(int pass, const char *place,
								const char *format, ...)
{
	va_list args;

	tap_count++;
	if (pass && !getenv("TAP_VERBOSE"))
		return pass;
	tap_failed += !pass;
	printf("%s %lu - ", pass ? "ok" : "not ok", tap_count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(pass ? "\n" : " # %s\n", place);
	return pass;
}

#define TAP_TEXT(x)	      #x
#define TAP_PLACE(file, line) file ":" TAP_TEXT(line)
/** ok(condition, format, ...): the text says what should hold. */
#define ok(condition, ...) tap_ok(!!(condition), TAP_PLACE(__FILE__, __LINE__), __VA_ARGS__)
/** is_u64(got, expected, name) */
#define is_u64(got, expected, name)                                               \
	do {                                                                      \
		unsigned long long got_ = (got), expected_ = (expected);          \
		tap_ok(got_ == expected_, TAP_PLACE(__FILE__, __LINE__),          \
		       "%s: got 0x%llx, expected 0x%llx", name, got_, expected_); \
	} while (0)

/** Prints the plan; the program's exit status. */
static inline int tap_end(void)
{
	printf("1..%lu\n", tap_count);
	if (tap_failed)
		printf("# %lu of %lu checks failed\n", tap_failed, tap_count);
	return tap_failed || !tap_count;
}
