/* SPDX-License-Identifier: BSD-2-Clause */
/* Capability bits that the user hides from L1, by word and number or by name.  Pure. */
#include "nested/caps/caps.h"

#include "xmhf/lib/bits.h"
#include "xmhf/lib/string.h"

static const struct {
	const char *name;
	u8 bits; /* width */
} words[CAPS_WORD_COUNT] = {
	[CAPS_PIN] = { "pin", 32 },	  [CAPS_PROC1] = { "proc1", 32 },
	[CAPS_PROC2] = { "proc2", 32 },	  [CAPS_PROC3] = { "proc3", 64 },
	[CAPS_EXIT] = { "exit", 32 },	  [CAPS_EXIT2] = { "exit2", 64 },
	[CAPS_ENTRY] = { "entry", 32 },	  [CAPS_EPT] = { "ept", 64 },
	[CAPS_MISC] = { "misc", 64 },	  [CAPS_BASIC] = { "basic", 64 },
	[CAPS_VMFUNC] = { "vmfunc", 64 },
};

static const struct {
	u8 word; /* enum nested_caps_word */
	u8 bit;
	const char *name;
} controls[] = {
#define VMX_CONTROL(word_, bit_, name_) { .word = CAPS_##word_, .bit = (bit_), .name = #name_ },
#include "xmhf/x86/vmx_controls.def"
#undef VMX_CONTROL
};

static enum nested_caps_word word_by_name(const char *name)
{
	unsigned int i = 0;

	while (i < CAPS_WORD_COUNT && strcmp(name, words[i].name))
		i++;
	return (enum nested_caps_word)i;
}

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Claim: @given is @name, which is in upper case, in any case. */
static bool is_name(const char *given, const char *name)
{
	while (*given && upper(*given) == *name) {
		given++;
		name++;
	}
	return upper(*given) == *name;
}

bool nested_caps_hide(struct nested_caps_bits *hidden, const char *word, unsigned int bit)
{
	enum nested_caps_word number = word_by_name(word);

	if (number == CAPS_WORD_COUNT || bit >= words[number].bits)
		return false;
	hidden->word[number] |= BIT(bit);
	return true;
}

bool nested_caps_hide_name(struct nested_caps_bits *hidden, const char *word, const char *name)
{
	enum nested_caps_word number = word_by_name(word);

	for (size_t i = 0; i < ARRAY_SIZE(controls); i++)
		if (controls[i].word == number && is_name(name, controls[i].name))
			return nested_caps_hide(hidden, word, controls[i].bit);
	return false;
}
