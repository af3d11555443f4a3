/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/lib/format.c */
/* Formatting, against the C library's. */
#include "xmhf/lib/format.h"

#include <stdio.h>
#include <string.h>

#include "xmhf/test/tap.h"

#define SIZE 64

/* Both into buffers of @size bytes: same text, same return value, nothing written behind. */
static void compare(size_t size, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void compare(size_t size, const char *format, ...)
{
	char ours[SIZE + 1], theirs[SIZE + 1];
	va_list args, again;
	int n, m;

	memset(ours, '#', sizeof(ours));
	memset(theirs, '#', sizeof(theirs));
	va_start(args, format);
	va_copy(again, args);
	n = format_text_v(ours, size, format, args);
	m = vsnprintf(theirs, size, format, again);
	va_end(again);
	va_end(args);
	ok(n == m, "'%s' with size %zu returns %d, got %d", format, size, m, n);
	ok(!memcmp(ours, theirs, sizeof(ours)), "'%s' with size %zu is '%.*s', got '%.*s'", format,
	   size, (int)size, theirs, (int)size, ours);
}

static void test_integers(void)
{
	static const long long values[] = { 0,
					    1,
					    -1,
					    9,
					    10,
					    -10,
					    255,
					    65535,
					    -32768,
					    2147483647,
					    -2147483648LL,
					    4294967295LL,
					    123456789012345LL };

	for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		long long v = values[i];

		compare(SIZE, "%d|%i|%u", (int)v, (int)v, (unsigned int)v);
		compare(SIZE, "%x|%X|%08x", (unsigned int)v, (unsigned int)v, (unsigned int)v);
		compare(SIZE, "%lld|%llu", v, (unsigned long long)v);
		compare(SIZE, "0x%016llx", (unsigned long long)v);
		compare(SIZE, "%ld|%lx|%zu", (long)v, (unsigned long)v, (size_t)v);
		compare(SIZE, "%hx|%hhx", (unsigned short)v, (unsigned char)v);
		compare(SIZE, "[%5d][%-5d][%05d]", (int)v, (int)v, (int)v);
		compare(SIZE, "[%*x][%-*u]", 12, (unsigned int)v, 7, (unsigned int)v);
	}
}

static void test_text(void)
{
	compare(SIZE, "plain");
	compare(SIZE, "100%%");
	compare(SIZE, "%s|%10s|%-10s|", "abc", "abc", "abc");
	compare(SIZE, "%.2s|%.0s|%.9s|%6.2s", "abc", "abc", "abc", "abc");
	compare(SIZE, "%c|%3c|%-3c|", 'x', 'y', 'z');
}

static void test_truncation(void)
{
	for (size_t size = 0; size <= 12; size++) {
		compare(size, "%s", "0123456789");
		compare(size, "a%8db", 42);
	}
}

static void test_null_string(void)
{
	char text[SIZE];
	const char *volatile nothing = NULL;

	format_text(text, sizeof(text), "%s", nothing);
	ok(!strcmp(text, "(null)"), "a null string is shown as such, not '%s'", text);
}

static void test_pointer(void)
{
	char text[SIZE];

	format_text(text, sizeof(text), "%p", (void *)0x1234abcd);
	ok(!strcmp(text, "1234abcd"), "a pointer is its digits alone, not '%s'", text);
}

int main(void)
{
	test_integers();
	test_text();
	test_truncation();
	test_null_string();
	test_pointer();
	return tap_end();
}
