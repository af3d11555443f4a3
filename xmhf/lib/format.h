/* SPDX-License-Identifier: BSD-2-Clause */
/* printf-style formatting for the freestanding image. */
#pragma once

#include <stdarg.h>
#include "xmhf/lib/types.h"

/**
 * Formats into @out, of @size bytes, always ending it with a NUL when @size > 0.
 * Understands %d %i %u %x %X %p %s %c %%, the flags 0 and -, a width (also *), a
 * precision for %s, and the lengths h, hh, l, ll and z.
 * Returns the number of characters the whole text has, as vsnprintf() does.
 */
int format_text_v(char *out, size_t size, const char *format, va_list args);

/** As format_text_v(), with the arguments in line. */
int format_text(char *out, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
