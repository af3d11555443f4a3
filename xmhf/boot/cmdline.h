/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's command line: `key=value` words between blanks.  Pure.
 * A word that is unknown or malformed becomes a warning and changes nothing; boot goes
 * on.  Of a key given twice the last value counts; vmxcap.* keys add up.
 *
 *   serial=PORT[,BAUD] | off   serial console; default 0x3f8,115200
 *   boot_drive=N               BIOS drive to boot L1 from; default: the loader's
 *   log=LIST                   of serial, vga, ring; default all of them
 *   cpus=N                     use at most N CPUs; default all
 *   vmx=on | off               show VMX to L1; default on
 *   vmxcap.NAME=0              hide one VMX capability bit from L1, see xmhf/vmx/vmxcap.h;
 *                              =1 shows it again
 *   hypapp.NAME=NUMBER[,...]   for the hypapp: docs/hypapps.md
 */
#pragma once

#include "xmhf/vmx/vmxcap.h"

#define CMDLINE_WARNINGS_MAX 16

#define HYPAPP_WORDS_MAX   8
#define HYPAPP_NUMBERS_MAX 4
#define HYPAPP_NUMBER_MAX  ((1ULL << 52) - 1)

struct hypapp_word {
	char name[16];
	u32 count;
	u64 number[HYPAPP_NUMBERS_MAX];
};

struct cmdline_warning {
	char word[48]; /* the word as given, cut off where too long */
	const char *reason;
};

struct cmdline {
	bool serial;
	u16 serial_port;
	u32 serial_baud;
	int boot_drive; /* -1: not given */
	bool log_serial, log_vga, log_ring;
	unsigned int cpus; /* 0: not given */
	bool vmx;
	struct vmxcap_mask vmxcap;
	unsigned int hypapp_count;
	struct hypapp_word hypapp[HYPAPP_WORDS_MAX];

	unsigned int warning_count; /* may be more than there is room for */
	struct cmdline_warning warnings[CMDLINE_WARNINGS_MAX];
};

/**
 * Reads the NUL-terminated @text.  The loader may put the image's path first: a first
 * word that starts with '/' or '(' and has no '=' is skipped.
 * Of a @truncated text the last word is not obeyed, for it may be a part of one ("cpus=1" of
 * "cpus=16"); the first warning says so and names it.
 */
void cmdline_parse(const char *text, bool truncated, struct cmdline *result);

/** The numbers of the last word hypapp.@name=, at most @count; returns how many, 0 without it. */
u32 cmdline_hypapp_numbers(const struct cmdline *cmdline, const char *name, u64 *numbers,
			   u32 count);
