/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contract between L0 and a hypervisor application.  A hypapp is a folder under
 * hypapps/, chosen when the image is linked (make HYPAPP=name); it sees this header and
 * nothing else of L0.  docs/hypapps.md shows how to write one.
 */
#pragma once

#include "xmhf/lib/config.h"
#include "xmhf/lib/types.h"

enum hypapp_result {
	HYPAPP_HANDLED, /* the hypapp did it; L0 does nothing more */
	HYPAPP_PASS,	/* not the hypapp's: L0 goes on as without it */
	HYPAPP_DENY,	/* of an access: the guest's instruction faults */
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
	u32 reason; /* basic exit reason; of 201 as L1 got it, and so the qualification */
	u64 rip;    /* of the guest that exited */
	u64 qualification;
	u64 ticks;  /* of the TSC, spent in L0 */
	u32 event;  /* VM-exit interruption information of the processor, 0 if there is no event */
	u32 inject; /* of L1's VM entry: VM-entry interruption information, 0 if none */
};

/** Registers of a hypercall: in as the guest has them, out what the guest gets. */
struct hypapp_hypercall {
	u32 function;  /* EBX */
	u32 argument1; /* ECX */
	u32 argument2; /* EDX */
	u32 privilege; /* CPL of the caller */
	u64 result[3]; /* RBX, RCX, RDX */
};

/* Kinds of access to memory, and rights. */
#define HYPAPP_READ    1U
#define HYPAPP_WRITE   2U
#define HYPAPP_EXECUTE 4U

/*
 * Accesses that a hypapp asked for.  They are those that would reach the machine: what L2 does is
 * first L1's affair, if L1 intercepts it, and the hypapp's only if L1 does not.
 */

/** IN, OUT, INS or OUTS of a port. */
struct hypapp_port {
	u16 port;
	u8 size; /* in bytes: 1, 2, 4 */
	bool write;
	bool string; /* INS or OUTS: the value is unknown, and HYPAPP_HANDLED is HYPAPP_DENY */
	bool from_l2;
	u32 value; /* to be written; or read, for HYPAPP_HANDLED to set */
};

/** RDMSR or WRMSR, or an entry of an MSR list of L1's. */
struct hypapp_msr {
	u32 index;
	bool write;
	bool from_l2;
	u64 value; /* as in struct hypapp_port */
};

/** CPUID of L1, with the answer that L0 would give. */
struct hypapp_cpuid {
	u32 leaf, subleaf;
	u32 eax, ebx, ecx, edx;
};

/** An access for which the rights of hypapp_set_rights() do not suffice. */
struct hypapp_memory {
	u64 address; /* L1-physical */
	u64 rip;     /* of the instruction */
	u32 access;  /* HYPAPP_READ, HYPAPP_WRITE, HYPAPP_EXECUTE */
	bool from_l2;
	bool page_fault; /* for HYPAPP_DENY to set: #PF where it can be, not #GP */
};

/* --- What a hypapp provides --- */

/** A number of the hypapp's own, which L1 reads with hypercall 0. */
extern const u32 hypapp_id;

/** Whether hypapp_exit() is to be called; costs time in every exit. */
extern const bool hypapp_observes_exits;

/**
 * Whether it may ask for accesses: the functions from hypapp_intercept_ports() on.  A hypapp says
 * so in its flags.mk, since without intercepts L0 is to be compiled without all that.
 */
enum { hypapp_intercepts = CONFIG_HYPAPP_INTERCEPTS };

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

/** An access to a port: HYPAPP_PASS lets the instruction run. */
enum hypapp_result hypapp_port_access(u32 cpu, struct hypapp_port *access);

/** An access to an MSR. */
enum hypapp_result hypapp_msr_access(u32 cpu, struct hypapp_msr *access);

/** CPUID of a leaf: may change the answer. */
void hypapp_cpuid(u32 cpu, struct hypapp_cpuid *answer);

/**
 * An access to memory.  HYPAPP_PASS: the instruction runs this once as if it had the right;
 * HYPAPP_HANDLED: it runs on a copy of the page, which is then dropped, so that it reads what is
 * there and what it writes is lost; HYPAPP_DENY: it faults (in the middle of the delivery of an
 * event, it runs on a copy).  To let it run with new rights, set them and return HYPAPP_PASS.
 */
enum hypapp_result hypapp_memory_access(u32 cpu, struct hypapp_memory *access);

/** L0 stops after a panic: last words of the hypapp, on the CPU that reports. */
void hypapp_panic(void);

/* --- What L0 provides --- */

/** Writes a line to the log. */
void hypapp_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * The numbers, between commas, of the word hypapp.@name= of L0's command line, @count at most.
 * Returns how many there are; 0 without the word.
 */
u32 hypapp_option(const char *name, u64 *numbers, u32 count);

/*
 * The following need hypapp_intercepts.  They may be called from hypapp_init() and from the
 * functions above but hypapp_panic(), on any CPU.  When they return, all CPUs obey, in L1 and L2.
 * They return false, with nothing changed, where L0 has no room or the request is impossible.
 */

/** Asks for hypapp_port_access() for the ports @first to @last, or no more. */
bool hypapp_intercept_ports(u16 first, u16 last, bool on);

/** Asks for hypapp_msr_access() for reads and writes of MSR @index, or no more. */
bool hypapp_intercept_msr(u32 index, bool read, bool write);

/** Asks for hypapp_cpuid() for @leaf, or no more. */
bool hypapp_intercept_cpuid(u32 leaf, bool on);

/**
 * Gives L1 and its guests only @rights to the @size bytes of L1-physical memory at @address, both
 * multiples of 4 KiB.  Rights must be such that EPT knows them: no write without read.  L0 obeys
 * them too when it acts for L1.  Devices do not.  If it returns false, the range has all rights.
 */
bool hypapp_set_rights(u64 address, u64 size, u32 rights);
