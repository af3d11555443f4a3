/* SPDX-License-Identifier: BSD-2-Clause */
/* What the small guests (guests.S) and the monitor agree on.  Included by assembly, too. */
#pragma once

#define GUEST_ENTRY  0x1000 /* where each guest is copied to, and starts */
#define GUEST_MEMORY 0xa0000
#define GUEST_MMIO   0xa0000 /* the base of FS: just behind the memory */
#define GUEST_STACK  0x8000  /* of CPU 0; the stack of CPU n ends n * 0x400 below */
#define GUEST_TEXT   0x5100

/* Words that the guest and the monitor share. */
#define WORD_TICKS  0x5000 /* timer interrupts taken */
#define WORD_IPIS   0x5010 /* and 0x5014: interprocessor interrupts taken by CPU 0, CPU 1 */
#define WORD_READY  0x5018 /* CPUs whose APIC is on */
#define WORD_EPOCH  0x5020 /* no page may be older */
#define WORD_STALE  0x5028 /* pages that were */
#define WORD_PASSES 0x5030 /* times that the guest looked at all pages */
#define WORD_STOP   0x5038

#define PORT_QUESTION 0x10
#define PORT_ANSWER   0x14
#define PORT_CPUID    0x18
#define PORT_MMIO     0x1c
#define PORT_TEXT     0x20c
#define PORT_ROUND    0x24
#define PORT_DONE     0x28

#define QUESTION     0x12345678
#define MMIO_WRITTEN 0x5a5aa5a5
#define MMIO_READ    0x0badcafe
#define CPUID_LEAF   0x40000000
#define TEXT_BYTES   5
#define TIMER_VECTOR 0x20
#define TIMER_TICKS  10
#define TIMER_COUNT  1193 /* of the PIT: a millisecond */
#define IPI_VECTOR   0x30
#define IPI_ROUNDS   100

#define SLOT_ADDRESS 0x10000000 /* of the memory slot that comes and goes */
#define SLOT_PAGES   512
