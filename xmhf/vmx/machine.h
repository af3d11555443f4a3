/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the CPUs share.  The boot CPU fills it before any other CPU starts; afterwards
 *   caps, l1_map, hidden, options, vcpus, bitmaps   are only read,
 *   ept                                             is changed under ept_lock,
 *   pool                                            is changed under ept_lock.
 */
#pragma once

#include "xmhf/memory/e820.h"
#include "xmhf/memory/ept01.h"
#include "xmhf/vmx/vcpu.h"
#include "xmhf/vmx/vmxcap.h"
#include "xmhf/x86/spinlock.h"

#define XMHF_VERSION_MAJOR 0
#define XMHF_VERSION_MINOR 1
#define XMHF_VERSION_PATCH 0
#define XMHF_VERSION	   (XMHF_VERSION_MAJOR << 16 | XMHF_VERSION_MINOR << 8 | XMHF_VERSION_PATCH)

struct machine {
	struct vmx_caps caps;	      /* of this processor */
	struct memory_map l1_map;     /* what L1's INT 15h says */
	u64 hidden_base, hidden_size; /* L0's memory, host-physical */
	u64 top_of_ram;
	u64 physmap_end;   /* physical memory is mapped in L0 up to here */
	u32 nesting_depth; /* 1: directly on the machine */
	bool vmx_for_l1;
	bool has_1g_pages;
	bool refused_accesses_logged;
	struct vmxcap_mask vmxcap;
	hpa_t msr_bitmap;

	u32 int15_stub; /* linear address of the stub's VMCALL, below 1 MiB */
	u32 cpu_count;
	struct vcpu *vcpus[MAX_CPUS];

	struct spinlock ept_lock;
	struct ept01 ept;
	struct page_pool pool;
};

extern struct machine machine;

/** Claim: any of the @size bytes at host-physical @address are L0's own memory. */
static inline bool machine_overlaps_hidden(u64 address, u64 size)
{
	u64 distance = address - machine.hidden_base;

	return distance < machine.hidden_size || -distance < size;
}
