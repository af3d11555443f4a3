/* SPDX-License-Identifier: BSD-2-Clause */
/* Command-line words and wildcards of lhv, on the host. */
/* sources: lhv/frame/cmdline.c */
#include <string.h>

#include "lhv/frame/cmdline.h"
#include "xmhf/test/tap.h"

static char unknown[64];

static void note_unknown(const char *word)
{
	strncpy(unknown, word, sizeof(unknown) - 1);
}

static void wildcards(void)
{
	ok(wildcard_matches("*", "entry/control"), "star matches all");
	ok(wildcard_matches("entry/*", "entry/control/x"), "prefix");
	ok(!wildcard_matches("entry/*", "ept/x"), "other prefix");
	ok(wildcard_matches("a,b*", "bcd"), "second alternative");
	ok(!wildcard_matches("", "x"), "empty pattern matches no name");
	ok(wildcard_matches("*/x/*", "a/x/b"), "stars on both sides");
	ok(!wildcard_matches("abc", "abcd"), "no prefix match without star");
	ok(!wildcard_matches("abcd", "abc"), "pattern longer than the text");
	ok(wildcard_matches("a*c,zz", "abbc"), "star in the middle");
}

static void values(void)
{
	char text[8];

	cmdline_set(
		"/lhv64.elf cases=x/* count=12 seed=0x1F bad=12x empty= seed=2 long=0123456789");
	ok(cmdline_number("count", 1) == 12, "decimal");
	ok(cmdline_number("seed", 1) == 2, "the last of two words counts");
	ok(cmdline_number("bad", 7) == 7, "a bad number is none");
	ok(cmdline_number("none", 9) == 9, "an absent number");
	ok(cmdline_is("cases", "x/*"), "text");
	ok(!cmdline_is("case", "x/*"), "a shorter key is another key");
	ok(cmdline_text("long", text, sizeof(text)) && strcmp(text, "0123456") == 0, "cut to size");
	ok(cmdline_number("empty", 5) == 5, "an empty value");
}

static void unknown_words(void)
{
	static const char *const known[] = { "cases", "count", NULL };

	cmdline_set("/boot/lhv cases=* typo=1");
	cmdline_unknown(known, note_unknown);
	ok(strcmp(unknown, "typo=1") == 0, "an unknown word is told");
}

static char unused[256];

static void note_unused(const char *alternative)
{
	strcat(strcat(unused, alternative), ";");
}

static void alternatives(void)
{
	u64 used = wildcard_alternatives("a*,b,*c,d", "abc");

	ok(used == 5, "the first and the third alternative match");
	ok(wildcard_alternatives("", "x") == 0, "an empty pattern");
	wildcard_unused("a*,b,*c,d", used, note_unused);
	ok(strcmp(unused, "b;d;") == 0, "the second and the fourth were of no use");
	unused[0] = 0;
	wildcard_unused("a*", 1, note_unused);
	ok(!unused[0], "all of use");
}

int main(void)
{
	alternatives();
	wildcards();
	values();
	unknown_words();
	return tap_end();
}
