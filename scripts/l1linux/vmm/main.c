/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vmm CPUS MEGABYTES KERNEL INITRD WORD...: boots Linux under KVM.  Its serial port is
 * printed with "L2| " before each line.  Exit status: what the guest wrote to EXIT_PORT.
 * vmm guests: runs the small guests.  Exit status: 0 if all did what they must.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm.h"

#define CMDLINE_SIZE 2048u

int main(int argc, char **argv)
{
	static struct vm vm = { .on_port = device_access, .on_mmio = device_mmio };
	struct kvm_regs regs = { .rsi = ZERO_PAGE, .rflags = 2 };
	char cmdline[CMDLINE_SIZE] = "";
	u32 cpus = argc > 4 ? (u32)atoi(argv[1]) : 0;
	u64 size = argc > 4 ? strtoull(argv[2], NULL, 10) << 20 : 0;
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && strcmp(argv[1], "guests") == 0)
		return guests_run();
	if (cpus < 1 || cpus > MOST_CPUS || size < 64u << 20 || size > 2048ull << 20) {
		fprintf(stderr, "usage: vmm CPUS MEGABYTES KERNEL INITRD WORD... | vmm guests\n");
		return 2;
	}
	strcat(cmdline, "pci=off ");
	for (int i = 5; i < argc; i++) {
		strncat(cmdline, argv[i], CMDLINE_SIZE - strlen(cmdline) - 1);
		strncat(cmdline, " ", CMDLINE_SIZE - strlen(cmdline) - 1);
	}
	vm_create(&vm, cpus, size);
	acpi_write(&vm);
	regs.rip = bzimage_load(&vm, argv[3], argv[4], cmdline);
	vm_start(&vm, 0, 64, &regs, 0);
	status = vm_run(&vm);
	device_flush();
	stats_print(&vm);
	printf("vmm: the guest ended with status %d\n", status);
	fflush(stdout);
	_Exit(status);
}
