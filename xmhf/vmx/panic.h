/* SPDX-License-Identifier: BSD-2-Clause */
/* What a panic needs from the layer above. */
#pragma once

#include "xmhf/vmx/vcpu.h"

/** Stops all CPUs but the one of @vcpu, the caller's.  In xmhf/vmexit. */
void panic_stop_other_cpus(struct vcpu *vcpu);

/** Dumps VMCS01 and, where L1 has a current VMCS, VMCS12 and VMCS02, as @tag with 01, 12, 02. */
void panic_dump_vmcs(struct vcpu *vcpu, const char *tag);
