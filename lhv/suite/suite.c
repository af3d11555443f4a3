/* SPDX-License-Identifier: BSD-2-Clause */
/* The runner: picks cases, protects them, counts and reports (TAP). */
#include "lhv/suite/case.h"

#include "lhv/frame/cmdline.h"
#include "lhv/frame/console.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/watchdog.h"
#include "lhv/vm/ept.h"
#include "xmhf/lib/format.h"
#include "xmhf/lib/string.h"

#define PATH_MAX	128
#define WATCHDOG_MS	2000u
#define DUMPS_MAX	20
#define FAILS_PER_CASE	8
#define BULK_PROBE_PORT 0xe9

extern const struct lhv_topic *const lhv_topics_start[], *const lhv_topics_end[];

struct known {
	const char *path, *rule;
};
static const struct known known_differences[] = {
#define KNOWN(path, rule) { path, rule },
#include "lhv/suite/known.def"
#undef KNOWN
	{ NULL, NULL },
};
static u32 known_hits[ARRAY_SIZE(known_differences)];

static struct {
	char path[PATH_MAX], step[PATH_MAX], pick[2048], break_pick[256];
	bool use_known, broken, list;
	u32 number, checks, failed, known; /* of the present case */
	const char *skip;
	u32 cases, cases_failed, cases_skipped, cases_known, all_checks, all_failed, all_known;
	u32 dumps, watchdog_ms, useless;
	u64 picked; /* alternatives of pick that matched */
	bool planted, dump_to_serial;
} suite;

/* One case, or one row of it, to run under protection. */
struct job {
	const struct lhv_case *c;
	unsigned int row;
};

bool case_has_failed(void)
{
	return suite.failed;
}

bool case_requires(bool can, const char *reason)
{
	if (!can && !suite.skip)
		suite.skip = reason;
	return can;
}

void case_step(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	format_text_v(suite.step, sizeof(suite.step), format, args);
	va_end(args);
}

static bool is_known(const char *what)
{
	char text[2 * PATH_MAX + 64];

	format_text(text, sizeof(text), "%s: %s%s%s", suite.path, suite.step,
		    suite.step[0] ? ": " : "", what);
	for (unsigned int i = 0; suite.use_known && known_differences[i].path; i++) {
		if (!wildcard_matches(known_differences[i].path, text))
			continue;
		known_hits[i]++;
		return true;
	}
	return false;
}

static void dump_failure(void)
{
	if (!vmx_is_on() || suite.dumps >= DUMPS_MAX)
		return;
	suite.dumps++;
	console_trace_to_serial(suite.dump_to_serial);
	vm_dump("failure");
	vm_dump_differences();
	console_trace_to_serial(false);
}

static void fail(const char *what, u64 expected, u64 actual, const char *kind)
{
	bool known = is_known(what);

	if (known)
		suite.known++;
	else
		suite.failed++;
	if (known || suite.failed > FAILS_PER_CASE) {
		trace("# %s: %s%s%s: expected 0x%llx, got 0x%llx (%s)%s\n", suite.path, suite.step,
		      suite.step[0] ? ": " : "", what, expected, actual, kind,
		      known ? " known" : "");
		return;
	}
	report("# %s: %s%s%s: expected 0x%llx, got 0x%llx (%s)\n", suite.path, suite.step,
	       suite.step[0] ? ": " : "", what, expected, actual, kind);
	dump_failure();
}

/* Each check goes through here; the first of a case that break= names expects the inverse. */
static bool judge(u64 expected, u64 actual, const char *what, const char *kind)
{
	suite.checks++;
	if (suite.broken) {
		suite.broken = false;
		expected = ~expected;
	}
	if (expected == actual)
		return true;
	fail(what, expected, actual, kind);
	return false;
}

bool check_eq(u64 expected, u64 actual, const char *what)
{
	return judge(expected, actual, what, "value");
}

bool check_true(bool claim, const char *what)
{
	return judge(1, claim, what, "claim");
}

bool check_bits(u64 expected, u64 mask, u64 actual, const char *what)
{
	return judge(expected & mask, actual & mask, what, "bits");
}

static u64 outcome_code(struct outcome o)
{
	if (o.result == VMX_FAIL_INVALID)
		return 0x2000000;
	if (o.result == VMX_FAIL_VALID)
		return 0x1000000 | o.error;
	return o.reason;
}

bool check_exit(struct outcome o, u32 reason, const char *what)
{
	return judge(reason, outcome_code(o), what, "exit reason");
}

bool check_vmfail(struct outcome o, u32 error, const char *what)
{
	return judge(error ? 0x1000000 | error : 0x2000000, outcome_code(o), what, "VMfail");
}

bool check_entry_failure(struct outcome o, u32 reason, u64 qualification, const char *what)
{
	bool ok = judge(EXIT_REASON_ENTRY_FAILURE | reason, outcome_code(o), what, "entry failure");

	return ok && judge(qualification, o.qualification, what, "qualification");
}

bool check_vmx(enum vmx_result expected, u32 error, enum vmx_result actual, const char *what)
{
	bool ok = judge(expected, actual, what, "VMX result");

	if (!ok || expected != VMX_FAIL_VALID)
		return ok;
	return judge(error, vm_get(VMCS_vm_instruction_error), what, "VM-instruction error");
}

bool check_fault(struct fault fault, u32 vector, u32 error_code, const char *what)
{
	bool ok = judge(vector, fault.happened ? fault.vector : 0x100, what, "fault");

	return ok && judge(error_code, fault.error_code, what, "error code");
}

bool check_no_fault(struct fault fault, const char *what)
{
	return judge(0x100, fault.happened ? fault.vector : 0x100, what, "fault");
}

static const char *missing(u32 needs)
{
	if (needs & NEEDS_VMX && !facts.vmx)
		return "no VMX";
	if (needs & (NEEDS_EPT | NEEDS_UNRESTRICTED) && !ept_usable())
		return "no EPT with 2 MiB pages";
	if (needs & NEEDS_UNRESTRICTED && !vm_can_run(L2_REAL))
		return "no unrestricted guest";
	if (needs & NEEDS_64BIT && !IS_64BIT)
		return "64-bit build only";
	if (needs & NEEDS_32BIT && IS_64BIT)
		return "32-bit build only";
	if (needs & NEEDS_CPUS && cpu_count < 2)
		return "one CPU";
	return NULL;
}

static void run_protected(void *argument)
{
	struct job *job = argument;

	if (job->c->needs & NEEDS_VMX) {
		vm_prepare(vm_self());
		vm_reset(L2_NATIVE);
	}
	watchdog_arm(suite.watchdog_ms);
	enable_interrupts();
	if (job->c->rows)
		job->c->run_row(job->row);
	else
		job->c->run();
	disable_interrupts();
	watchdog_disarm();
}

static void report_case(void)
{
	suite.number++;
	suite.all_checks += suite.checks;
	suite.all_failed += suite.failed;
	suite.all_known += suite.known;
	if (suite.skip && !suite.failed) {
		suite.cases_skipped++;
		report("ok %u - %s # SKIP %s\n", suite.number, suite.path, suite.skip);
		return;
	}
	suite.cases++;
	if (suite.failed) {
		suite.cases_failed++;
		report("not ok %u - %s # %u of %u checks failed\n", suite.number, suite.path,
		       suite.failed, suite.checks);
	} else if (suite.known) {
		suite.cases_known++;
		report("ok %u - %s %u # known difference of the emulator, %u checks\n",
		       suite.number, suite.path, suite.checks, suite.known);
	} else {
		report("ok %u - %s %u\n", suite.number, suite.path, suite.checks);
	}
}

static void run_one(const struct lhv_case *c, unsigned int row)
{
	struct job job = { c, row };

	suite.checks = suite.failed = suite.known = 0;
	suite.step[0] = 0;
	suite.skip = missing(c->needs);
	suite.broken = wildcard_matches(suite.break_pick, suite.path);
	trace("# run %s\n", suite.path);
	console_strip(0, "CPU 0  %u passed  %u failed  %s", suite.cases - suite.cases_failed,
		      suite.cases_failed, suite.path);
	if (!suite.skip && !watchdog_call(run_protected, &job)) {
		struct watchdog_report hung = watchdog_last();

		vm_use(NULL);
		report("# %s: hung in %s at 0x%llx\n", suite.path, hung.level, hung.rip);
		check_true(false, "ended by the watchdog");
	}
	if (!suite.skip && !suite.checks)
		check_true(false, "the case checked nothing");
	disable_interrupts();
	watchdog_disarm();
	report_case();
}

static void run_rows(const struct lhv_topic *topic, const struct lhv_case *c)
{
	u64 picked;

	for (unsigned int row = 0; row < (c->rows ? c->rows : 1); row++) {
		if (c->rows)
			format_text(suite.path, sizeof(suite.path), "%s/%s/%s", topic->name,
				    c->name, c->row_name(row));
		else
			format_text(suite.path, sizeof(suite.path), "%s/%s", topic->name, c->name);
		if (c->needs & NEEDS_PLANTED && !suite.planted)
			continue;
		picked = wildcard_alternatives(suite.pick, suite.path);
		suite.picked |= picked;
		if (!picked)
			continue;
		if (suite.list)
			trace("case %s\n", suite.path);
		else
			run_one(c, row);
	}
}

static bool on_bochs(void)
{
	return inb(BULK_PROBE_PORT) == BULK_PROBE_PORT;
}

static void summary(void)
{
	for (unsigned int i = 0; suite.use_known && known_differences[i].path; i++)
		if (known_hits[i])
			report("# known %u x %s: %s\n", known_hits[i], known_differences[i].path,
			       known_differences[i].rule);
	report("1..%u\n", suite.number);
	report("# cases %u, failed %u, known %u, skipped %u, checks %u, failed %u, known %u\n",
	       suite.cases, suite.cases_failed, suite.cases_known, suite.cases_skipped,
	       suite.all_checks, suite.all_failed, suite.all_known);
}

static void read_command_line(void)
{
	if (!cmdline_text("cases", suite.pick, sizeof(suite.pick)))
		memcpy(suite.pick, "*", 2);
	if (!cmdline_text("break", suite.break_pick, sizeof(suite.break_pick)))
		suite.break_pick[0] = 0;
	suite.list = cmdline_is("mode", "list");
	suite.planted = cmdline_is("planted", "on");
	suite.dump_to_serial = cmdline_is("dump", "serial");
	suite.watchdog_ms = (u32)cmdline_number("watchdog", WATCHDOG_MS);
	suite.use_known = on_bochs() && !cmdline_is("known", "none");
}

static void report_useless(const char *alternative)
{
	suite.useless++;
	report("# cases=: no case matches %s\n", alternative);
}

_Noreturn void suite_run(void)
{
	u64 iterations = cmdline_number("iterations", 1);
	u32 good;

	read_command_line();
	watchdog_init(!cmdline_is("hpet", "off"));
	console_keep_strips(cpu_count);
	for (u64 i = 0; i < iterations; i++)
		for (const struct lhv_topic *const *t = lhv_topics_start; t < lhv_topics_end; t++)
			for (unsigned int c = 0; c < (*t)->count; c++)
				run_rows(*t, &(*t)->cases[c]);
	summary();
	console_trace_strips();
	wildcard_unused(suite.pick, suite.picked, report_useless);
	good = suite.cases - suite.cases_failed;
	machine_stop(good == suite.cases && suite.cases && !suite.useless, good, suite.cases);
}
