/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC as L0 uses it: it belongs to L1, so whatever L0 changes it puts back.
 * SDM "Advanced Programmable Interrupt Controller (APIC)".
 */
#pragma once

#include "xmhf/lib/types.h"

/* Interrupt command register. */
#define APIC_ICR_FIXED	 0x000U
#define APIC_ICR_NMI	 0x400U
#define APIC_ICR_INIT	 0x500U
#define APIC_ICR_SIPI	 0x600U
#define APIC_ICR_PENDING 0x1000U
#define APIC_ICR_ASSERT	 0x4000U

/** The calling CPU's APIC id, in xAPIC or x2APIC mode. */
u32 apic_own_id(void);

/**
 * Sends the interrupt @icr_low (delivery mode, vector) to the CPU with physical APIC id
 * @apic_id.  In xAPIC mode L1's destination half of the ICR is saved and put back.
 */
void apic_send(u32 apic_id, u32 icr_low);

/** Sends the calling CPU an NMI; called by exception.S with NMIs blocked. */
void apic_send_nmi_to_self(void);

/** Puts the calling CPU's APIC into the state that an INIT leaves: SDM "Local APIC State After It
 * Receives an INIT-IPI". */
void apic_reset_by_init(void);
