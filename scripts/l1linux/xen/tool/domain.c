/* SPDX-License-Identifier: BSD-2-Clause */
/* A PVH domain: its making, its memory, its console, and its end. */
#include <stdio.h>
#include <string.h>

#include "tool.h"

#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/io/console.h>
#include <xen/memory.h>
#include <xen/sched.h>

#define SPARE	     (4ull << 20) /* Xen's own pages for the domain count, too */
#define PAGING_POOL  (4ull << 20)
#define EVENT_PORTS  127
#define ORDER_4K     0
#define ORDER_2M     9
#define DEFAULT_MOST (-1)

static void create(struct domain *domain)
{
	struct xen_domctl *domctl = hypercall_memory(sizeof(*domctl));

	domctl->cmd = XEN_DOMCTL_createdomain;
	domctl->u.createdomain = (struct xen_domctl_createdomain){
		.handle = "xmhf-nest domU",
		.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
		.max_vcpus = 1,
		.max_evtchn_port = EVENT_PORTS,
		.max_grant_frames = DEFAULT_MOST,
		.max_maptrack_frames = DEFAULT_MOST,
		.grant_opts = XEN_DOMCTL_GRANT_version(1),
		.arch.emulation_flags = XEN_X86_EMU_LAPIC,
	};
	must_domctl("creating a domain", domctl, 0);
	domain->id = domctl->domain;
}

static void set_limits(const struct domain *domain)
{
	struct xen_domctl *domctl = hypercall_memory(sizeof(*domctl));

	domctl->cmd = XEN_DOMCTL_max_mem;
	domctl->u.max_mem.max_memkb = (domain->size + SPARE) >> 10;
	must_domctl("the domain's limit of memory", domctl, domain->id);
	domctl->cmd = XEN_DOMCTL_max_vcpus;
	domctl->u.max_vcpus.max = 1;
	must_domctl("the domain's CPU", domctl, domain->id);
	domctl->cmd = XEN_DOMCTL_set_paging_mempool_size;
	domctl->u.paging_mempool.size = PAGING_POOL;
	must_domctl("memory for the domain's EPT", domctl, domain->id);
}

static void populate(const struct domain *domain, u64 start, size_t count, unsigned int order)
{
	struct xen_memory_reservation *reservation = hypercall_memory(sizeof(*reservation));
	xen_pfn_t *frames = hypercall_memory(count * sizeof(*frames));

	for (size_t i = 0; i < count; i++)
		frames[i] = start / PAGE + ((u64)i << order);
	*reservation = (struct xen_memory_reservation){ .nr_extents = count,
							.extent_order = order,
							.domid = domain->id };
	set_xen_guest_handle(reservation->extent_start, frames);
	if (must_hypercall("the domain's memory", __HYPERVISOR_memory_op, XENMEM_populate_physmap,
			   reservation) != (long)count)
		die("%zu pieces of memory for the domain", count);
}

static void set_parameter(const struct domain *domain, unsigned int index, u64 value)
{
	struct xen_hvm_param *parameter = hypercall_memory(sizeof(*parameter));

	*parameter = (struct xen_hvm_param){ .domid = domain->id, .index = index, .value = value };
	must_hypercall("a parameter of the domain", __HYPERVISOR_hvm_op, HVMOP_set_param,
		       parameter);
}

/* The ring is one page above the memory; nobody waits for its event: the tool looks at it. */
static void make_console(struct domain *domain)
{
	struct evtchn_alloc_unbound *event = hypercall_memory(sizeof(*event));

	populate(domain, domain->size, 1, ORDER_4K);
	domain->console = map_foreign(domain, domain->size / PAGE, 1);
	memset(domain->console, 0, PAGE);
	event->dom = domain->id;
	event->remote_dom = DOMID_SELF;
	must_hypercall("the console's event channel", __HYPERVISOR_event_channel_op,
		       EVTCHNOP_alloc_unbound, event);
	set_parameter(domain, HVM_PARAM_CONSOLE_PFN, domain->size / PAGE);
	set_parameter(domain, HVM_PARAM_CONSOLE_EVTCHN, event->port);
}

void domain_create(struct domain *domain, u64 size)
{
	domain->size = size;
	create(domain);
	set_limits(domain);
	populate(domain, 0, size / LARGE, ORDER_2M);
	make_console(domain);
}

static void simple(const struct domain *domain, u32 command, const char *what)
{
	struct xen_domctl *domctl = hypercall_memory(sizeof(*domctl));

	domctl->cmd = command;
	must_domctl(what, domctl, domain->id);
}

void domain_start(const struct domain *domain)
{
	simple(domain, XEN_DOMCTL_unpausedomain, "starting the domain");
}

void domain_destroy(const struct domain *domain)
{
	simple(domain, XEN_DOMCTL_destroydomain, "removing the domain");
}

int domain_is_down(const struct domain *domain, int *reason)
{
	static struct xen_domctl *domctl;
	u32 flags;

	if (!domctl)
		domctl = hypercall_memory(sizeof(*domctl));
	domctl->cmd = XEN_DOMCTL_getdomaininfo;
	must_domctl("the domain's state", domctl, domain->id);
	flags = domctl->u.getdomaininfo.flags;
	*reason = flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
	return (flags & XEN_DOMINF_shutdown) != 0;
}
