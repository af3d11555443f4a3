/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's command line. */
#include "xmhf/boot/cmdline.h"

#include "xmhf/lib/bits.h"
#include "xmhf/lib/string.h"

/* A piece of the command line. */
struct text {
	const char *start;
	size_t length;
};

static bool is_text(struct text text, const char *expected)
{
	return strlen(expected) == text.length && !memcmp(text.start, expected, text.length);
}

static bool starts_with(struct text text, const char *prefix)
{
	return text.length >= strlen(prefix) && !memcmp(text.start, prefix, strlen(prefix));
}

/* Cuts @text at the first @separator: returns what lies before, @text becomes what follows. */
static struct text cut(struct text *text, char separator)
{
	struct text head = { text->start, 0 };

	while (head.length < text->length && head.start[head.length] != separator)
		head.length++;
	text->start += head.length;
	text->length -= head.length;
	if (text->length) {
		text->start++;
		text->length--;
	}
	return head;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* A decimal number, or a hexadecimal one after 0x, of at most @max, which is below 2^59. */
static bool read_address(struct text text, u64 max, u64 *number)
{
	bool hexadecimal = starts_with(text, "0x") || starts_with(text, "0X");
	int base = hexadecimal ? 16 : 10;
	size_t i = hexadecimal ? 2 : 0;
	u64 value = 0;

	if (i == text.length)
		return false;
	for (; i < text.length; i++) {
		int digit = digit_value(text.start[i]);

		if (digit >= base)
			return false;
		value = value * (u64)base + (u64)digit;
		if (value > max)
			return false;
	}
	*number = value;
	return true;
}

static bool read_number(struct text text, u32 max, u32 *number)
{
	u64 value;

	if (!read_address(text, max, &value))
		return false;
	*number = (u32)value;
	return true;
}

static const char *read_switch(struct text value, bool *on)
{
	if (!is_text(value, "on") && !is_text(value, "off"))
		return "must be on or off";
	*on = is_text(value, "on");
	return NULL;
}

/* The UART divides 115200 baud by 1 to 65535. */
static bool is_baud(u32 baud)
{
	return baud >= 2 && 115200 % baud == 0;
}

static const char *read_serial(struct text value, struct cmdline *result)
{
	u32 port, baud = 115200;
	struct text port_text;

	if (is_text(value, "off")) {
		result->serial = false;
		return NULL;
	}
	if (value.length && value.start[value.length - 1] == ',')
		return "needs a number after the comma";
	port_text = cut(&value, ',');
	if (!read_number(port_text, 0xfff8, &port) || !port)
		return "must be an I/O port or off";
	if (value.length && (!read_number(value, 115200, &baud) || !is_baud(baud)))
		return "speed must divide 115200";
	result->serial = true;
	result->serial_port = (u16)port;
	result->serial_baud = baud;
	return NULL;
}

static const char *read_log(struct text value, struct cmdline *result)
{
	bool serial = false, vga = false, ring = false;

	do {
		struct text name = cut(&value, ',');

		if (is_text(name, "serial"))
			serial = true;
		else if (is_text(name, "vga"))
			vga = true;
		else if (is_text(name, "ring"))
			ring = true;
		else
			return "must be a list of serial, vga, ring";
	} while (value.length);
	result->log_serial = serial;
	result->log_vga = vga;
	result->log_ring = ring;
	return NULL;
}

static const char *read_boot_drive(struct text value, struct cmdline *result)
{
	u32 drive;

	if (!read_number(value, 0xff, &drive))
		return "must be a BIOS drive number, 0 to 0xff";
	result->boot_drive = (int)drive;
	return NULL;
}

static const char *read_cpus(struct text value, struct cmdline *result)
{
	u32 cpus;

	if (!read_number(value, 0xffff, &cpus) || !cpus)
		return "must be a number from 1 on";
	result->cpus = cpus;
	return NULL;
}

static const char *read_vmxcap(struct text name, struct text value, struct cmdline *result)
{
	const struct vmxcap_bit *bit = vmxcap_find(name.start, name.length);

	if (!bit)
		return "no such VMX capability";
	if (is_text(value, "0"))
		result->vmxcap.hidden[bit->word] |= BIT(bit->bit);
	else if (is_text(value, "1"))
		result->vmxcap.hidden[bit->word] &= ~BIT(bit->bit);
	else
		return "must be 0 or 1";
	return NULL;
}

static const char *read_hypapp(struct text name, struct text value, struct cmdline *result)
{
	struct hypapp_word *word = &result->hypapp[result->hypapp_count];
	u32 count = 0;

	if (!name.length || name.length >= sizeof(word->name))
		return "no such option of a hypapp";
	if (result->hypapp_count == HYPAPP_WORDS_MAX)
		return "too many options of the hypapp";
	if (value.length && value.start[value.length - 1] == ',')
		return "must be numbers between commas";
	do {
		if (count == HYPAPP_NUMBERS_MAX ||
		    !read_address(cut(&value, ','), HYPAPP_NUMBER_MAX, &word->number[count]))
			return "must be numbers between commas";
		count++;
	} while (value.length);
	memcpy(word->name, name.start, name.length);
	word->name[name.length] = '\0';
	word->count = count;
	result->hypapp_count++;
	return NULL;
}

u32 cmdline_hypapp_numbers(const struct cmdline *cmdline, const char *name, u64 *numbers, u32 count)
{
	const struct hypapp_word *word = NULL;

	for (unsigned int i = 0; i < cmdline->hypapp_count; i++) {
		struct text have = { cmdline->hypapp[i].name, strlen(cmdline->hypapp[i].name) };

		if (is_text(have, name))
			word = &cmdline->hypapp[i];
	}
	if (!word)
		return 0;
	for (u32 i = 0; i < word->count && i < count; i++)
		numbers[i] = word->number[i];
	return min_u64(word->count, count);
}

/* Obeys one word; returns what is wrong with it, or NULL. */
static const char *read_word(struct text word, struct cmdline *result)
{
	const char vmxcap[] = "vmxcap.", hypapp[] = "hypapp.";
	struct text value = word;
	struct text key = cut(&value, '=');

	if (key.length == word.length)
		return "not of the form key=value";
	if (is_text(key, "serial"))
		return read_serial(value, result);
	if (is_text(key, "boot_drive"))
		return read_boot_drive(value, result);
	if (is_text(key, "log"))
		return read_log(value, result);
	if (is_text(key, "cpus"))
		return read_cpus(value, result);
	if (is_text(key, "vmx"))
		return read_switch(value, &result->vmx);
	if (starts_with(key, vmxcap)) {
		key.start += strlen(vmxcap);
		key.length -= strlen(vmxcap);
		return read_vmxcap(key, value, result);
	}
	if (starts_with(key, hypapp)) {
		key.start += strlen(hypapp);
		key.length -= strlen(hypapp);
		return read_hypapp(key, value, result);
	}
	return "unknown key";
}

static void add_warning(struct cmdline *result, struct text word, const char *reason)
{
	struct cmdline_warning *warning;
	size_t length = word.length;

	if (result->warning_count++ >= CMDLINE_WARNINGS_MAX)
		return;
	warning = &result->warnings[result->warning_count - 1];
	if (length > sizeof(warning->word) - 1)
		length = sizeof(warning->word) - 1;
	memcpy(warning->word, word.start, length);
	warning->word[length] = '\0';
	warning->reason = reason;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next word of *@text, which moves behind it; length 0 at the end. */
static struct text next_word(const char **text)
{
	struct text word;

	while (is_blank(**text))
		(*text)++;
	word = (struct text){ *text, 0 };
	while (**text && !is_blank(**text))
		(*text)++;
	word.length = (size_t)(*text - word.start);
	return word;
}

static bool is_path(struct text word)
{
	struct text rest = word;

	return (word.start[0] == '/' || word.start[0] == '(') &&
	       cut(&rest, '=').length == word.length;
}

/* Where the last word of @text begins; its end if it ends with a blank. */
static const char *last_word(const char *text)
{
	const char *last = text + strlen(text);

	while (last > text && !is_blank(last[-1]))
		last--;
	return last;
}

void cmdline_parse(const char *text, bool truncated, struct cmdline *result)
{
	const char *end = truncated ? last_word(text) : text + strlen(text);
	struct text word;

	memset(result, 0, sizeof(*result));
	result->serial = true;
	result->serial_port = 0x3f8;
	result->serial_baud = 115200;
	result->boot_drive = -1;
	result->log_serial = result->log_vga = result->log_ring = true;
	result->vmx = true;

	if (truncated)
		add_warning(result, (struct text){ end, strlen(end) },
			    "too long: not read from this word on, which is cut off");
	word = next_word(&text);
	if (word.length && is_path(word))
		word = next_word(&text);
	for (; word.length && word.start < end; word = next_word(&text)) {
		const char *reason = read_word(word, result);

		if (reason)
			add_warning(result, word, reason);
	}
}
