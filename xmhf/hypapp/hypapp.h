/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contract between L0 and a hypervisor application.  A hypapp is a folder under
 * hypapps/, chosen when the image is linked (make HYPAPP=name); it sees this header and
 * nothing else of L0.  docs/hypapps.md shows how to write one.
 */
#pragma once

#include "xmhf/lib/types.h"

enum hypapp_result {
	HYPAPP_HANDLED, /* the hypapp did it; L0 does nothing more */
	HYPAPP_PASS,	/* not the hypapp's: L0 goes on as without it */
};

/** Which way an exit went: the kinds of logs and traces. */
enum hypapp_exit_kind {
	HYPAPP_EXIT_101, /* from L1, handled by L0 */
	HYPAPP_EXIT_201, /* from L2, reflected to L1 */
	HYPAPP_EXIT_202, /* from L2, handled by L0 */
	HYPAPP_EXIT_KINDS,
};

/** One VM exit that L0 has finished. */
struct hypapp_exit {
	enum hypapp_exit_kind kind;
	u32 reason; /* basic exit reason */
	u64 rip;    /* of the guest that exited */
	u64 qualification;
	u64 ticks; /* of the TSC, spent in L0 */
};

/** Registers of a hypercall: in as the guest has them, out what the guest gets. */
struct hypapp_hypercall {
	u32 function;  /* EBX */
	u32 argument1; /* ECX */
	u32 argument2; /* EDX */
	u64 result[3]; /* RBX, RCX, RDX */
};

/* --- What a hypapp provides --- */

/** A number of the hypapp's own, which L1 reads with hypercall 0. */
extern const u32 hypapp_id;

/** Whether hypapp_exit() is to be called; costs time in every exit. */
extern const bool hypapp_observes_exits;

/** Bytes of memory for each CPU that hypapp_init_cpu() gets. */
extern const u32 hypapp_cpu_memory;

/** Called once on the boot CPU before any other CPU runs; @cpus is their number. */
void hypapp_init(u32 cpus);

/** Called for each CPU, on the boot CPU; @memory has hypapp_cpu_memory zeroed bytes. */
void hypapp_init_cpu(u32 cpu, void *memory);

/** Called after each exit on CPU @cpu, if hypapp_observes_exits. */
void hypapp_exit(u32 cpu, const struct hypapp_exit *exit);

/** A hypercall with a function number from 0x100 on. */
enum hypapp_result hypapp_hypercall(u32 cpu, struct hypapp_hypercall *call);

/** L0 stops after a panic: last words of the hypapp, on the CPU that reports. */
void hypapp_panic(void);

/* --- What L0 provides --- */

/** Writes a line to the log. */
void hypapp_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
