/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI, only as far as finding the processors: RSDP, RSDT or XSDT, MADT.  Pure but for
 * physmap_view().  Nothing in the tables is trusted: lengths are bounded, checksums are
 * verified, and damage is an error text.  ACPI specification "ACPI Software Programming Model".
 */
#pragma once

#include "xmhf/lib/types.h"

#define CPU_LIST_MAX 256

struct cpu_list {
	unsigned int count;	   /* CPUs in apic_id[] */
	unsigned int found;	   /* CPUs the firmware names, also those without room */
	u32 apic_id[CPU_LIST_MAX]; /* in the MADT's order, without duplicates */
};

/**
 * Lists the processors that are enabled or can come online, of both MADT entry types.
 * @rsdp is the address of the RSDP, or 0 to search where a BIOS puts it.
 * Returns NULL, or the error; then the list is empty and the caller knows of its own CPU only.
 */
const char *acpi_find_cpus(u64 rsdp, struct cpu_list *cpus);
