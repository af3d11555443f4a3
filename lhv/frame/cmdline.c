/* SPDX-License-Identifier: BSD-2-Clause */
/* Command-line words and wildcards.  Pure but for the stored text. */
#include "lhv/frame/cmdline.h"

#include "xmhf/lib/bits.h"
#include "xmhf/lib/string.h"

#define CMDLINE_MAX 4096

static char stored[CMDLINE_MAX];

void cmdline_set(const char *text)
{
	size_t n = strlen(text);

	if (n >= sizeof(stored))
		n = sizeof(stored) - 1;
	memcpy(stored, text, n);
	stored[n] = 0;
}

static const char *next_word(const char *p)
{
	while (*p == ' ')
		p++;
	return p;
}

static size_t word_length(const char *p)
{
	size_t n = 0;

	while (p[n] && p[n] != ' ')
		n++;
	return n;
}

bool cmdline_text(const char *key, char *value, size_t size)
{
	size_t key_length = strlen(key);
	bool found = false;

	for (const char *p = next_word(stored); *p; p = next_word(p + word_length(p))) {
		size_t n = word_length(p);

		if (n <= key_length || strncmp(p, key, key_length) != 0 || p[key_length] != '=')
			continue;
		n -= key_length + 1;
		if (n >= size)
			n = size - 1;
		memcpy(value, p + key_length + 1, n);
		value[n] = 0;
		found = true;
	}
	return found;
}

static unsigned int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A' + 10);
	return 99;
}

u64 cmdline_number(const char *key, u64 otherwise)
{
	char text[32];
	const char *p = text;
	unsigned int base = 10;
	u64 value = 0;

	if (!cmdline_text(key, text, sizeof(text)))
		return otherwise;
	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		base = 16;
		p += 2;
	}
	if (!*p)
		return otherwise;
	for (; *p; p++) {
		if (digit_of(*p) >= base)
			return otherwise;
		value = value * base + digit_of(*p);
	}
	return value;
}

bool cmdline_is(const char *key, const char *value)
{
	char text[64];

	return cmdline_text(key, text, sizeof(text)) && strcmp(text, value) == 0;
}

static bool is_known(const char *const *known, const char *word)
{
	for (; *known; known++) {
		size_t n = strlen(*known);

		if (strncmp(word, *known, n) == 0 && (word[n] == '=' || word[n] == 0))
			return true;
	}
	return false;
}

void cmdline_unknown(const char *const *known, void (*unknown)(const char *word))
{
	char word[64];

	for (const char *p = next_word(stored); *p; p = next_word(p + word_length(p))) {
		size_t n = word_length(p);

		if (p[0] == '/')
			continue; /* the loader put the file's name first */
		if (n >= sizeof(word))
			n = sizeof(word) - 1;
		memcpy(word, p, n);
		word[n] = 0;
		if (!is_known(known, word))
			unknown(word);
	}
}

static bool alternative_matches(const char *pattern, const char *text)
{
	for (; *pattern && *pattern != ','; pattern++, text++) {
		if (*pattern == '*') {
			do {
				if (alternative_matches(pattern + 1, text))
					return true;
			} while (*text++);
			return false;
		}
		if (*pattern != *text)
			return false;
	}
	return *text == 0;
}

/* The alternative after the present one; NULL at the end. */
static const char *next_alternative(const char *pattern)
{
	while (*pattern && *pattern != ',')
		pattern++;
	return *pattern ? pattern + 1 : NULL;
}

u64 wildcard_alternatives(const char *pattern, const char *text)
{
	u64 found = 0;

	for (unsigned int i = 0; pattern; pattern = next_alternative(pattern), i++)
		if (alternative_matches(pattern, text))
			found |= BIT(i < 63 ? i : 63);
	return found;
}

bool wildcard_matches(const char *pattern, const char *text)
{
	return wildcard_alternatives(pattern, text);
}

void wildcard_unused(const char *pattern, u64 used, void (*unused)(const char *alternative))
{
	for (unsigned int i = 0; pattern; pattern = next_alternative(pattern), i++) {
		char text[128];
		size_t n = 0;

		while (pattern[n] && pattern[n] != ',' && n < sizeof(text) - 1)
			n++;
		memcpy(text, pattern, n);
		text[n] = 0;
		if (!(used & BIT(i < 63 ? i : 63)))
			unused(text);
	}
}
