/* SPDX-License-Identifier: BSD-2-Clause */
/* Single instructions that the test guest needs and the hypervisor does not. */
#pragma once

#include "xmhf/lib/types.h"

u16 read_tr(void);
u16 read_ldt(void);
u16 read_cs(void);
u16 read_ss(void);
u16 read_ds(void);
u16 read_es(void);
u16 read_fs(void);
u16 read_gs(void);
void load_ldt(u16 selector);
void load_ds(u16 selector);
void load_es(u16 selector);
void load_fs(u16 selector);
void load_gs(u16 selector);
void load_ss(u16 selector);
u32 segment_limit(u16 selector);
void write_flags(uptr flags);
/** VMREAD and VMWRITE whatever they do; the result is RFLAGS afterwards. */
uptr vmlaunch_flags(void);
uptr vmresume_flags(void);
uptr vmcall_flags(void);
/** VMLAUNCH as the instruction after MOV SS; the result is RFLAGS. */
uptr vmlaunch_after_mov_ss(void);
uptr vmresume_after_mov_ss(void);
uptr vmfunc_flags(u32 function, u32 index);
/** PKRU; CR4.PKE must be 1. */
void write_pkru(u32 value);
/** STI; NOP; CLI: takes what is pending. */
void interrupts_through(void);
/** Executes INT n of the given vector, INT3 or UD2. */
void execute_int3(void);
void execute_ud2(void);

/** What hypercall @function of xmhf-nest gives for @argument. */
struct hypercall_result {
	u32 status;
	uptr bx, cx, dx;
};
struct hypercall_result hypercall(u32 function, u32 argument);
struct hypercall_result hypercall_2(u32 function, u32 argument1, u32 argument2);

/** CALL to a task's TSS or gate; back when the task executes IRET. */
void task_call(u16 selector);
/** A task that leaves TASK_MARK in EAX. */
void task_entry(void);
#define TASK_MARK 0x7a57
