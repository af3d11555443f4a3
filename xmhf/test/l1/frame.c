/* SPDX-License-Identifier: BSD-2-Clause */
/* Frame of the tests in L1: traps, output, CPUs. */
#include "xmhf/test/l1/frame.h"

#include <stdarg.h>

#define COM1		0x3f8
#define LINE_READY	0x20
#define DELAY_PORT	0x80
#define TICKS_PER_US	50ULL
#define EMULATOR_PORT	0x8900
#define QEMU_EXIT_PORT	0xf4
#define GATES		48
#define TSS_SELECTOR	0x28
#define TSS_SIZE	(104 + 8192 + 1)
#define IVT_15		(0x15 * 4)
#define INSTRUCTION_HLT 0xf4
#define APIC_PAGE	0xfee00000U
#define APIC_SVR	0xf0
#define APIC_ICR_LOW	0x300
#define APIC_ICR_HIGH	0x310
#define MSR_APIC_BASE	0x1b
#define MSR_X2APIC_ICR	0x830
#define SIPIS_TO_OTHERS 4
#define X2APIC_ENABLED	0x400U

struct __attribute__((packed)) tss_32 {
	u32 link, esp0, ss0, unused[22];
	u16 trap, io_map;
};

extern u8 tss[], v86_int15[];
extern u64 gdt[], idt[];
extern const u32 trap_entries[];

void v86_enter(u32 ip, const struct bios_registers *registers);
_Noreturn void v86_leave(void);
void frame_trap(struct trap_frame *frame);
_Noreturn void frame_main(void);
_Noreturn void frame_ap_main(u32 id);

struct test_cpu cpus[MAX_TEST_CPUS];
extern u8 stacks[];
static u32 results, failures;
static struct bios_registers *v86_registers;

u8 port_read(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

void port_write(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void put(char c)
{
	while (!(port_read(COM1 + 5) & LINE_READY))
		;
	port_write(COM1, (u8)c);
}

static void put_number(u32 value, u32 base)
{
	char digits[11];
	unsigned int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n)
		put(digits[--n]);
}

static void put_string(const char *text)
{
	while (*text)
		put(*text++);
}

static void put_text(const char *format, va_list args)
{
	for (; *format; format++) {
		if (*format != '%')
			put(*format);
		else if (*++format == 's')
			put_string(va_arg(args, const char *));
		else
			put_number(va_arg(args, u32), *format == 'x' ? 16 : 10);
	}
	put('\r');
	put('\n');
}

bool ok(bool passed, const char *format, ...)
{
	va_list args;

	results++;
	failures += !passed;
	put_string(passed ? "ok " : "not ok ");
	put_number(results, 10);
	put_string(" - ");
	va_start(args, format);
	put_text(format, args);
	va_end(args);
	return passed;
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	put_text(format, args);
	va_end(args);
}

_Noreturn void finish(void)
{
	if (failures)
		say("LAB-RESULT fail %u/%u", results - failures, results);
	else
		say("LAB-RESULT pass %u/%u", results, results);
	while (!(port_read(COM1 + 5) & 0x40))
		;
	for (const char *c = "Shutdown"; *c; c++)
		port_write(EMULATOR_PORT, (u8)*c);
	port_write(QEMU_EXIT_PORT, 0);
	for (;;)
		__asm__ volatile("cli; hlt");
}

struct test_cpu *own_cpu(void)
{
	u32 sp;

	__asm__("mov %%esp, %0" : "=r"(sp));
	return &cpus[(sp - (u32)(uptr)stacks) / 4096];
}

/* INT 15h in virtual-8086 mode comes here: on to the BIOS's handler, as the processor
 * would have it in real mode. */
static void reflect_int15(struct trap_frame *frame)
{
	const u16 *vector = (const u16 *)IVT_15;
	u16 *stack;

	frame->esp = (frame->esp - 6) & 0xffff;
	stack = (u16 *)(uptr)(frame->ss * 16 + frame->esp);
	stack[2] = (u16)frame->eflags;
	stack[1] = (u16)frame->cs;
	stack[0] = (u16)frame->eip;
	frame->eip = vector[0];
	frame->cs = vector[1];
}

static void trap_of_v86(struct trap_frame *frame)
{
	const u8 *at = (const u8 *)(uptr)(frame->cs * 16 + frame->eip);

	if (frame->vector == 0x15) {
		reflect_int15(frame);
		return;
	}
	if (frame->vector == VECTOR_GP && *at == INSTRUCTION_HLT) {
		*v86_registers = (struct bios_registers){ frame->eax, frame->ebx,    frame->ecx,
							  frame->edx, frame->esi,    frame->edi,
							  frame->ebp, frame->eflags, frame->es };
		v86_leave();
	}
	ok(false, "trap %u in virtual-8086 mode at %x:%x", frame->vector, frame->cs, frame->eip);
	finish();
}

void frame_trap(struct trap_frame *frame)
{
	struct test_cpu *cpu = own_cpu();

	if (frame->eflags & RFLAGS_VM) {
		trap_of_v86(frame);
		return;
	}
	if (frame->vector == VECTOR_NMI) {
		cpu->nmis++;
		return;
	}
	if (!cpu->resume) {
		ok(false, "CPU %u: unexpected trap %u, error code %x, at %x", cpu->id,
		   frame->vector, frame->error_code, frame->eip);
		finish();
	}
	cpu->trap = frame->vector;
	cpu->trap_error_code = frame->error_code;
	frame->eip = cpu->resume;
	cpu->resume = 0;
}

void v86_int15_call(struct bios_registers *registers)
{
	v86_registers = registers;
	v86_enter((u32)(uptr)v86_int15, registers);
}

static void build_tables(void)
{
	struct tss_32 *task = (struct tss_32 *)tss;
	u64 base = (uptr)tss;
	struct __attribute__((packed)) {
		u16 limit;
		u32 base;
	} pointer = { GATES * 8 - 1, (u32)(uptr)idt };

	for (unsigned int i = 0; i < GATES; i++)
		idt[i] = (trap_entries[i] & 0xffff) | 0x08 << 16 | 0xee00ULL << 32 |
			 (u64)(trap_entries[i] >> 16) << 48;
	__asm__ volatile("lidt %0" : : "m"(pointer));
	task->ss0 = 0x10;
	task->io_map = 104;
	gdt[TSS_SELECTOR / 8] =
		(TSS_SIZE - 1) | (base & 0xffffff) << 16 | 0x89ULL << 40 | (base >> 24) << 56;
	__asm__ volatile("ltr %w0" : : "r"(TSS_SELECTOR));
}

static void init_serial(void)
{
	port_write(COM1 + 1, 0);
	port_write(COM1 + 3, 0x80);
	port_write(COM1 + 0, 1);
	port_write(COM1 + 1, 0);
	port_write(COM1 + 3, 3);
	port_write(COM1 + 2, 7);
	port_write(COM1 + 4, 3);
}

_Noreturn void frame_main(void)
{
	build_tables();
	init_serial();
	for (u32 i = 0; i < MAX_TEST_CPUS; i++)
		cpus[i].id = i;
	test_main();
	finish();
}

void beat(struct test_cpu *cpu)
{
	cpu->beats++;
	__asm__ volatile("pause");
}

_Noreturn void frame_ap_main(u32 id)
{
	struct test_cpu *cpu = &cpus[id];

	cpu->starts++;
	for (;;) {
		if (cpu->job)
			cpu->job(cpu);
		else
			beat(cpu);
	}
}

/* On a machine each read of the port takes a microsecond; in Bochs ticks are instructions. */
void wait_us(u32 microseconds)
{
	u64 end = tsc() + microseconds * TICKS_PER_US;

	while (microseconds--)
		port_read(DELAY_PORT);
	while (tsc() < end)
		;
}

bool wait_for(volatile u32 *word, u32 value, u32 microseconds)
{
	while (*word != value && microseconds--)
		wait_us(1);
	return *word == value;
}

void icr_write(u32 destination, u32 low)
{
	u64 base;

	try_rdmsr(MSR_APIC_BASE, &base);
	if (base & X2APIC_ENABLED) {
		try_wrmsr(MSR_X2APIC_ICR, (u64)destination << 32 | low);
		return;
	}
	while (*(volatile u32 *)(uptr)(APIC_PAGE + APIC_ICR_LOW) & 0x1000)
		;
	*(volatile u32 *)(uptr)(APIC_PAGE + APIC_ICR_HIGH) = destination << 24;
	*(volatile u32 *)(uptr)(APIC_PAGE + APIC_ICR_LOW) = low;
}

void sipi_to_others(void)
{
	/* Bochs 3.0 delivers a broadcast SIPI to no further CPU after the first that is in VMX
	 * non-root operation; those that run ignore the next one. */
	for (u32 i = 0; i < SIPIS_TO_OTHERS; i++) {
		icr_write(0, ICR_OTHERS | ICR_SIPI);
		wait_us(1000);
	}
}

u32 start_all_aps(void)
{
	u32 count = 0;

	*(volatile u32 *)(uptr)(APIC_PAGE + APIC_SVR) |= 0x100;
	icr_write(0, ICR_OTHERS | ICR_INIT);
	wait_us(10000);
	sipi_to_others();
	for (u32 i = 0; i < MAX_TEST_CPUS; i++)
		count += cpus[i].starts != 0;
	return count;
}

/* Runs one instruction; a trap goes on behind it. */
#define TRY(instruction, ...)                                                       \
	struct test_cpu *cpu = own_cpu();                                           \
	cpu->trap = NO_TRAP;                                                        \
	__asm__ volatile("movl $1f, %[resume]\n\t" instruction "\n1:" __VA_ARGS__); \
	cpu->resume = 0

u32 try_rdmsr(u32 index, u64 *value)
{
	u32 low = 0, high = 0;

	TRY("rdmsr", : [resume] "=m"(cpu->resume), "+a"(low), "+d"(high) : "c"(index) : "memory");
	*value = (u64)high << 32 | low;
	return cpu->trap;
}

u32 try_wrmsr(u32 index, u64 value)
{
	TRY("wrmsr", : [resume] "=m"(cpu->resume) : "c"(index), "A"(value) : "memory");
	return cpu->trap;
}

u32 try_xsetbv(u32 index, u64 value)
{
	TRY("xsetbv", : [resume] "=m"(cpu->resume) : "c"(index), "A"(value) : "memory");
	return cpu->trap;
}

u32 try_write_cr0(u32 value)
{
	TRY("mov %[v], %%cr0", : [resume] "=m"(cpu->resume) : [v] "r"(value) : "memory");
	return cpu->trap;
}

u32 try_write_cr4(u32 value)
{
	TRY("mov %[v], %%cr4", : [resume] "=m"(cpu->resume) : [v] "r"(value) : "memory");
	return cpu->trap;
}

u32 try_lmsw(u16 value)
{
	TRY("lmsw %[v]", : [resume] "=m"(cpu->resume) : [v] "r"(value) : "memory");
	return cpu->trap;
}

u32 try_vmcall(u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	TRY("vmcall",
	    : [resume] "=m"(cpu->resume), "+a"(*eax), "+b"(*ebx), "+c"(*ecx), "+d"(*edx)
	    :
	    : "memory");
	return cpu->trap;
}

u32 try_vmxoff(void)
{
	TRY("vmxoff", : [resume] "=m"(cpu->resume) : : "memory", "cc");
	return cpu->trap;
}

u32 read_cr0_32(void)
{
	u32 v;

	__asm__ volatile("mov %%cr0, %0" : "=r"(v));
	return v;
}

u32 read_cr4_32(void)
{
	u32 v;

	__asm__ volatile("mov %%cr4, %0" : "=r"(v));
	return v;
}

u16 smsw_16(void)
{
	u16 v;

	__asm__ volatile("smsw %0" : "=r"(v));
	return v;
}

u64 tsc(void)
{
	u64 v;

	__asm__ volatile("rdtsc" : "=A"(v));
	return v;
}

void cpuid_32(u32 leaf, u32 subleaf, struct cpuid_result *r)
{
	__asm__ volatile("cpuid"
			 : "=a"(r->eax), "=b"(r->ebx), "=c"(r->ecx), "=d"(r->edx)
			 : "a"(leaf), "c"(subleaf));
}
