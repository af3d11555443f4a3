/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * l1probe: run by /init of L1's Linux in the lab.
 *   l1probe              all checks; ends with the line LAB-RESULT pass|fail n/m
 *   l1probe stage NAME   one line with the time-stamp counter
 *   l1probe resources NAME   what the hypervisor holds for this machine; nothing without one
 *   l1probe histogram    the exits the hypervisor application `trace` counted
 *   l1probe kvm-exits    L2's exits by reason, as KVM counted them
 *   l1probe snapshot     where the lab keeps the emulator, for runs that start from there
 *   l1probe payload      the archive that such a run was given
 *   l1probe stop         stops the emulator
 */
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

#include "l1probe.h"

#define BOCHS_SHUTDOWN_PORT 0x8900
#define QEMU_EXIT_PORT	    0xf4

/* Bochs, then QEMU's isa-debug-exit, then whatever ACPI offers. */
static int stop(void)
{
	tcdrain(STDOUT_FILENO);
	if (ioperm(BOCHS_SHUTDOWN_PORT, 1, 1) == 0)
		for (const char *c = "Shutdown"; *c; c++)
			outb((unsigned char)*c, BOCHS_SHUTDOWN_PORT);
	if (ioperm(QEMU_EXIT_PORT, 4, 1) == 0)
		outl(0, QEMU_EXIT_PORT);
	reboot(RB_POWER_OFF);
	return 1;
}

static int check_all(void)
{
	struct expectation expected = read_expectation();

	check_identity(&expected);
	if (!expected.native)
		check_hidden_memory();
	if (expected.kvm)
		check_kvm(&expected);
	if (!expected.native)
		check_histogram();
	print_verdict();
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return check_all();
	if (argc == 3 && strcmp(argv[1], "stage") == 0) {
		print_stage(argv[2]);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "resources") == 0) {
		print_resources(argv[2]);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "histogram") == 0) {
		print_histogram();
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "kvm-exits") == 0)
		return print_kvm_exits();
	if (argc == 2 && strcmp(argv[1], "snapshot") == 0)
		return take_snapshot();
	if (argc == 2 && strcmp(argv[1], "payload") == 0)
		return print_payload();
	if (argc == 2 && strcmp(argv[1], "stop") == 0)
		return stop();
	fprintf(stderr, "usage: l1probe [stage NAME | resources NAME | histogram | kvm-exits | "
			"snapshot | payload | stop]\n");
	return 2;
}
