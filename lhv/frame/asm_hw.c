/* SPDX-License-Identifier: BSD-2-Clause */
/* Single instructions; nothing here decides anything. */
#include "lhv/frame/asm_hw.h"

#define READ_SELECTOR(name, insn)                              \
	u16 name(void)                                         \
	{                                                      \
		u16 v;                                         \
                                                               \
		__asm__ volatile(insn : "=r"(v) : : "memory"); \
		return v;                                      \
	}
READ_SELECTOR(read_tr, "str %0")
READ_SELECTOR(read_ldt, "sldt %0")
READ_SELECTOR(read_cs, "mov %%cs, %0")
READ_SELECTOR(read_ss, "mov %%ss, %0")
READ_SELECTOR(read_ds, "mov %%ds, %0")
READ_SELECTOR(read_es, "mov %%es, %0")
READ_SELECTOR(read_fs, "mov %%fs, %0")
READ_SELECTOR(read_gs, "mov %%gs, %0")

#define LOAD_SELECTOR(name, insn)                                    \
	void name(u16 selector)                                      \
	{                                                            \
		__asm__ volatile(insn : : "r"(selector) : "memory"); \
	}
LOAD_SELECTOR(load_ldt, "lldt %0")
LOAD_SELECTOR(load_ds, "mov %0, %%ds")
LOAD_SELECTOR(load_es, "mov %0, %%es")
LOAD_SELECTOR(load_fs, "mov %0, %%fs")
LOAD_SELECTOR(load_gs, "mov %0, %%gs")
LOAD_SELECTOR(load_ss, "mov %0, %%ss")

u32 segment_limit(u16 selector)
{
	u32 v = 0;
	u32 s = selector;

	__asm__ volatile("lsl %1, %0" : "+r"(v) : "r"(s) : "cc");
	return v;
}

void write_flags(uptr flags)
{
	__asm__ volatile("push %0; popf" : : "r"(flags) : "memory", "cc");
}

#define FLAGS_OF(name, insn)                                                     \
	uptr name(void)                                                          \
	{                                                                        \
		uptr v;                                                          \
                                                                                 \
		__asm__ volatile(insn "; pushf; pop %0" : "=r"(v) : : "memory"); \
		return v;                                                        \
	}
FLAGS_OF(vmlaunch_flags, "vmlaunch")
FLAGS_OF(vmresume_flags, "vmresume")
FLAGS_OF(vmcall_flags, "vmcall")
FLAGS_OF(vmlaunch_after_mov_ss, "mov %%ss, %0; mov %0, %%ss; vmlaunch")
FLAGS_OF(vmresume_after_mov_ss, "mov %%ss, %0; mov %0, %%ss; vmresume")

uptr vmfunc_flags(u32 function, u32 index)
{
	uptr v;

	__asm__ volatile("vmfunc; pushf; pop %0" : "=r"(v) : "a"(function), "c"(index) : "memory");
	return v;
}

void write_pkru(u32 value)
{
	__asm__ volatile("wrpkru" : : "a"(value), "c"(0), "d"(0) : "memory");
}

void interrupts_through(void)
{
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

void execute_int3(void)
{
	__asm__ volatile("int3" : : : "memory");
}

void execute_ud2(void)
{
	__asm__ volatile("ud2" : : : "memory");
}

struct hypercall_result hypercall_2(u32 function, u32 argument1, u32 argument2)
{
	struct hypercall_result r = { 0x584d4846, function, argument1, argument2 };

	__asm__ volatile("vmcall"
			 : "+a"(r.status), "+b"(r.bx), "+c"(r.cx), "+d"(r.dx)
			 :
			 : "memory", "cc");
	return r;
}

struct hypercall_result hypercall(u32 function, u32 argument)
{
	return hypercall_2(function, argument, 0);
}

void task_call(u16 selector)
{
	struct __attribute__((packed)) {
		u32 offset;
		u16 selector;
	} target = { 0, selector };

	__asm__ volatile("lcall *%0" : : "m"(target) : "memory");
}

__attribute__((naked)) void task_entry(void)
{
	__asm__ volatile("mov %0, %%eax; iretl" : : "i"(TASK_MARK));
}
