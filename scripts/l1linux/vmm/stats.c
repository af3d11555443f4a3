/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's own counters, through KVM_GET_STATS_FD. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm.h"

#define MOST_COUNTERS 256u
#define NAME_SIZE     64u

struct counter {
	char name[NAME_SIZE];
	u64 value;
};

static struct counter counters[MOST_COUNTERS];
static u32 counter_count;

static void add(const char *name, u64 value)
{
	u32 i = 0;

	while (i < counter_count && strcmp(counters[i].name, name) != 0)
		i++;
	if (i == MOST_COUNTERS)
		return;
	if (i == counter_count)
		snprintf(counters[counter_count++].name, NAME_SIZE, "%s", name);
	counters[i].value += value;
}

static void read_descriptor(int fd, const struct kvm_stats_header *header, u32 number)
{
	u64 size = sizeof(struct kvm_stats_desc) + header->name_size;
	struct kvm_stats_desc *desc = calloc(1, size + 1);
	u64 value;

	if (desc &&
	    pread(fd, desc, size, header->desc_offset + (long)(number * size)) == (ssize_t)size &&
	    (desc->flags & KVM_STATS_TYPE_MASK) <= KVM_STATS_TYPE_INSTANT && desc->size == 1 &&
	    pread(fd, &value, sizeof(value), header->data_offset + (long)desc->offset) ==
		    (ssize_t)sizeof(value))
		add(desc->name, value);
	free(desc);
}

static void read_counters(int fd)
{
	struct kvm_stats_header header;

	if (pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header))
		for (u32 i = 0; i < header.num_desc; i++)
			read_descriptor(fd, &header, i);
}

void stats_print(const struct vm *vm)
{
	for (u32 i = 0; i < vm->cpus; i++)
		read_counters(vm->vcpu[i].stats);
	for (u32 i = 0; i < counter_count; i++)
		if (counters[i].value)
			printf("KVM-STATS %-28s %12llu\n", counters[i].name,
			       (unsigned long long)counters[i].value);
}
