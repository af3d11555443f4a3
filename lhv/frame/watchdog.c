/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watchdog.  Registers: "IA-PC HPET Specification", "82093AA I/O APIC".  Events: SDM
 * "Other Causes of VM Exits" (NMIs, INIT signals), "Non-Maskable Interrupts".
 */
#include "lhv/frame/watchdog.h"

#include "lhv/frame/apic.h"
#include "lhv/frame/console.h"
#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "xmhf/lib/bits.h"

#define HPET_BASE	     0xfed00000u
#define HPET_PERIOD	     0x004 /* of one count, in femtoseconds */
#define HPET_CONFIGURATION   0x010
#define HPET_COUNTER	     0x0f0
#define HPET_TIMER(n)	     (0x100u + 0x20 * (n))
#define HPET_ROUTES	     4 /* offsets within a timer */
#define HPET_COMPARATOR	     8
#define HPET_RUNS	     BIT32(0)
#define HPET_TIMER_INTERRUPT BIT32(2)
#define HPET_ROUTE_SHIFT     9
#define HPET_LONGEST_PERIOD  100000000u
#define FEMTOSECONDS_PER_MS  1000000000000ULL

#define IOAPIC_SELECT	       ((volatile u32 *)(uptr)0xfec00000u)
#define IOAPIC_WINDOW	       ((volatile u32 *)(uptr)0xfec00010u)
#define IOAPIC_VERSION	       1
#define IOAPIC_REDIRECTION(n)  (0x10u + 2 * (n))
#define IOAPIC_LAST_PIN(value) ((value) >> 16 & 0xff)

#define APIC_COUNTS_PER_MS 50000u

bool fault_call(void (*function)(void *), void *argument, uptr *stack);
_Noreturn void fault_unwind(uptr stack);

static struct {
	bool hpet;
	volatile bool armed;
	u32 period, limit;
	struct watchdog_report last;
} watchdog;

static volatile u32 *hpet(u32 offset)
{
	return (volatile u32 *)(uptr)(HPET_BASE + offset);
}

static u32 ioapic_read(u32 index)
{
	*IOAPIC_SELECT = index;
	return *IOAPIC_WINDOW;
}

static void ioapic_write(u32 index, u32 value)
{
	*IOAPIC_SELECT = index;
	*IOAPIC_WINDOW = value;
}

/* The highest of @pins: the low ones are those of ISA. */
static u32 highest(u32 pins)
{
	u32 pin = 0;

	for (u32 i = 0; i < 32; i++)
		if (pins & BIT32(i))
			pin = i;
	return pin;
}

/* Timer @n sends @delivery by a pin of @free; the pin as a mask, 0 if it reaches none. */
static u32 route(u32 n, u32 delivery, u32 free)
{
	u32 pins = *hpet(HPET_TIMER(n) + HPET_ROUTES) & free;
	u32 pin = highest(pins);

	if (!pins)
		return 0;
	ioapic_write(IOAPIC_REDIRECTION(pin) + 1, cpu_self()->apic_id << 24);
	ioapic_write(IOAPIC_REDIRECTION(pin), delivery);
	*hpet(HPET_TIMER(n)) = HPET_TIMER_INTERRUPT | pin << HPET_ROUTE_SHIFT;
	return BIT32(pin);
}

static bool start_hpet(void)
{
	u32 pins, last = IOAPIC_LAST_PIN(ioapic_read(IOAPIC_VERSION));
	u32 used;

	watchdog.period = *hpet(HPET_PERIOD);
	if (!watchdog.period || watchdog.period > HPET_LONGEST_PERIOD || last == 0xff)
		return false;
	*hpet(HPET_CONFIGURATION) = 0;
	pins = last >= 31 ? ~0u : BIT32(last + 1) - 1;
	used = route(0, ICR_NMI, pins);
	return used && route(1, ICR_INIT, pins & ~used);
}

void watchdog_init(bool use_hpet)
{
	watchdog.hpet = use_hpet && start_hpet();
}

bool watchdog_has_hpet(void)
{
	return watchdog.hpet;
}

static void set_64(u32 offset, u32 value)
{
	*hpet(offset) = value;
	*hpet(offset + 4) = 0;
}

void watchdog_arm(u32 milliseconds)
{
	if (!watchdog.hpet) {
		apic_timer_once(VECTOR_WATCHDOG, milliseconds * APIC_COUNTS_PER_MS);
		return;
	}
	watchdog.limit = (u32)(milliseconds * FEMTOSECONDS_PER_MS / watchdog.period);
	*hpet(HPET_CONFIGURATION) = 0;
	set_64(HPET_COUNTER, 0);
	set_64(HPET_TIMER(0) + HPET_COMPARATOR, watchdog.limit);
	set_64(HPET_TIMER(1) + HPET_COMPARATOR, watchdog.limit + watchdog.limit / 4);
	watchdog.armed = true;
	*hpet(HPET_CONFIGURATION) = HPET_RUNS;
}

void watchdog_disarm(void)
{
	if (!watchdog.hpet) {
		apic_timer_stop();
		return;
	}
	*hpet(HPET_CONFIGURATION) = 0;
	watchdog.armed = false;
}

bool watchdog_has_expired(void)
{
	return watchdog.armed && cpu_self()->watchdog_stack &&
	       *hpet(HPET_COUNTER) >= watchdog.limit;
}

bool watchdog_call(void (*function)(void *), void *argument)
{
	struct cpu *cpu = cpu_self();
	uptr outer = cpu->watchdog_stack;
	bool bitten = fault_call(function, argument, &cpu->watchdog_stack);

	cpu->watchdog_stack = outer;
	if (bitten)
		cpu->catch_fault = NULL;
	return !bitten;
}

/* An NMI that is still held belongs to what hung: it is let through and forgotten. */
static void let_nmis_through(struct cpu *cpu)
{
	cpu->count_only_nmi = true;
	nmi_unblock();
	cpu->count_only_nmi = false;
}

_Noreturn void watchdog_bite(const char *level, u64 rip)
{
	struct cpu *cpu = cpu_self();

	if (!cpu->watchdog_stack) {
		report("# CPU %u: watchdog without a case\n", cpu->index);
		machine_stop(false, 0, 0);
	}
	watchdog.last = (struct watchdog_report){ level, rip };
	watchdog_disarm();
	console_let_go();
	let_nmis_through(cpu);
	fault_unwind(cpu->watchdog_stack);
}

struct watchdog_report watchdog_last(void)
{
	return watchdog.last;
}
