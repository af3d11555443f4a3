/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * l2probe checksum: computes over 64 MiB and prints; the host runs this to know the answer.
 * l2probe yes|no: the same on every CPU of the innermost Linux, then ends it through the
 * port its VMM listens on, or by a reset: pass (0) if all sums agree and the first argument is
 * "yes".
 * l2probe end: ends it, with pass.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

#define EXIT_PORT 0xf4
#define SIZE	  (64ul << 20)
#define WORDS	  (SIZE / sizeof(uint64_t))

/* xorshift64 fills the memory; the sum depends on the order of all words. */
static uint64_t checksum(uint64_t *words)
{
	uint64_t state = 88172645463325252ull, sum = 0;

	for (size_t i = 0; i < WORDS; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		words[i] = state;
	}
	for (size_t i = 0; i < WORDS; i++)
		sum = (sum << 5 | sum >> 59) + words[i];
	return sum;
}

/* The sum as each CPU computes it; 0 when they differ. */
static uint64_t checksum_everywhere(uint64_t *words)
{
	uint64_t first = checksum(words);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	for (long cpu = 1; cpu < cpus; cpu++) {
		CPU_ZERO(&set);
		CPU_SET((size_t)cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) != 0 || checksum(words) != first)
			return 0;
	}
	return first;
}

static void end(int status)
{
	if (ioperm(EXIT_PORT, 1, 1) == 0)
		outb((unsigned char)status, EXIT_PORT);
	reboot(RB_AUTOBOOT);
}

static void say_and_end(bool is_good)
{
	printf("L2-RESULT %s\n", is_good ? "pass" : "fail");
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	end(!is_good);
}

int main(int argc, char **argv)
{
	uint64_t *words =
		mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t sum;
	bool is_good;

	if (argc != 2 || words == MAP_FAILED)
		return 2;
	if (strcmp(argv[1], "end") == 0)
		say_and_end(true);
	sum = strcmp(argv[1], "checksum") == 0 ? checksum(words) : checksum_everywhere(words);
	printf("L2 checksum over %lu MiB: %016llx\n", SIZE >> 20, (unsigned long long)sum);
	if (strcmp(argv[1], "checksum") == 0)
		return 0;
	is_good = sum != 0 && strcmp(argv[1], "yes") == 0;
	say_and_end(is_good);
	return 1;
}
