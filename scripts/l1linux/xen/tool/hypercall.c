/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypercalls and foreign memory through the kernel's /dev/xen/privcmd. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "tool.h"

#include <xen/sys/privcmd.h>

#define ARENA (64 * PAGE)

static int privcmd;
static u8 *arena;
static size_t used;

void die(const char *format, ...)
{
	int error = errno;
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "xentool: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(2);
}

/* Memory of /dev/xen/hypercall stays where it is, and Xen reaches it without a page fault. */
void hypercall_open(void)
{
	int buffer = open("/dev/xen/hypercall", O_RDWR | O_CLOEXEC);

	privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
	if (privcmd < 0 || buffer < 0)
		die("/dev/xen");
	arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	if (arena == MAP_FAILED)
		die("memory for hypercalls");
}

void *hypercall_memory(size_t bytes)
{
	void *at = arena + used;

	used += (bytes + 63) & ~63ul;
	if (used > ARENA) {
		errno = ENOMEM;
		die("memory for hypercalls");
	}
	return memset(at, 0, bytes);
}

long must_hypercall(const char *what, unsigned int number, u64 first, const void *second)
{
	privcmd_hypercall_t call = { .op = number, .arg = { first, (u64)(uintptr_t)second } };
	long result = ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &call);

	if (result < 0)
		die("%s", what);
	return result;
}

void must_domctl(const char *what, struct xen_domctl *domctl, domid_t domain)
{
	domctl->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	domctl->domain = domain;
	must_hypercall(what, __HYPERVISOR_domctl, (u64)(uintptr_t)domctl, NULL);
}

void *map_foreign(const struct domain *domain, u64 frame, size_t pages)
{
	xen_pfn_t frames[pages];
	int errors[pages];
	void *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, privcmd, 0);
	privcmd_mmapbatch_v2_t batch = { (unsigned int)pages, domain->id, (u64)(uintptr_t)at,
					 frames, errors };

	for (size_t i = 0; i < pages; i++)
		frames[i] = frame + i;
	if (at == MAP_FAILED || ioctl(privcmd, IOCTL_PRIVCMD_MMAPBATCH_V2, &batch) != 0)
		die("mapping %zu frames from %#llx of domain %d", pages, (unsigned long long)frame,
		    domain->id);
	return at;
}

void unmap_foreign(void *at, size_t pages)
{
	munmap(at, pages * PAGE);
}
