/* SPDX-License-Identifier: BSD-2-Clause */
/* The domain's end of the console is a ring in a page of its own (Xen's io/console.h). */
#include <stdio.h>
#include <string.h>

#include "tool.h"

#include <xen/io/console.h>

#define LINE 512u

static char line[LINE];
static size_t length;

static void take(const char *prefix, char c)
{
	if (c == '\r')
		return;
	if (c != '\n' && length + 1 < LINE) {
		line[length++] = c;
		return;
	}
	line[length] = '\0';
	printf("%s%s\n", prefix, line);
	fflush(stdout);
	length = 0;
}

void console_print(const struct domain *domain, const char *prefix)
{
	struct xencons_interface *ring = domain->console;
	XENCONS_RING_IDX from = ring->out_cons;
	XENCONS_RING_IDX to = __atomic_load_n(&ring->out_prod, __ATOMIC_ACQUIRE);

	/* A domain may write nonsense there; no more than the ring is ever read. */
	if (to - from > sizeof(ring->out))
		from = to - (XENCONS_RING_IDX)sizeof(ring->out);
	for (; from != to; from++)
		take(prefix, ring->out[MASK_XENCONS_IDX(from, ring->out)]);
	__atomic_store_n(&ring->out_cons, to, __ATOMIC_RELEASE);
}
