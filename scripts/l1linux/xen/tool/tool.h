/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xentool: the least of a toolstack for Xen, run by dom0: sends debug keys, and runs one PVH
 * domain that boots Linux.  Needs no library and no Xenstore.
 * hypercall.c talks to Xen; domain.c makes a domain and its memory; pvh.c fills it and sets its
 * CPU (docs/misc/pvh.pandoc of Xen); console.c prints what it says; main.c reads the arguments.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>

#include <xen/domctl.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE  4096ull
#define LARGE (2ull << 20)

/** A domain that is being made or runs. */
struct domain {
	domid_t id;
	u64 size; /* bytes of its memory from address 0, a multiple of LARGE */
	struct xencons_interface *console;
};

/** Prints the message and errno's text, and exits with status 2. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/** Opens the way to Xen; @return nothing, ends the program if there is no Xen. */
void hypercall_open(void);

/** Zeroed memory that Xen may read and write in a hypercall; never given back. */
void *hypercall_memory(size_t bytes);

/** A hypercall that must succeed: ends the program with @what otherwise. */
long must_hypercall(const char *what, unsigned int number, u64 first, const void *second);

/** A domctl on @domain; @domctl is from hypercall_memory(), its command and union are set. */
void must_domctl(const char *what, struct xen_domctl *domctl, domid_t domain);

/** Maps @pages frames of @domain from @frame on, to be read and written. */
void *map_foreign(const struct domain *domain, u64 frame, size_t pages);

/** Takes that mapping away. */
void unmap_foreign(void *at, size_t pages);

/** Makes a PVH domain with one CPU, @size bytes of memory, and a console. */
void domain_create(struct domain *domain, u64 size);

/** Lets the domain run. */
void domain_start(const struct domain *domain);

/** Whether it has shut down; then @reason is why, SHUTDOWN_* of Xen. */
int domain_is_down(const struct domain *domain, int *reason);

/** Removes the domain. */
void domain_destroy(const struct domain *domain);

/** Loads an ELF kernel with a PVH entry, an initrd and a command line; sets the CPU to start. */
void pvh_load(const struct domain *domain, const char *kernel, const char *initrd,
	      const char *cmdline);

/** Prints what the domain has written since, each line after @prefix. */
void console_print(const struct domain *domain, const char *prefix);
