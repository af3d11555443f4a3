/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * l1probe: L1's view of the machine, checked from inside L1's Linux.
 * What the parts share: the counted checks, the words of the kernel command line, CPUs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t u32;
typedef uint64_t u64;

/** What the kernel command line says about the machine (words probe.NAME=VALUE). */
struct expectation {
	u64 cpus;	     /* probe.cpus: number of CPUs that must be online */
	u64 native;	     /* probe.native: 1 when no hypervisor is underneath */
	u64 depth;	     /* probe.depth: nesting depth the hypervisor must report */
	u64 kvm;	     /* probe.kvm: 1 to run L2s under KVM */
	char kvm_intel[256]; /* NAME=VALUE for each word kvm_intel.NAME=VALUE */
};

/** Counts one check and prints what failed; returns @passed. */
bool check(bool passed, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Prints the verdict line of all checks so far. */
void print_verdict(void);

/** Reads the expectations from /proc/cmdline. */
struct expectation read_expectation(void);

/** Binds the calling thread to one CPU; false when there is no such CPU. */
bool run_on_cpu(unsigned int cpu);

/** Number of CPUs that are online. */
unsigned int online_cpus(void);

/** Checks the CPUs, the CPUID leaves of the hypervisor, and the hypercalls' answers. */
void check_identity(const struct expectation *expected);

/** Checks that L1 sees neither the address nor the contents of the hypervisor's memory. */
void check_hidden_memory(void);

/** Prints one line with the time-stamp counter. */
void print_stage(const char *name);

/** Loads KVM and runs L2s on every CPU. */
void check_kvm(const struct expectation *expected);

/** Prints the exit histogram when the hypervisor application `trace` is linked in. */
void check_histogram(void);

/** Prints that histogram and checks nothing; prints nothing when there is no `trace`. */
void print_histogram(void);

/** The name of a basic exit reason, of any number. */
const char *reason_name(unsigned int reason);

/** Prints L2's exits by reason, as KVM's trace point counted them; returns 0, or 1 without that
 * count. */
int print_kvm_exits(void);

/** Prints what the hypervisor holds for every CPU of L1, a line each; nothing without one. */
void print_resources(const char *when);

/** Asks the lab to keep the emulator as it is now; returns 0, also in a run that starts there. */
int take_snapshot(void);

/** Copies the archive that the lab put on a disk for this run to standard output; 0 if there is
 * one. */
int print_payload(void);
