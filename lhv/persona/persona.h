/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Personas: the shape of a real L1 hypervisor, as seen in its VMCSs: control words,
 * order of instructions, odd habits, and what it refuses to start without.
 */
#pragma once

#include "lhv/vm/vm.h"

/* Habits.  A persona has any of them. */
enum persona_habit {
	HABIT_EFER_LISTS = 1 << 0,    /* IA32_EFER by MSR lists, not by controls */
	HABIT_MIGRATES = 1 << 1,      /* VMCLEAR and VMLAUNCH again now and then */
	HABIT_HOT_FIELDS = 1 << 2,    /* reads some thirty fields at each exit */
	HABIT_XSETBV = 1 << 3,	      /* XSETBV twice an exit */
	HABIT_MMIO_MARKER = 1 << 4,   /* MMIO as EPT misconfiguration */
	HABIT_TIMER = 1 << 5,	      /* preemption timer at every entry */
	HABIT_PAGING_LATER = 1 << 6,  /* L2 starts without paging; L1 turns it on */
	HABIT_STAR_HOLES = 1 << 7,    /* bitmap passes the system-call MSRs only */
	HABIT_WORLD_SWITCH = 1 << 8,  /* VMXON, VMPTRLD, INVVPID, VMCLEAR, VMXOFF in turn */
	HABIT_JUNK = 1 << 9,	      /* all ones in fields whose control is off */
	HABIT_CAPABILITIES = 1 << 10, /* reads the capability MSRs in a fixed order */
	HABIT_RETRY = 1 << 11,	      /* first entry with a bad control, then once more */
	HABIT_1G = 1 << 12,	      /* EPT12 of 1 GiB pages, two EPTPs in turn */
	HABIT_FS_GS = 1 << 13,	      /* L2 writes its FS and GS base */
	HABIT_SELF_NMI = 1 << 14,     /* sends itself an NMI between entries */
};

struct persona {
	const char *name;
	u32 pin, primary, secondary, exit, entry; /* as seen; adjusted to what is allowed */
	u32 exception_bitmap;
	u32 habits;
	/** NULL, or why the real one would not start here. */
	const char *(*refuses)(void);
};

extern const struct persona personas[];
extern const unsigned int persona_count;

/** Runs the persona that `persona=` names and stops the machine. */
_Noreturn void persona_run(void);
