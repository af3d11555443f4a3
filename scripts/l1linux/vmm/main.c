/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm CPUS MEGABYTES KERNEL INITRD WORD...: boots Linux under KVM.  Its serial port is
 * printed with "L2| " before each line.  Exit status: what the guest wrote to EXIT_PORT.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm.h"

#define CMDLINE_SIZE 2048u

int main(int argc, char **argv)
{
	static struct vm vm;
	char cmdline[CMDLINE_SIZE] = "";
	u32 cpus = argc > 4 ? (u32)atoi(argv[1]) : 0;
	u64 size = argc > 4 ? strtoull(argv[2], NULL, 10) << 20 : 0;
	int status;

	if (cpus < 1 || cpus > MOST_CPUS || size < 64u << 20 || size > 2048ull << 20) {
		fprintf(stderr, "usage: vmm CPUS MEGABYTES KERNEL INITRD WORD...\n");
		return 2;
	}
	for (int i = 5; i < argc; i++) {
		strncat(cmdline, argv[i], CMDLINE_SIZE - strlen(cmdline) - 1);
		strncat(cmdline, " ", CMDLINE_SIZE - strlen(cmdline) - 1);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	vm_create(&vm, cpus, size);
	acpi_write(&vm);
	vm_start_at(&vm, bzimage_load(&vm, argv[3], argv[4], cmdline));
	status = vm_run(&vm);
	device_flush();
	stats_print(&vm);
	printf("vmm: the guest ended with status %d\n", status);
	fflush(stdout);
	_Exit(status);
}
