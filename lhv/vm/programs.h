/* SPDX-License-Identifier: BSD-2-Clause */
/* The programs of programs.S; see there for what each does. */
#pragma once

#include "xmhf/lib/types.h"

extern const u8 l2_vmcall[], l2_cpuid_loop[], l2_spin[], l2_spin_sti[], l2_hlt[], l2_sti_hlt[];
extern const u8 l2_read_bx[], l2_write_bx[], l2_add_bx[], l2_call_bx[], l2_ret[], l2_nops[];
extern const u8 l2_rdmsr[], l2_wrmsr[], l2_wrmsr_rdmsr[], l2_in_al[], l2_out_al[];
extern const u8 l2_cr0_from_bx[], l2_cr3_from_bx[], l2_cr4_from_bx[];
extern const u8 l2_sti_window[], l2_iret_same[], l2_int3[], l2_ud2[], l2_int_0x80[];
extern const u8 l2_touch_pages[], l2_read_pages[], l2_rdmsr_loop[], l2_wrmsr_loop[], l2_in_loop[];
extern const u8 l2_read_rounds[], l2_await_cx[], l2_read_cr8[], l2_write_cr8[];
extern const u8 l2_add_loop[], l2_outsb[];
/* 32-bit code */
extern const u8 l2_read_si32[], l2_cr3_read_si32[], l2_cr0_read_si32[], l2_cr4_read_si32[];
extern const u8 l2_vmcall32[], l2_paging_on32[], l2_read_efer32[], l2_int_0x80_32[];
/* 16-bit code */
extern const u8 l2_vmcall16[], l2_cpuid16[], l2_code16_end[];

/* Entry points of L2's interrupt handlers and the instruction after their VMCALL. */
extern const u8 l2_interrupt_entries[], l2_interrupt_return[];
