/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC as L0 uses it. */
#include "xmhf/cpu/apic_hw.h"

#include "xmhf/memory/physmap.h"
#include "xmhf/x86/insn.h"
#include "xmhf/x86/msr.h"

/* Register offsets of the xAPIC page; an x2APIC MSR is 0x800 + offset / 16. */
#define APIC_ID		     0x020
#define APIC_TPR	     0x080
#define APIC_LDR	     0x0d0
#define APIC_DFR	     0x0e0
#define APIC_SVR	     0x0f0
#define APIC_ICR	     0x300
#define APIC_ICR_HIGH	     0x310
#define APIC_LVT_TIMER	     0x320
#define APIC_LVT_LINT0	     0x350
#define APIC_LVT_LINT1	     0x360
#define APIC_LVT_ERROR	     0x370
#define APIC_TIMER_INITIAL   0x380
#define APIC_LVT_MASKED	     0x10000
#define APIC_SVR_AFTER_RESET 0xff

static bool is_x2apic(u64 base)
{
	return (base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) ==
	       (APIC_BASE_ENABLE | APIC_BASE_X2APIC);
}

static volatile u32 *apic_register(u64 base, u32 offset)
{
	return (volatile u32 *)(uptr)physmap_view((base & APIC_BASE_ADDRESS) + offset, 4);
}

static void apic_write(u64 base, u32 offset, u32 value)
{
	if (is_x2apic(base))
		wrmsr(MSR_IA32_X2APIC_FIRST + offset / 16, value);
	else
		*apic_register(base, offset) = value;
}

u32 apic_own_id(void)
{
	u64 base = rdmsr(MSR_IA32_APIC_BASE);

	if (is_x2apic(base))
		return (u32)rdmsr(MSR_IA32_X2APIC_APICID);
	return *apic_register(base, APIC_ID) >> 24;
}

void apic_send(u32 apic_id, u32 icr_low)
{
	u64 base = rdmsr(MSR_IA32_APIC_BASE);
	volatile u32 *icr, *icr_high;
	u32 saved;

	if (is_x2apic(base)) {
		wrmsr(MSR_IA32_X2APIC_ICR, (u64)apic_id << 32 | icr_low);
		return;
	}
	icr = apic_register(base, APIC_ICR);
	icr_high = apic_register(base, APIC_ICR_HIGH);
	while (*icr & APIC_ICR_PENDING)
		cpu_relax();
	saved = *icr_high;
	*icr_high = apic_id << 24;
	*icr = icr_low;
	while (*icr & APIC_ICR_PENDING)
		cpu_relax();
	*icr_high = saved;
}

void apic_send_nmi_to_self(void)
{
	if (rdmsr(MSR_IA32_APIC_BASE) & APIC_BASE_ENABLE)
		apic_send(apic_own_id(), APIC_ICR_NMI | APIC_ICR_ASSERT);
}

void apic_reset_by_init(void)
{
	static const u16 local_vectors[] = { APIC_LVT_TIMER, APIC_LVT_LINT0, APIC_LVT_LINT1,
					     APIC_LVT_ERROR };
	u64 base = rdmsr(MSR_IA32_APIC_BASE);

	if (!(base & APIC_BASE_ENABLE))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(local_vectors); i++)
		apic_write(base, local_vectors[i], APIC_LVT_MASKED);
	apic_write(base, APIC_TIMER_INITIAL, 0);
	apic_write(base, APIC_TPR, 0);
	if (!is_x2apic(base)) {
		apic_write(base, APIC_LDR, 0);
		apic_write(base, APIC_DFR, ~0U);
	}
	apic_write(base, APIC_SVR, APIC_SVR_AFTER_RESET);
}
