/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frame of the tests that run as L1, in 32-bit mode without paging, with and without L0.
 * A test is one file with test_main(); boot.S and frame.c are linked to each.
 */
#pragma once

#include "xmhf/x86/cpu.h"

#define MAX_TEST_CPUS 16
#define NO_TRAP	      0xffU

/* Interrupt command register. */
#define ICR_INIT    0x4500U
#define ICR_SIPI    0x4608U /* to page 8 */
#define ICR_NMI	    0x4400U
#define ICR_LOGICAL 0x800U
#define ICR_OTHERS  0xc0000U

/** What a trap pushed. */
struct trap_frame {
	u32 edi, esi, ebp, esp_unused, ebx, edx, ecx, eax;
	u32 vector, error_code;
	u32 eip, cs, eflags;
	u32 esp, ss, es, ds, fs, gs; /* only from virtual-8086 mode */
};

/** Registers of a BIOS call, in and out. */
struct bios_registers {
	u32 eax, ebx, ecx, edx, esi, edi, ebp, eflags, es;
};

/** What the frame keeps for each CPU; its index is the APIC id. */
struct test_cpu {
	volatile u32 starts; /* times a SIPI brought it here */
	volatile u32 nmis;
	volatile u32 beats; /* goes on while it runs */
	void (*volatile job)(struct test_cpu *cpu);
	u32 resume; /* an expected trap goes on here */
	u32 trap;   /* vector of the last expected trap */
	u32 trap_error_code;
	u32 id;
};

extern struct test_cpu cpus[MAX_TEST_CPUS];

/** The test itself; on the boot CPU, with interrupts off. */
void test_main(void);

/** One result: a line "ok N - text" or "not ok N - text"; understands %u and %x. */
bool ok(bool passed, const char *format, ...);

/** A line that is no result. */
void say(const char *format, ...);

/** Prints the verdict and stops the emulator. */
_Noreturn void finish(void);

/** INT @vector in real mode. */
void bios_call(u32 vector, struct bios_registers *registers);

/** INT 15h in virtual-8086 mode. */
void v86_int15_call(struct bios_registers *registers);

/** The structure of the calling CPU. */
struct test_cpu *own_cpu(void);

/** What an AP does when it has no job: beats. */
void beat(struct test_cpu *cpu);

/** Waits about @microseconds. */
void wait_us(u32 microseconds);

/** Waits until *@word is @value, at most @microseconds; says whether it got there. */
bool wait_for(volatile u32 *word, u32 value, u32 microseconds);

/** Writes the local APIC's command register, in xAPIC or x2APIC mode, whichever it is in. */
void icr_write(u32 destination, u32 low);

/** SIPIs to all others, until each must have had one. */
void sipi_to_others(void);

/** Number of APs: those that INIT and SIPI to all others started. */
u32 start_all_aps(void);

/* Instructions; those that may trap return the vector, or NO_TRAP. */
u32 try_rdmsr(u32 index, u64 *value);
u32 try_wrmsr(u32 index, u64 value);
u32 try_xsetbv(u32 index, u64 value);
u32 try_write_cr0(u32 value);
u32 try_write_cr4(u32 value);
u32 try_lmsw(u16 value);
u32 try_vmcall(u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);
u32 try_vmxoff(void);
u32 read_cr0_32(void);
u32 read_cr4_32(void);
u16 smsw_16(void);
u64 tsc(void);
void cpuid_32(u32 leaf, u32 subleaf, struct cpuid_result *r);
u8 port_read(u16 port);
void port_write(u16 port, u8 value);
