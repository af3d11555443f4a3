/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xentool keys KEYS: as if somebody had typed these debug keys at Xen's console.
 * xentool run MEGABYTES KERNEL INITRD WORD...: boots Linux in a PVH domain beside dom0 and prints
 * its console until it shuts down; the exit status is 0 if it asked for power-off or reboot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

#include <xen/sched.h>
#include <xen/sysctl.h>

#define CMDLINE	 3072u
#define POLL_US	 20000u
#define LINE_OUT "domU| "

static int send_keys(const char *keys)
{
	struct xen_sysctl *sysctl = hypercall_memory(sizeof(*sysctl));
	char *copy = hypercall_memory(strlen(keys) + 1);

	strcpy(copy, keys);
	sysctl->cmd = XEN_SYSCTL_debug_keys;
	sysctl->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	set_xen_guest_handle(sysctl->u.debug_keys.keys, copy);
	sysctl->u.debug_keys.nr_keys = (u32)strlen(keys);
	must_hypercall("debug keys", __HYPERVISOR_sysctl, (u64)(uintptr_t)sysctl, NULL);
	return 0;
}

static int run(u64 size, const char *kernel, const char *initrd, const char *cmdline)
{
	struct domain domain;
	int reason;

	domain_create(&domain, size);
	pvh_load(&domain, kernel, initrd, cmdline);
	printf("xentool: domain %d starts\n", domain.id);
	fflush(stdout);
	domain_start(&domain);
	while (!domain_is_down(&domain, &reason)) {
		console_print(&domain, LINE_OUT);
		usleep(POLL_US);
	}
	console_print(&domain, LINE_OUT);
	printf("xentool: domain %d ended with reason %d\n", domain.id, reason);
	domain_destroy(&domain);
	return reason != SHUTDOWN_poweroff && reason != SHUTDOWN_reboot;
}

int main(int argc, char **argv)
{
	char cmdline[CMDLINE] = "";

	hypercall_open();
	if (argc == 3 && strcmp(argv[1], "keys") == 0)
		return send_keys(argv[2]);
	if (argc < 5 || strcmp(argv[1], "run") != 0 || atoi(argv[2]) < 64) {
		fprintf(stderr, "usage: xentool keys KEYS | run MEGABYTES KERNEL INITRD WORD...\n");
		return 2;
	}
	for (int i = 5; i < argc; i++) {
		strncat(cmdline, argv[i], CMDLINE - strlen(cmdline) - 1);
		strncat(cmdline, " ", CMDLINE - strlen(cmdline) - 1);
	}
	return run(((u64)atoi(argv[2]) << 20) & ~(LARGE - 1), argv[3], argv[4], cmdline);
}
