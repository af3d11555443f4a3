/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypercalls of xmhf-nest, as L1 makes them: VMCALL with EAX = HYPERCALL_MAGIC,
 * EBX = function, ECX and EDX = arguments; EAX tells how it went, RBX, RCX, RDX are results.
 */
#pragma once

#include "l1probe.h"

#define HYPERCALL_MAGIC	  0x584d4846u
#define HYPERCALL_OK	  0u
#define HYPERCALL_UNKNOWN 0xffffffffu

#define HYPERCALL_VERSION	  0x0u	 /* RBX version, RCX depth, RDX hypapp */
#define HYPERCALL_HIDDEN_MEMORY	  0x1u	 /* RBX base, RCX size, RDX refused accesses */
#define HYPERCALL_COUNTERS	  0x2u	 /* (group): docs/hypercalls.md */
#define HYPERCALL_TRACE_INFO	  0x100u /* RBX CPUs, RCX slots, RDX ring capacity */
#define HYPERCALL_TRACE_HISTOGRAM 0x101u /* (cpu, slot): RBX count, RCX ticks */
#define HYPERCALL_TRACE_ENTRY	  0x102u /* (cpu, n): RBX RIP, RCX slot | ticks << 32, RDX qual. */

#define HYPAPP_TRACE 1u

/** The answer to a hypercall. */
struct hypercall_result {
	bool undefined; /* VMCALL took #UD: nobody is there to answer */
	u32 status;
	u64 b, c, d;
};

/** Makes one hypercall on the current CPU; an #UD is caught and reported. */
struct hypercall_result hypercall(u32 function, u32 c, u32 d);

/** VMCALL with this value in EAX. */
struct hypercall_result vmcall(u32 magic, u32 function, u32 c, u32 d);
