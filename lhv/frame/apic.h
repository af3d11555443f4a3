/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC in xAPIC or x2APIC mode, the PIT and the interrupt controllers. */
#pragma once

#include "xmhf/lib/bits.h"

#define APIC_ID		   0x20
#define APIC_TPR	   0x80
#define APIC_EOI	   0xb0
#define APIC_LDR	   0xd0
#define APIC_DFR	   0xe0
#define APIC_SPURIOUS	   0xf0
#define APIC_IRR	   0x200
#define APIC_ICR_LOW	   0x300
#define APIC_ICR_HIGH	   0x310
#define APIC_LVT_TIMER	   0x320
#define APIC_LVT_LINT0	   0x350
#define APIC_LVT_LINT1	   0x360
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE  0x3e0

#define ICR_FIXED   0x000
#define ICR_NMI	    0x400
#define ICR_INIT    0x500
#define ICR_SIPI    0x600
#define ICR_ASSERT  0x4000
#define ICR_LEVEL   0x8000
#define ICR_SELF    0x40000
#define ICR_ALL	    0x80000
#define ICR_OTHERS  0xc0000
#define ICR_LOGICAL 0x800

/** Enables this CPU's local APIC; masks the 8259s on the first call. */
void apic_init(void);

/** Puts this CPU's APIC into x2APIC mode, if the processor has it; there is no way back. */
bool apic_enable_x2apic(void);

bool apic_is_x2apic(void);
u32 apic_read(u32 offset);
void apic_write(u32 offset, u32 value);
u32 apic_id(void);
void apic_eoi(void);

/** Sends an interprocessor interrupt; @command is the low half of the ICR. */
void apic_send(u32 destination, u32 command);
void apic_send_self(u32 command);

/** One timer interrupt of @vector after @count bus ticks (divided by 1). */
void apic_timer_once(u32 vector, u32 count);
void apic_timer_stop(void);

/** Claim: @vector is requested and not yet in service. */
bool apic_is_pending(u32 vector);

/** Lets the PIT raise IRQ 0 through LINT0 as ExtINT once, after @count of its clocks. */
void pit_once(u16 count);
void pic_mask_all(void);
