/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot loader's command line: `key=value` words.  Pure but for the stored text. */
#pragma once

#include "xmhf/lib/types.h"

/** Takes a copy of @text; the rest of the interface answers from it. */
void cmdline_set(const char *text);

/** Copies the value of @key into @value, at most @size bytes with the NUL; false: absent. */
bool cmdline_text(const char *key, char *value, size_t size);

/** The value of @key as a number (decimal, or hexadecimal after 0x); @otherwise if absent or bad.
 */
u64 cmdline_number(const char *key, u64 otherwise);

/** Claim: @key is present with exactly this @value. */
bool cmdline_is(const char *key, const char *value);

/** Calls @report with every word whose key is not in @known, a NULL-terminated list. */
void cmdline_unknown(const char *const *known, void (*unknown)(const char *word));

/** Claim: @text matches @pattern, in which `*` stands for anything and `,` separates alternatives.
 */
bool wildcard_matches(const char *pattern, const char *text);

/**
 * Which alternatives of @pattern match @text: bit n for the one after the n-th comma; those
 * from 63 on share bit 63.
 */
u64 wildcard_alternatives(const char *pattern, const char *text);

/** Calls @unused with every alternative of @pattern whose bit is not in @used. */
void wildcard_unused(const char *pattern, u64 used, void (*unused)(const char *alternative));
