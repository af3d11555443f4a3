/* SPDX-License-Identifier: BSD-2-Clause */
/* L1's state as a list of named values. */
#include "lhv/vm/host_state.h"

#include "lhv/frame/asm_hw.h"
#include "lhv/frame/cpu.h"
#include "xmhf/x86/msr.h"

static const char *const names[] = {
	"CR0",
	"CR3",
	"CR4",
	"DR7",
	"RFLAGS",
	"ES",
	"CS",
	"SS",
	"DS",
	"FS",
	"GS",
	"TR",
	"LDTR",
	"limit of ES",
	"limit of CS",
	"limit of SS",
	"limit of DS",
	"limit of FS",
	"limit of GS",
	"limit of TR",
	"GDTR base",
	"GDTR limit",
	"IDTR base",
	"IDTR limit",
	"IA32_DEBUGCTL",
	"IA32_SYSENTER_CS",
	"IA32_SYSENTER_ESP",
	"IA32_SYSENTER_EIP",
	"IA32_PAT",
	"IA32_EFER",
	"IA32_FS_BASE",
	"IA32_GS_BASE",
	NULL,
};

const char *host_state_name(unsigned int i)
{
	return names[i];
}

static void read_segments(u64 *v)
{
	const u16 selectors[8] = { read_es(), read_cs(), read_ss(), read_ds(),
				   read_fs(), read_gs(), read_tr(), read_ldt() };

	for (unsigned int i = 0; i < 8; i++)
		v[5 + i] = selectors[i];
	for (unsigned int i = 0; i < 7; i++)
		v[13 + i] = segment_limit(selectors[i]);
}

void host_state_read(struct host_state *state)
{
	u64 *v = state->value;
	struct descriptor_table_pointer p;

	v[0] = read_cr0();
	v[1] = read_cr3();
	v[2] = read_cr4();
	v[3] = read_dr7();
	v[4] = read_flags() & ~(uptr)(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF |
				      RFLAGS_OF | RFLAGS_IF);
	read_segments(v);
	sgdt(&p);
	v[20] = p.base;
	v[21] = p.limit;
	sidt(&p);
	v[22] = p.base;
	v[23] = p.limit;
	v[24] = rdmsr(MSR_IA32_DEBUGCTL);
	v[25] = rdmsr(MSR_IA32_SYSENTER_CS);
	v[26] = rdmsr(MSR_IA32_SYSENTER_ESP);
	v[27] = rdmsr(MSR_IA32_SYSENTER_EIP);
	v[28] = rdmsr(MSR_IA32_PAT);
	v[29] = rdmsr(MSR_IA32_EFER);
	v[30] = IS_64BIT ? rdmsr(MSR_IA32_FS_BASE) : 0;
	v[31] = IS_64BIT ? rdmsr(MSR_IA32_GS_BASE) : 0;
}
