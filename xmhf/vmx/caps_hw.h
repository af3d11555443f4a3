/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads what this processor can do in VMX. */
#pragma once

#include "xmhf/vmx/caps.h"

/** Fills @caps.  @pre CPUID says the processor has VMX. */
void vmx_caps_read(struct vmx_caps *caps);
