/* SPDX-License-Identifier: BSD-2-Clause */
/* Local APIC, 8259s and PIT.  Every CPU calls for itself. */
#include "lhv/frame/apic.h"

#include "lhv/frame/interrupt.h"
#include "xmhf/x86/insn.h"
#include "xmhf/x86/msr.h"

#define APIC_BASE    0xfee00000u
#define LVT_MASKED   0x10000u
#define LVT_EXTINT   0x700u
#define SVR_ENABLE   0x100u
#define DIVIDE_BY_1  0xbu
#define ICR_PENDING  0x1000u
#define X2APIC_ICR   0x830
#define PIC1	     0x20
#define PIC2	     0xa0
#define PIT_CHANNEL0 0x40
#define PIT_MODE     0x43

bool apic_is_x2apic(void)
{
	return rdmsr(MSR_IA32_APIC_BASE) & APIC_BASE_X2APIC;
}

static volatile u32 *mmio(u32 offset)
{
	return (volatile u32 *)(uptr)(APIC_BASE + offset);
}

u32 apic_read(u32 offset)
{
	return apic_is_x2apic() ? (u32)rdmsr(MSR_IA32_X2APIC_FIRST + offset / 16) : *mmio(offset);
}

void apic_write(u32 offset, u32 value)
{
	if (apic_is_x2apic())
		wrmsr(MSR_IA32_X2APIC_FIRST + offset / 16, value);
	else
		*mmio(offset) = value;
}

u32 apic_id(void)
{
	return apic_is_x2apic() ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

void apic_send(u32 destination, u32 command)
{
	if (apic_is_x2apic()) {
		wrmsr(X2APIC_ICR, (u64)destination << 32 | command);
		return;
	}
	*mmio(APIC_ICR_HIGH) = destination << 24;
	*mmio(APIC_ICR_LOW) = command;
	while (*mmio(APIC_ICR_LOW) & ICR_PENDING)
		cpu_relax();
}

void apic_send_self(u32 command)
{
	apic_send(apic_id(), command | ICR_ASSERT);
}

void apic_timer_once(u32 vector, u32 count)
{
	apic_write(APIC_LVT_TIMER, vector);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_TIMER_INITIAL, count);
}

void apic_timer_stop(void)
{
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_TIMER_INITIAL, 0);
}

bool apic_is_pending(u32 vector)
{
	return apic_read(APIC_IRR + vector / 32 * 16) & BIT32(vector % 32);
}

void pic_mask_all(void)
{
	outb(PIC1 + 1, 0xff);
	outb(PIC2 + 1, 0xff);
}

static void pic_init(void)
{
	outb(PIC1, 0x11);
	outb(PIC2, 0x11);
	outb(PIC1 + 1, VECTOR_TIMER & 0xf8);
	outb(PIC2 + 1, (VECTOR_TIMER & 0xf8) + 8);
	outb(PIC1 + 1, 4);
	outb(PIC2 + 1, 2);
	outb(PIC1 + 1, 3); /* 8086 mode, automatic end of interrupt */
	outb(PIC2 + 1, 3);
	pic_mask_all();
}

void pit_once(u16 count)
{
	apic_write(APIC_LVT_LINT0, LVT_EXTINT);
	outb(PIC1 + 1, 0xfe);
	outb(PIT_MODE, 0x30); /* channel 0, mode 0: one edge at the end of the count */
	outb(PIT_CHANNEL0, (u8)count);
	outb(PIT_CHANNEL0, (u8)(count >> 8));
}

void apic_init(void)
{
	if (cpu_self()->index == 0)
		pic_init();
	apic_write(APIC_SPURIOUS, SVR_ENABLE | VECTOR_SPURIOUS);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	cpu_self()->apic_id = apic_id();
}

bool apic_enable_x2apic(void)
{
	if (!(cpuid(1, 0).ecx & CPUID_1_ECX_X2APIC))
		return false;
	wrmsr(MSR_IA32_APIC_BASE, rdmsr(MSR_IA32_APIC_BASE) | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	cpu_self()->apic_id = apic_id();
	return true;
}
