/* SPDX-License-Identifier: BSD-2-Clause */
/* From the boot loader to the mode that the command line asks for. */
#include "lhv/bench/bench.h"
#include "lhv/frame/apic.h"
#include "lhv/frame/cmdline.h"
#include "lhv/frame/console.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/frame/smp.h"
#include "lhv/hostile/hostile.h"
#include "lhv/persona/persona.h"
#include "lhv/suite/case.h"
#include "lhv/vmdiff/vmdiff.h"

#define MULTIBOOT1_LOADED	0x2badb002u
#define MULTIBOOT2_LOADED	0x36d76289u
#define MULTIBOOT1_HAS_CMDLINE	BIT32(2)
#define MULTIBOOT1_CMDLINE_WORD 4
#define MULTIBOOT2_FIRST_TAG	8
#define MULTIBOOT2_TAG_END	0
#define MULTIBOOT2_TAG_CMDLINE	1

extern u32 boot_magic, boot_information;

void boot_main(void);

static const char *const known_keys[] = { "cases",  "iterations",  "cpus",   "seed",	"mode",
					  "break",  "known",	   "paging", "vga",	"apic",
					  "vmx",    "persona",	   "from",   "count",	"bench",
					  "rounds", "root-vmcall", "mask",   "planted", "watchdog",
					  "hpet",   "dump",	   "ops",    "trace",	NULL };

/** One tag of the Multiboot 2 information. */
struct multiboot2_tag {
	u32 type, size;
	char text[];
};

static const char *find_multiboot2_cmdline(uptr information)
{
	uptr p = information + MULTIBOOT2_FIRST_TAG;

	for (;;) {
		const struct multiboot2_tag *tag = (const struct multiboot2_tag *)p;

		if (tag->type == MULTIBOOT2_TAG_END)
			return "";
		if (tag->type == MULTIBOOT2_TAG_CMDLINE)
			return tag->text;
		p += (uptr)align_up(tag->size, 8);
	}
}

static const char *find_cmdline(void)
{
	const u32 *information = (const u32 *)(uptr)boot_information;

	if (boot_magic == MULTIBOOT2_LOADED)
		return find_multiboot2_cmdline(boot_information);
	if (boot_magic == MULTIBOOT1_LOADED && (information[0] & MULTIBOOT1_HAS_CMDLINE))
		return (const char *)(uptr)information[MULTIBOOT1_CMDLINE_WORD];
	return "";
}

static void warn_unknown(const char *word)
{
	report("# unknown word on the command line: %s\n", word);
}

static enum paging_mode wanted_paging(void)
{
	return cmdline_is("paging", "pae") ? PAGING_PAE : PAGING_PLAIN;
}

static void start_frame(void)
{
	segments_init(0);
	paging_init(wanted_paging());
	apic_init();
	smp_start((unsigned int)cmdline_number("cpus", MAX_CPUS));
	if (cmdline_is("apic", "x2apic"))
		apic_enable_x2apic();
}

void boot_main(void)
{
	char persona[2];

	cmdline_set(find_cmdline());
	console_init(cmdline_is("vga", "on"));
	report("# lhv %u-bit\n", (unsigned int)sizeof(uptr) * 8);
	cmdline_unknown(known_keys, warn_unknown);
	start_frame();
	if (!cmdline_is("vmx", "off"))
		vmx_detect();
	report("# cpus %u, vmx %s, cmdline %s\n", cpu_count, facts.vmx ? "yes" : "no",
	       find_cmdline());
	if (cmdline_is("mode", "bench"))
		bench_run();
	if (cmdline_is("mode", "vmdiff"))
		vmdiff_run();
	if (cmdline_is("mode", "hostile"))
		hostile_run();
	if (cmdline_text("persona", persona, sizeof(persona)))
		persona_run();
	suite_run();
}
