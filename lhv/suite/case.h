/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A case: one short C function that reads like the sentence of the SDM it tests.
 * It sets up, changes one thing and checks what must follow.  A topic file ends with
 * a table of its cases and LHV_TOPIC(table).  A case with rows runs once per row and
 * each row counts as a case of its own.
 */
#pragma once

#include "lhv/frame/interrupt.h"
#include "lhv/vm/vm.h"

enum case_needs {
	NEEDS_NOTHING = 0,
	NEEDS_VMX = 1,	 /* VMX operation, a cleared current VMCS, golden state in native mode */
	NEEDS_EPT = 2,	 /* and EPT that lhv can use */
	NEEDS_64BIT = 4, /* the 64-bit build */
	NEEDS_CPUS = 8,	 /* a second CPU */
	NEEDS_UNRESTRICTED = 16,
	NEEDS_PLANTED = 32, /* planted=on: a case that must fail */
	NEEDS_32BIT = 64,   /* the 32-bit build */
};

struct lhv_case {
	const char *name;
	u32 needs;
	void (*run)(void);
	/* or, one per row: */
	void (*run_row)(unsigned int row);
	const char *(*row_name)(unsigned int row);
	unsigned int rows;
};

struct lhv_topic {
	const char *name;
	const struct lhv_case *cases;
	unsigned int count;
};

/** At the end of a topic file: LHV_TOPIC("insn", cases); topics run in alphabetical order. */
#define LHV_TOPIC(name_, cases_) LHV_TOPIC_IN(name_, name_, cases_)

/** A topic that runs after all others: it leaves the machine with a CPU less. */
#define LHV_TOPIC_LAST(name_, cases_) LHV_TOPIC_IN("~", name_, cases_)

#define LHV_TOPIC_IN(place_, name_, cases_)                                              \
	static const struct lhv_topic lhv_topic = { name_, cases_, ARRAY_SIZE(cases_) }; \
	static const struct lhv_topic *const lhv_topic_pointer                           \
		__attribute__((used, section(".lhv_topics." place_))) = &lhv_topic

/* Checks.  @what names the check within the case; a check that fails prints its path. */
bool check_eq(u64 expected, u64 actual, const char *what);
bool check_true(bool claim, const char *what);
/** As check_eq(), under @mask. */
bool check_bits(u64 expected, u64 mask, u64 actual, const char *what);
/** The entry succeeded and ended with this exit reason. */
bool check_exit(struct outcome o, u32 reason, const char *what);
/** The entry failed with this VM-instruction error; 0: VMfailInvalid. */
bool check_vmfail(struct outcome o, u32 error, const char *what);
/** The entry failed after loading guest state: reason 33 or 34 and qualification. */
bool check_entry_failure(struct outcome o, u32 reason, u64 qualification, const char *what);
/** A VMX instruction ended so; @error is compared if it is VMX_FAIL_VALID. */
bool check_vmx(enum vmx_result expected, u32 error, enum vmx_result actual, const char *what);
bool check_fault(struct fault fault, u32 vector, u32 error_code, const char *what);
bool check_no_fault(struct fault fault, const char *what);

/** Ends the case as skipped unless @can; returns @can. */
bool case_requires(bool can, const char *reason);
/** Says which row or step the following checks belong to; part of their path. */
void case_step(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Claim: at least one check of the present case has failed. */
bool case_has_failed(void);

/** Runs the cases that the command line picks; returns by machine_stop(). */
_Noreturn void suite_run(void);
