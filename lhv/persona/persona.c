/* SPDX-License-Identifier: BSD-2-Clause */
/* Picks the persona, lets it work, and says what came of it. */
#include "lhv/persona/persona.h"

#include "lhv/frame/cmdline.h"
#include "lhv/frame/console.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/watchdog.h"
#include "lhv/persona/work.h"
#include "lhv/vm/ept.h"
#include "xmhf/lib/bits.h"
#include "xmhf/lib/string.h"

#define ROUNDS	    200
#define WATCHDOG_MS 2000

static const struct persona *const personas[] = { &persona_kvm, &persona_virtualbox,
						  &persona_vmware, &persona_hyperv, &persona_xen };

static const struct persona *find(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(personas); i++)
		if (strcmp(personas[i]->name, name) == 0)
			return personas[i];
	return NULL;
}

static const struct persona *choose(void)
{
	const struct persona *p;
	char name[32] = "";
	const char *why;

	cmdline_text("persona", name, sizeof(name));
	p = find(name);
	if (!p)
		report("# no persona %s: there are kvm, virtualbox, vmware, hyperv, xen\n", name);
	else if (!facts.vmx)
		report("# %s refuses to start: needs VMX\n", name);
	if (!p || !facts.vmx)
		machine_stop(false, 0, 1);
	why = p->refuses();
	if (why || !ept_usable()) {
		report("# %s refuses to start: needs %s\n", name,
		       why ? why : "EPT with 4 levels, write-back and 2 MiB pages");
		machine_stop(false, 0, 1);
	}
	return p;
}

/* What runs under the watchdog. */
struct job {
	const struct persona *p;
	bool prepare;
	u32 round;
};

static void do_job(void *argument)
{
	const struct job *job = argument;

	if (job->prepare)
		job->p->prepare(job->p);
	else
		job->p->round(job->round);
}

static bool does_not_hang(const struct persona *p, bool prepare, u32 round)
{
	struct job job = { p, prepare, round };
	struct watchdog_report hung;
	bool ended;

	watchdog_arm(WATCHDOG_MS);
	ended = watchdog_call(do_job, &job);
	watchdog_disarm();
	hung = watchdog_last();
	if (!ended)
		report("# persona %s: round %u hung in %s at 0x%llx\n", p->name, round, hung.level,
		       hung.rip);
	return ended;
}

_Noreturn void persona_run(void)
{
	const struct persona *p = choose();
	u32 rounds = (u32)cmdline_number("rounds", ROUNDS);
	u32 good, done;
	u64 start;
	bool pass;

	disable_interrupts();
	watchdog_init(true);
	vm_prepare(vm_self());
	vm_reset(L2_NATIVE);
	pass = does_not_hang(p, true, 0);
	start = rdtsc();
	for (u32 i = 0; i < rounds && pass; i++)
		pass = does_not_hang(p, false, i);
	work_report(p->name, rounds, rdtsc() - start);
	pass &= work_good(&good, &done);
	machine_stop(pass, good, done);
}
