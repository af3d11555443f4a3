/* SPDX-License-Identifier: BSD-2-Clause */
/* Counted checks, the kernel command line, and CPUs. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "l1probe.h"

static unsigned int done, good;

bool check(bool passed, const char *format, ...)
{
	va_list arguments;

	done++;
	good += passed;
	printf("%s %u - ", passed ? "ok" : "not ok", done);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	return passed;
}

void print_verdict(void)
{
	printf("LAB-RESULT %s %u/%u\n", done && good == done ? "pass" : "fail", good, done);
}

static u64 word_value(const char *line, const char *name, u64 otherwise)
{
	const char *at = strstr(line, name);

	return at ? strtoull(at + strlen(name), NULL, 0) : otherwise;
}

/* A module's parameters are the words that start with its name and a dot. */
static void collect_parameters(char *line, const char *prefix, char *into, size_t size)
{
	size_t length = strlen(prefix), used = 0;

	for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n"))
		if (strncmp(word, prefix, length) == 0 && used < size)
			used += (size_t)snprintf(into + used, size - used, "%s%s", used ? " " : "",
						 word + length);
}

void print_stage(const char *name)
{
	printf("PROBE %s tsc=%llu\n", name, (unsigned long long)__rdtsc());
}

struct expectation read_expectation(void)
{
	struct expectation expected;
	char line[4096] = "";
	FILE *file = fopen("/proc/cmdline", "r");

	if (!file || !fgets(line, sizeof(line), file))
		printf("PROBE cannot read /proc/cmdline\n");
	if (file)
		fclose(file);
	expected = (struct expectation){
		.cpus = word_value(line, "probe.cpus=", 1),
		.native = word_value(line, "probe.native=", 0),
		.depth = word_value(line, "probe.depth=", 1),
		.kvm = word_value(line, "probe.kvm=", 0),
	};
	collect_parameters(line, "kvm_intel.", expected.kvm_intel, sizeof(expected.kvm_intel));
	return expected;
}

bool run_on_cpu(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0;
}

unsigned int online_cpus(void)
{
	return (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
}
