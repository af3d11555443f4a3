/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Getting another CPU's attention: an INIT, which exits in VMX non-root operation and
 * waits in root operation.  L0 owns no vector and no NMI (docs/decisions/0001-init-is-the-kick.md).
 */
#pragma once

#include "xmhf/vmx/machine.h"

/** Makes every CPU forget translations of EPT01 before it runs L1 again; @vcpu is the caller's. */
void kick_flush_ept(struct vcpu *vcpu);

/** Answers requests of other CPUs to @vcpu, the caller's. */
void kick_answer(struct vcpu *vcpu);

/** On an INIT exit of @vcpu, the caller's: whether the INIT is another CPU's kick, not L1's. */
bool kick_take_init(struct vcpu *vcpu);

/** Takes machine.ept_lock, answering kicks of its holder meanwhile. */
void kick_lock_ept(struct vcpu *vcpu);
