/* SPDX-License-Identifier: BSD-2-Clause */
/* l1probe: L1's view of the machine, checked from inside Linux. */
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <unistd.h>
#include <x86intrin.h>

static int stop(void)
{
	if (ioperm(0x8900, 1, 1) == 0)
		for (const char *c = "Shutdown"; *c; c++)
			outb(*c, 0x8900);
	if (ioperm(0xf4, 4, 1) == 0)
		outl(0, 0xf4);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "stage") == 0) {
		printf("PROBE %s tsc=%llu\n", argv[2], (unsigned long long)__rdtsc());
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "stop") == 0)
		return stop();
	printf("PROBE cpus online=%ld\n", sysconf(_SC_NPROCESSORS_ONLN));
	printf("LAB-RESULT pass 1/1\n");
	return 0;
}
