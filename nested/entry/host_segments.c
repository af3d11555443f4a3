/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks on segment and descriptor-table registers of the host-state area.  Pure.
 * SDM "Checks on Host Segment and Descriptor-Table Registers".
 */
#include "nested/entry/entry_view.h"

#define SELECTOR_RPL_AND_TI FIELD(2, 0)

/* Every selector has RPL 0 and points into the GDT; CS and TR are not null, nor is SS
 * outside 64-bit mode. */
static bool host_selectors(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	bool to_64_bit = e->exit & EXIT_HOST_ADDRESS_SPACE_SIZE;

	return MUST(!(v->host_cs_selector & SELECTOR_RPL_AND_TI)) &&
	       MUST(!(v->host_ss_selector & SELECTOR_RPL_AND_TI)) &&
	       MUST(!(v->host_ds_selector & SELECTOR_RPL_AND_TI)) &&
	       MUST(!(v->host_es_selector & SELECTOR_RPL_AND_TI)) &&
	       MUST(!(v->host_fs_selector & SELECTOR_RPL_AND_TI)) &&
	       MUST(!(v->host_gs_selector & SELECTOR_RPL_AND_TI)) &&
	       MUST(!(v->host_tr_selector & SELECTOR_RPL_AND_TI)) &&
	       MUST(v->host_cs_selector != 0) && MUST(v->host_tr_selector != 0) &&
	       MUST(IMPLIES(!to_64_bit, v->host_ss_selector != 0));
}

/* Every base is canonical. */
static bool host_bases(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;

	return MUST(is_canonical(v->host_fs_base, e->caps)) &&
	       MUST(is_canonical(v->host_gs_base, e->caps)) &&
	       MUST(is_canonical(v->host_gdtr_base, e->caps)) &&
	       MUST(is_canonical(v->host_idtr_base, e->caps)) &&
	       MUST(is_canonical(v->host_tr_base, e->caps));
}

bool entry_check_host_segments(const struct entry_view *e, struct check_failure *why)
{
	return host_selectors(e, why) && host_bases(e, why);
}
