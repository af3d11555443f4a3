/* SPDX-License-Identifier: BSD-2-Clause */
/* What L2's programs (l2.S) and their KVM client (kvm.c) agree on.  Included by assembly, too. */
#pragma once

#define L2_ENTRY	     0x1000 /* where both programs start */
#define L2_HANDLER_OFFSET    0x100  /* of the interrupt handler, from the start */
#define L2_VECTOR	     0x20
#define L2_PORT_WORD	     0x10
#define L2_WORD		     0x1234
#define L2_PORT_CPUID	     0x14
#define L2_CPUID_LEAF	     0x40000000
#define L2_CPUID_EBX	     0x6232206c
#define L2_PORT_INTERRUPT_ME 0x18
#define L2_PORT_IN_HANDLER   0x1c
#define L2_PORT_SUM	     0x20
#define L2_FLAG		     0x900
#define L2_INTERRUPTED	     0x77
#define L2_MMIO_SEGMENT	     0xf000 /* not backed by memory for the real-mode program */
#define L2_MMIO_BYTE	     0x5a
#define L2_PAGE_TABLES	     0x4000 /* and the two pages after it */
#define L2_TICKS	     0x8000
#define L2_STACK	     0x7000
#define L2_FIRST_PAGE	     0x100000
#define L2_MEMORY	     0x400000 /* of the 64-bit program */
#define L2_SMALL_MEMORY	     0x10000  /* of the real-mode program */
#define L2_CPUIDS	     1000
