/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers that assembly and C share: selectors of the GDT, sizes, fixed addresses.
 * The order of the user descriptors is the one SYSRET wants.
 */
#pragma once

#define MAX_CPUS   16
#define STACK_SIZE 16384

#define SELECTOR_CODE	     0x08 /* the kernel's own width */
#define SELECTOR_DATA	     0x10
#define SELECTOR_CODE32	     0x18
#define SELECTOR_USER_CODE32 0x23
#define SELECTOR_USER_DATA   0x2b
#define SELECTOR_USER_CODE   0x33 /* the kernel's own width */
#define SELECTOR_CODE16	     0x38
#define SELECTOR_DATA16	     0x40
#define SELECTOR_LDT	     0x48
#define SELECTOR_TSS	     0x60 /* of CPU 0; 16 bytes each */
#define TSS_STRIDE	     16
#define GDT_BYTES	     (SELECTOR_TSS + TSS_STRIDE * MAX_CPUS)

/* Where application processors wake up: one page below 1 MiB, a multiple of 4 KiB. */
#define TRAMPOLINE 0x8000

/* A free page below 1 MiB: 16-bit code of L2, operands that 16-bit addresses reach. */
#define LOW_PAGE 0x9000

/* The operand of the cases of VMX instructions, and a segment base before it. */
#define OPERAND		(LOW_PAGE + 0x800)
#define OPERAND_SEGMENT (OPERAND - 0x100)

/* Descriptors with base 0. */
#define DESCRIPTOR_CODE64      0x00af9b000000ffff
#define DESCRIPTOR_CODE32      0x00cf9b000000ffff
#define DESCRIPTOR_DATA	       0x00cf93000000ffff
#define DESCRIPTOR_USER_CODE64 0x00affb000000ffff
#define DESCRIPTOR_USER_CODE32 0x00cffb000000ffff
#define DESCRIPTOR_USER_DATA   0x00cff3000000ffff
#define DESCRIPTOR_CODE16      0x00009b000000ffff
#define DESCRIPTOR_DATA16      0x000093000000ffff
