/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Panic: what happened, where, VMCS01, the last exits; then every CPU stops.
 */
#include "xmhf/cpu/exception.h"
#include "xmhf/device/log.h"
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/bug.h"
#include "xmhf/lib/format.h"
#include "xmhf/vmx/vmcs01.h"
#include "xmhf/vmx/panic.h"
#include "xmhf/x86/insn.h"

#define BACKTRACE_DEPTH 16
#define EMULATOR_PORT	0x8900 /* Bochs stops after "Shutdown" here; nothing else listens */

extern const u8 image_start[], image_text_end[];

static bool has_panicked;

/* The image keeps no frame pointers: every word of the stack that points into its code
 * is shown, callers and left-overs alike.  scripts/symbolize names them. */
static void backtrace(const struct vcpu *vcpu, u64 rip, const u64 *sp)
{
	const u64 *end = vcpu->regs, *start = end - VCPU_STACK_SIZE / sizeof(u64);
	unsigned int shown = 0;

	log_line("backtrace: 0x%016llx", rip);
	if (sp < start)
		sp = start; /* the stack overflowed */
	for (; sp < end && shown < BACKTRACE_DEPTH; sp++) {
		if (*sp >= (uptr)image_start && *sp < (uptr)image_text_end) {
			log_line("backtrace: 0x%016llx", *sp);
			shown++;
		}
	}
}

static _Noreturn void stop(void)
{
	static const char shutdown[] = "Shutdown";

	for (const char *c = shutdown; *c; c++)
		outb(EMULATOR_PORT, (u8)*c);
	disable_interrupts();
	for (;;)
		halt();
}

_Noreturn void panic(const char *cause, u64 rip, u64 rsp)
{
	struct cpu *cpu = this_cpu();

	if (__atomic_exchange_n(&has_panicked, true, __ATOMIC_SEQ_CST))
		stop(); /* a panic within a panic, or of two CPUs at once */
	log_enter_panic();
	log_line("PANIC: %s", cause);
	if (machine.vcpus[cpu->id]) {
		panic_stop_other_cpus(vcpu_of_cpu(cpu));
		backtrace(vcpu_of_cpu(cpu), rip ? rip : (uptr)__builtin_return_address(0),
			  (const u64 *)(uptr)(rsp ? rsp : (uptr)__builtin_frame_address(0)));
		panic_dump_vmcs(vcpu_of_cpu(cpu), "panic");
		hypapp_panic();
	}
	log_raw("LAB-RESULT fail 0/1\n");
	stop();
}

_Noreturn void bug_stop(const char *file, int line, const char *claim)
{
	char text[160];

	format_text(text, sizeof(text), "%s:%d: %s", file, line, claim);
	panic(text, (uptr)__builtin_return_address(0), (uptr)__builtin_frame_address(0));
}

void hypapp_log(const char *format, ...)
{
	char text[192];
	va_list args;

	va_start(args, format);
	format_text_v(text, sizeof(text), format, args);
	va_end(args);
	log_line("%s", text);
}
