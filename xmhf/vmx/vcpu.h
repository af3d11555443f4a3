/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual CPU: what L0 keeps for the L1 that runs on one processor.  It lies right
 * above L0's stack of that processor: the VM-exit stub pushes L1's registers into it.
 */
#pragma once

#include "xmhf/cpu/percpu.h"
#include "xmhf/vmx/caps.h"

/** General-purpose registers by their number in instruction encodings. */
enum gpr {
	GPR_RAX,
	GPR_RCX,
	GPR_RDX,
	GPR_RBX,
	GPR_RSP, /* the slot is not used: RSP is a VMCS field */
	GPR_RBP,
	GPR_RSI,
	GPR_RDI,
	GPR_R8,
	GPR_COUNT = 16,
};

struct vcpu {
	u64 regs[GPR_COUNT]; /* first: vmexit_stub.S pushes them here */
	struct cpu cpu;
	u64 exit_tsc;	     /* when the current exit was taken, where someone asks */
	bool waits_for_sipi; /* in that activity state; read by other CPUs */
	bool after_sipi;     /* the first instruction after a SIPI is not done yet */
	bool parked;	     /* the user gave L1 fewer CPUs: ignores SIPI */
	bool started;	     /* its CPU came up */
	hpa_t vmxon_region, vmcs01;
	hpa_t msr_area_address;
	u64 *msr_area;		/* for processors without controls for IA32_EFER and IA32_PAT */
	u64 l1_feature_control; /* IA32_FEATURE_CONTROL as L1 reads it */
	volatile u32 kick;	/* requests of other CPUs, answered at the next exit: KICK_* */
	struct {
		bool active;
		bool monitor_trap; /* the control as it was */
		u64 eptp;	   /* the EPTP as it was */
		hpa_t root;	   /* copies of EPT01's tables on the way to the hidden page */
		hpa_t tables[6];   /* PDPT, PD and page tables */
		hpa_t scratch;	   /* what the step sees in place of L0's memory */
		hpa_t copies[4];   /* and in place of pages that the hypapp protects */
		u32 table_count, copy_count;
		u64 generation; /* of EPT01, when its tables were copied */
	} step;			/* vmexit/hidden_memory.c */
	struct {
		bool active;
		u32 proc1; /* the control word as it was */
	} port_step;	   /* vmexit/hypapp_access_hw.c */
	u64 refused_accesses;
	struct nested *nested;	 /* NULL: L1 has no VMX */
	u32 exit_reason;	 /* of the exit that is being handled */
	bool loaded_msr_written; /* L1 wrote one that nested loads only when it has to */
	bool in_l2;		 /* L2 runs: VMCS02 is current */
};

#define KICK_STOP      1U /* stop for good */
#define KICK_FLUSH_EPT 2U /* INVEPT of EPT01 */
#define KICK_INIT_SENT 4U /* an INIT of L0 is on its way: its exit is not L1's affair */

/** L0's stack of each CPU: it ends at its struct vcpu. */
#define VCPU_STACK_SIZE 16384

static inline struct vcpu *vcpu_of_cpu(struct cpu *cpu)
{
	return (struct vcpu *)((u8 *)cpu - offsetof(struct vcpu, cpu));
}
