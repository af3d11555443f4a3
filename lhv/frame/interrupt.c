/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens on an interrupt or fault in root operation. */
#include "lhv/frame/interrupt.h"

#include "lhv/frame/apic.h"
#include "lhv/frame/console.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/watchdog.h"

#define USER_STACK_SIZE 4096

/** What the entries of isr.S leave on the stack. */
struct interrupt_frame {
#ifdef __x86_64__
	uptr r15, r14, r13, r12, r11, r10, r9, r8;
#endif
	uptr rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uptr vector, error_code;
	uptr rip, cs, rflags, rsp, ss;
};

bool fault_call(void (*function)(void *), void *argument, uptr *stack);
_Noreturn void fault_unwind(uptr stack);
void interrupt_handle(struct interrupt_frame *frame);
_Noreturn void user_enter(const void *code, uptr stack);

static u8 user_stack[MAX_CPUS][USER_STACK_SIZE] __attribute__((aligned(16)));

static void record(struct fault *fault, const struct interrupt_frame *frame)
{
	fault->happened = true;
	fault->vector = (u32)frame->vector;
	fault->error_code = (u32)frame->error_code;
	fault->rip = frame->rip;
	fault->rflags = frame->rflags;
	fault->address = frame->vector == VECTOR_PF ? read_cr2() : 0;
}

static _Noreturn void unexpected(const struct interrupt_frame *frame)
{
	report("# CPU %u: unexpected vector 0x%x error 0x%x at 0x%llx cr2 0x%llx\n",
	       cpu_self()->index, (unsigned int)frame->vector, (unsigned int)frame->error_code,
	       (u64)frame->rip, (u64)read_cr2());
	machine_stop(false, 0, 0);
}

static _Noreturn void unwind_fault(struct cpu *cpu, const struct interrupt_frame *frame)
{
	record(cpu->catch_fault, frame);
	fault_unwind(cpu->catch_stack);
}

void interrupt_handle(struct interrupt_frame *frame)
{
	struct cpu *cpu = cpu_self();
	u32 vector = (u32)frame->vector;

	cpu->interrupt_count[vector & 0xff]++;
	if (vector == VECTOR_WATCHDOG) {
		apic_eoi();
		watchdog_bite("L1", frame->rip);
	}
	if (vector == VECTOR_NMI && watchdog_has_expired())
		watchdog_bite("L1", frame->rip);
	if (vector == VECTOR_NMI && cpu->count_only_nmi)
		return;
	if (vector < 32 || vector == VECTOR_USER_RETURN) {
		if (!cpu->catch_fault)
			unexpected(frame);
		unwind_fault(cpu, frame);
	}
	if (vector != VECTOR_SPURIOUS)
		apic_eoi();
}

struct fault fault_try(void (*function)(void *), void *argument)
{
	struct cpu *cpu = cpu_self();
	struct fault fault = { 0 };
	struct fault *outer_fault = cpu->catch_fault;
	uptr outer_stack = cpu->catch_stack;

	cpu->catch_fault = &fault;
	fault_call(function, argument, &cpu->catch_stack);
	cpu->catch_fault = outer_fault;
	cpu->catch_stack = outer_stack;
	return fault;
}

static void go_user(void *code)
{
	user_enter(code, (uptr)user_stack[cpu_self()->index] + USER_STACK_SIZE - 16);
}

struct fault user_try(const void *code)
{
	struct fault fault = fault_try(go_user, (void *)(uptr)code);

	if (fault.vector == VECTOR_USER_RETURN)
		return (struct fault){ 0 };
	return fault;
}

u32 interrupt_take_count(u32 vector)
{
	return __atomic_exchange_n(&cpu_self()->interrupt_count[vector], 0, __ATOMIC_SEQ_CST);
}
