/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs the small guests of guests.S, each in a process of its own, since a guest's CPUs may still
 * wait for interrupts when its verdict is known.
 */
#include "guests.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm.h"

#define KVM_SIGNATURE  0x4b4d564bu /* "KVMK", in EBX of leaf 0x40000000 */
#define CODE_64	       0x10
#define CODE_32	       0x20
#define INTERRUPT_GATE 0x8e00u
#define STACK_EACH     0x400
#define PATIENCE       120 /* seconds of L1 */

extern const char guest16[], guest16_handler[], guest16_end[];
extern const char guest32[], guest32_handler[], guest32_end[];
extern const char guest64[], guest64_handler[], guest64_end[];
extern const char guest_ipi[], guest_ipi_handler[], guest_ipi_end[];

/** What the monitor saw of a guest. */
static struct {
	u32 answer, cpuid, mmio_read, mmio_written;
	u64 mmio_read_at, mmio_written_at;
	u32 text_bytes;
	char text[TEXT_BYTES];
} seen;

bool check(bool good, const char *format, ...)
{
	va_list arguments;

	printf("guests: %s - ", good ? "ok" : "not ok");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	return good;
}

static void see_text(const u8 *data, u32 bytes)
{
	for (u32 i = 0; i < bytes; i++, seen.text_bytes++)
		if (seen.text_bytes < TEXT_BYTES)
			seen.text[seen.text_bytes] = (char)data[i];
}

static bool on_port(struct vm *vm, struct kvm_run *run, int *status)
{
	u8 *data = (u8 *)run + run->io.data_offset;
	u32 question = QUESTION;

	(void)vm;
	switch (run->io.port) {
	case PORT_QUESTION:
		if (run->io.direction == KVM_EXIT_IO_IN)
			memcpy(data, &question, run->io.size);
		break;
	case PORT_ANSWER:
		memcpy(&seen.answer, data, run->io.size);
		break;
	case PORT_CPUID:
		memcpy(&seen.cpuid, data, run->io.size);
		break;
	case PORT_MMIO:
		memcpy(&seen.mmio_read, data, run->io.size);
		break;
	case PORT_TEXT:
		see_text(data, run->io.size * run->io.count);
		break;
	case PORT_DONE:
		*status = data[0];
		return true;
	}
	return false;
}

static void on_mmio(struct kvm_run *run)
{
	u32 value = MMIO_READ;

	if (run->mmio.is_write) {
		memcpy(&seen.mmio_written, run->mmio.data, sizeof(seen.mmio_written));
		seen.mmio_written_at = run->mmio.phys_addr;
	} else {
		memcpy(run->mmio.data, &value, sizeof(value));
		seen.mmio_read_at = run->mmio.phys_addr;
	}
}

/* The same gate for every vector, in the form of the mode; and the real-mode table. */
static void write_handlers(struct vm *vm, u32 handler, u32 bits)
{
	u32 selector = bits == 64 ? CODE_64 : CODE_32, size = bits == 64 ? 16 : 8;
	u32 gate[4] = { selector << 16 | handler, INTERRUPT_GATE, 0, 0 };

	for (u32 vector = 0; vector < 0x40; vector++)
		if (bits == 16)
			memcpy(vm->memory + 4 * vector, &handler, sizeof(handler));
		else
			memcpy(vm->memory + IDT + size * vector, gate, size);
}

void guest_create(struct vm *vm, u32 cpus, const char *program, const char *end)
{
	vm_create(vm, cpus, GUEST_MEMORY);
	memcpy(vm->memory + GUEST_ENTRY, program, (size_t)(end - program));
}

void guest_start(struct vm *vm, u32 id, u32 bits)
{
	struct kvm_regs regs = {
		.rip = GUEST_ENTRY,
		.rsp = GUEST_STACK - STACK_EACH * id,
		.rdi = id,
		.rflags = 2,
	};

	vm_start(vm, id, bits, &regs, GUEST_MMIO);
}

static u32 word(const struct vm *vm, u32 at)
{
	u32 value;

	memcpy(&value, vm->memory + at, sizeof(value));
	return value;
}

static bool run_mode(u32 bits, const char *program, const char *handler, const char *end)
{
	static struct vm vm = { .on_port = on_port, .on_mmio = on_mmio };
	bool good;

	guest_create(&vm, 1, program, end);
	write_handlers(&vm, (u32)(GUEST_ENTRY + handler - program), bits);
	memcpy(vm.memory + GUEST_TEXT, "Hello", TEXT_BYTES);
	guest_start(&vm, 0, bits);
	good = check(vm_run(&vm) == 0, "%u bits: the guest ends", bits);
	good &= check(seen.answer == QUESTION, "%u bits: reads and writes ports", bits);
	good &= check(seen.cpuid == KVM_SIGNATURE, "%u bits: CPUID is KVM's", bits);
	good &= check(seen.mmio_written == MMIO_WRITTEN && seen.mmio_written_at == GUEST_MMIO + 8,
		      "%u bits: writes where no memory is", bits);
	good &= check(seen.mmio_read == MMIO_READ && seen.mmio_read_at == GUEST_MMIO + 16,
		      "%u bits: reads where no memory is", bits);
	good &= check(seen.text_bytes == TEXT_BYTES && memcmp(seen.text, "Hello", TEXT_BYTES) == 0,
		      "%u bits: writes a string to a port", bits);
	good &= check(word(&vm, WORD_TICKS) == TIMER_TICKS, "%u bits: HLT until %u interrupts came",
		      bits, TIMER_TICKS);
	return good;
}

static bool run_16(void)
{
	return run_mode(16, guest16, guest16_handler, guest16_end);
}

static bool run_32(void)
{
	return run_mode(32, guest32, guest32_handler, guest32_end);
}

static bool run_64(void)
{
	return run_mode(64, guest64, guest64_handler, guest64_end);
}

static bool run_two_cpus(void)
{
	static struct vm vm = { .on_port = on_port, .on_mmio = on_mmio };
	bool good;

	guest_create(&vm, 2, guest_ipi, guest_ipi_end);
	write_handlers(&vm, (u32)(GUEST_ENTRY + guest_ipi_handler - guest_ipi), 64);
	guest_start(&vm, 0, 64);
	guest_start(&vm, 1, 64);
	good = check(vm_run(&vm) == 0, "two CPUs: the guest ends");
	return check(word(&vm, WORD_IPIS) == IPI_ROUNDS && word(&vm, WORD_IPIS + 4) == IPI_ROUNDS,
		     "two CPUs: each was woken %u times by the other", IPI_ROUNDS) &&
	       good;
}

static void on_alarm(int number)
{
	static const char text[] = "guests: not ok - a guest hangs\n";

	_exit(write(STDOUT_FILENO, text, sizeof(text) - 1) > 0 ? number : 1);
}

static bool run_in_a_process(bool (*guest)(void))
{
	int status = 1;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		bool good;

		signal(SIGALRM, on_alarm);
		alarm(PATIENCE);
		good = guest();
		fflush(stdout);
		_exit(good ? 0 : 1);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int guests_run(void)
{
	static bool (*const guests[])(void) = { run_16,	      run_32,	     run_64,
						run_two_cpus, churn_measure, churn_watch };
	u32 bad = 0;

	for (size_t i = 0; i < sizeof(guests) / sizeof(guests[0]); i++)
		bad += !run_in_a_process(guests[i]);
	printf("guests: %u of them failed\n", bad);
	return bad ? 1 : 0;
}
