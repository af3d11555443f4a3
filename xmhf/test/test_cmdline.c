/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/boot/cmdline.c xmhf/vmx/vmxcap.c */
/* The command line: every key, every way to get it wrong. */
#include "xmhf/boot/cmdline.h"

#include <string.h>

#include "xmhf/test/tap.h"

static struct cmdline c;

/* @text has no warning. */
static void good(const char *text)
{
	cmdline_parse(text, false, &c);
	ok(!c.warning_count, "'%s' has no warning, got '%s'", text,
	   c.warning_count ? c.warnings[0].reason : "");
}

static bool is_default(void)
{
	struct vmxcap_mask none = { { 0 } };

	return c.serial && c.serial_port == 0x3f8 && c.serial_baud == 115200 &&
	       c.boot_drive == -1 && c.log_serial && c.log_vga && c.log_ring && !c.cpus && c.vmx &&
	       !memcmp(&c.vmxcap, &none, sizeof(none));
}

/* @word has one warning that contains @reason, and changes nothing. */
static void bad(const char *word, const char *reason)
{
	cmdline_parse(word, false, &c);
	ok(c.warning_count == 1 && strstr(c.warnings[0].reason, reason) &&
		   !strcmp(c.warnings[0].word, word),
	   "'%s': warning '%s', got %u '%s'", word, reason, c.warning_count,
	   c.warning_count ? c.warnings[0].reason : "");
	ok(is_default(), "'%s' changes nothing", word);
}

static void test_first_word(void)
{
	good("");
	ok(is_default(), "defaults");
	good(" \t\r\n ");
	good("/boot/xmhf-nest.elf");
	good("(hd0,msdos1)/xmhf.elf cpus=2");
	is_u64(c.cpus, 2, "the word after the path counts");
	good("  /xmhf.elf vmx=off");
	ok(!c.vmx, "blanks before the path");
	bad("xmhf.elf", "not of the form");
	bad("/serial=off", "unknown key");
	cmdline_parse("cpus=1 /xmhf.elf", false, &c);
	is_u64(c.warning_count, 1, "a path that is not the first word");
	cmdline_parse("/a /b", false, &c);
	is_u64(c.warning_count, 1, "two paths");
}

/* A loader's line that did not fit: no word is obeyed that may have been a longer one. */
static void test_truncated(void)
{
	static const char *const reason = "too long: not read from this word on";
	char text[400] = "";

	cmdline_parse("vmx=off cpus=1", true, &c);
	ok(!c.vmx && !c.cpus, "the words before the cut count, the one at the cut does not");
	ok(c.warning_count == 1 && strstr(c.warnings[0].reason, reason) &&
		   !strcmp(c.warnings[0].word, "cpus=1"),
	   "the warning names it");
	cmdline_parse("cpus=3 ", true, &c);
	ok(c.cpus == 3 && c.warning_count == 1 && !c.warnings[0].word[0], "cut behind a blank");
	cmdline_parse("cpus=3", true, &c);
	ok(is_default() && c.warning_count == 1, "one word, cut off");
	cmdline_parse("/boot/xm", true, &c);
	ok(is_default() && c.warning_count == 1, "a path, cut off");
	cmdline_parse("", true, &c);
	ok(is_default() && c.warning_count == 1, "nothing");
	for (unsigned int i = 0; i < CMDLINE_WARNINGS_MAX + 4; i++)
		strcat(text, "frog=1 ");
	cmdline_parse(strcat(text, "cpus=2"), true, &c);
	ok(c.warning_count == CMDLINE_WARNINGS_MAX + 5 && strstr(c.warnings[0].reason, reason),
	   "other warnings do not push it out");
}

static void test_hypapp(void)
{
	u64 n[4] = { 0 };

	good("hypapp.range=0x7f000000,4096,5");
	is_u64(cmdline_hypapp_numbers(&c, "range", n, 4), 3, "three numbers");
	ok(n[0] == 0x7f000000 && n[1] == 4096 && n[2] == 5, "their values");
	is_u64(cmdline_hypapp_numbers(&c, "range", n, 2), 2, "no more than there is room for");
	is_u64(cmdline_hypapp_numbers(&c, "port", n, 4), 0, "another word");
	good("hypapp.port=1 hypapp.port=0xfffffffffffff,2");
	ok(cmdline_hypapp_numbers(&c, "port", n, 4) == 2 && n[0] == HYPAPP_NUMBER_MAX,
	   "the last one counts");
	bad("hypapp.port=", "numbers");
	bad("hypapp.port=1,", "numbers");
	bad("hypapp.port=1,,2", "numbers");
	bad("hypapp.port=x", "numbers");
	bad("hypapp.port=0x10000000000000", "numbers");
	bad("hypapp.port=1,2,3,4,5", "numbers");
	bad("hypapp.=1", "no such option");
	bad("hypapp.sixteen-letters-=1", "no such option");
	cmdline_parse("hypapp.a=1 hypapp.b=1 hypapp.c=1 hypapp.d=1 hypapp.e=1 hypapp.f=1 "
		      "hypapp.g=1 hypapp.h=1 hypapp.i=1",
		      false, &c);
	ok(c.warning_count == 1 && c.hypapp_count == HYPAPP_WORDS_MAX, "too many words");
}

static void test_serial(void)
{
	good("serial=off");
	ok(!c.serial, "off");
	good("serial=0x2f8");
	ok(c.serial && c.serial_port == 0x2f8 && c.serial_baud == 115200, "port");
	good("serial=1000,9600");
	ok(c.serial_port == 1000 && c.serial_baud == 9600, "decimal port, speed");
	good("serial=off serial=0X3E8,38400");
	ok(c.serial && c.serial_port == 0x3e8 && c.serial_baud == 38400, "the last one counts");
	bad("serial=", "I/O port");
	bad("serial=0", "I/O port");
	bad("serial=on", "I/O port");
	bad("serial=0x", "I/O port");
	bad("serial=3f8", "I/O port");
	bad("serial=0x3g8", "I/O port");
	bad("serial=0xfff9", "I/O port");
	bad("serial=0x100000000000003f8", "I/O port");
	bad("serial=0x3f8,", "after the comma");
	bad("serial=0x3f8,0", "speed");
	bad("serial=0x3f8,1", "speed");
	bad("serial=0x3f8,9601", "speed");
	bad("serial=0x3f8,230400", "speed");
	bad("serial=0x3f8,9600,8n1", "speed");
	good("serial=0xfff8,2");
}

static void test_others(void)
{
	good("boot_drive=0x81");
	is_u64((u64)c.boot_drive, 0x81, "drive");
	good("boot_drive=0");
	is_u64((u64)c.boot_drive, 0, "floppy");
	good("boot_drive=255");
	good("boot_drive=0xaf");
	is_u64((u64)c.boot_drive, 0xaf, "small hexadecimal digits");
	good("boot_drive=0xAF");
	is_u64((u64)c.boot_drive, 0xaf, "capital hexadecimal digits");
	bad("boot_drive=0x`", "BIOS drive");
	bad("boot_drive=0xg", "BIOS drive");
	bad("boot_drive=0x@", "BIOS drive");
	bad("boot_drive=0xG", "BIOS drive");
	bad("boot_drive=0x!", "BIOS drive");
	bad("boot_drive=1:", "BIOS drive");
	bad("boot_drive=256", "BIOS drive");
	bad("boot_drive=", "BIOS drive");
	bad("boot_drive=-1", "BIOS drive");

	good("log=ring");
	ok(c.log_ring && !c.log_serial && !c.log_vga, "one sink");
	good("log=vga,serial");
	ok(!c.log_ring && c.log_serial && c.log_vga, "two sinks");
	good("log=serial");
	ok(!c.log_ring && c.log_serial && !c.log_vga, "serial only");
	bad("log=", "list");
	bad("log=vga,disk", "list");
	bad("log=vga,,ring", "list");

	good("cpus=1");
	is_u64(c.cpus, 1, "one CPU");
	bad("cpus=0", "from 1");
	bad("cpus=two", "from 1");
	bad("cpus=65536", "from 1");

	good("vmx=off");
	ok(!c.vmx, "no VMX");
	good("vmx=off vmx=on");
	ok(c.vmx, "VMX again");
	bad("vmx=0", "on or off");
	bad("vmx=offf", "on or off");

	bad("vmx", "not of the form");
	bad("=1", "unknown key");
	bad("cpu=1", "unknown key");
	bad("CPUS=1", "unknown key");
}

static void test_vmxcap(void)
{
	good("vmxcap.EXIT_LOAD_IA32_EFER=0 vmxcap.ept_2m=0 vmxcap.EXIT_LOAD_IA32_PAT=0");
	is_u64(c.vmxcap.hidden[VMXCAP_EXIT], EXIT_LOAD_IA32_EFER | EXIT_LOAD_IA32_PAT, "two");
	is_u64(c.vmxcap.hidden[VMXCAP_EPT], EPT_CAP_2M, "one of another word");
	good("vmxcap.EPT_2M=0 vmxcap.EPT_1G=0 vmxcap.EPT_2M=1");
	is_u64(c.vmxcap.hidden[VMXCAP_EPT], EPT_CAP_1G, "shown again");
	bad("vmxcap.EPT_2M=", "0 or 1");
	bad("vmxcap.EPT_2M=2", "0 or 1");
	bad("vmxcap.EPT_3M=0", "no such");
	bad("vmxcap.=0", "no such");
	bad("vmxcap=0", "unknown key");
}

static void test_warnings(void)
{
	char text[20 * 60] = "";

	for (unsigned int i = 0; i < 20; i++)
		strcat(text, "a_long_word_that_is_longer_than_the_space_for_words=1 ");
	cmdline_parse(text, false, &c);
	is_u64(c.warning_count, 20, "all are counted");
	is_u64(strlen(c.warnings[15].word), sizeof(c.warnings[0].word) - 1, "words are cut off");
	memset(text, 'x', 48);
	text[47] = '\0';
	cmdline_parse(text, false, &c);
	ok(!strcmp(c.warnings[0].word, text), "a word that just fits");
	text[47] = 'x';
	text[48] = '\0';
	cmdline_parse(text, false, &c);
	text[47] = '\0';
	ok(!strcmp(c.warnings[0].word, text), "a word with one character too many");
	cmdline_parse("bad=1 cpus=3 worse=2", false, &c);
	ok(c.warning_count == 2 && !strcmp(c.warnings[1].word, "worse=2"), "each is kept");
	is_u64(c.cpus, 3, "good words between bad ones count");
}

int main(void)
{
	test_first_word();
	test_truncated();
	test_serial();
	test_hypapp();
	test_others();
	test_vmxcap();
	test_warnings();
	return tap_end();
}
