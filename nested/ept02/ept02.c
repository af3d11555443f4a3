/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contexts of EPT02.
 */
#include "nested/ept02/tables.h"

#include "xmhf/lib/string.h"

/* What makes two EPTPs differ.  Not the memory type: with it the processor would read EPT12, but
 * it never does. */
#define EPTP12_KEY (EPTP_ADDRESS | EPTP_WALK_LENGTH | EPTP_AD)

bool ept02_init(struct ept02 *ept, const struct ept02_config *config)
{
	u64 hardware = config->hardware_ept_vpid;

	memset(ept, 0, sizeof(*ept));
	if (!ept02_tables_init(ept, config))
		return false;
	ept12_rules_init(&ept->rules, config->shown);
	ept->prefetch = config->prefetch;
	ept->max_page_level = hardware & EPT_CAP_1G ? 3 : hardware & EPT_CAP_2M ? 2 : 1;
	ept->eptp_fixed = hardware & EPT_CAP_WB ? MEMORY_TYPE_WB : MEMORY_TYPE_UC;
	return true;
}

static struct ept02_context *find(struct ept02 *ept, u64 key)
{
	unsigned int i;

	for (i = 0; i < ept->contexts_used; i++) {
		if (ept->contexts[i].root && ept->contexts[i].eptp12 == key)
			return &ept->contexts[i];
	}
	return NULL;
}

static struct ept02_context *free_context(struct ept02 *ept)
{
	struct ept02_context *oldest = &ept->contexts[0];
	unsigned int i;

	for (i = 0; i < EPT02_CONTEXTS; i++) {
		struct ept02_context *context = &ept->contexts[i];

		if (!context->root)
			return context;
		if (context->last_used < oldest->last_used)
			oldest = context;
	}
	ept02_table_free(ept, oldest->root);
	ept->statistics.contexts_evicted++;
	return oldest;
}

static struct ept02_context *create(struct ept02 *ept, u64 key)
{
	struct ept02_context *context;
	unsigned int levels = ept12_levels(key);

	ept02_make_room(ept, NULL, 1);
	context = free_context(ept);
	if (ept->contexts_used <= (unsigned int)(context - ept->contexts))
		ept->contexts_used = (unsigned int)(context - ept->contexts) + 1;
	*context = (struct ept02_context){
		.eptp12 = key,
		.levels = (u8)levels,
		.index = (u8)(context - ept->contexts),
		.sets_flags = key & EPTP_AD,
		.must_flush = true, /* the root may have been that of another context */
	};
	context->root = ept02_table_new(ept, context, levels);
	ept02_table_mirror(context->root, l1pa(key & EPTP_ADDRESS));
	context->tracked_since = context->root->tracked_since;
	context->eptp02 = (ept->tables_address + (u64)(context->root - ept->tables) * 4096) |
			  field_make(EPTP_WALK_LENGTH, levels - 1) | (key & EPTP_AD) |
			  ept->eptp_fixed;
	ept->statistics.contexts_created++;
	return context;
}

struct ept02_context *ept02_context(struct ept02 *ept, u64 eptp12)
{
	struct ept02_context *context = ept->current;
	u64 key = eptp12 & EPTP12_KEY;

	if (context && context->eptp12 == key)
		return context;
	context = find(ept, key);
	if (!context)
		context = create(ept, key);
	context->last_used = ++ept->clock;
	ept->current = context;
	return context;
}

bool ept02_entering(struct ept02 *ept, struct ept02_context *context)
{
	if (context->must_compare)
		ept02_settle(ept, context);
	return ept02_take_flush(ept, context);
}

void ept02_reset(struct ept02 *ept)
{
	unsigned int i;

	for (i = 0; i < EPT02_CONTEXTS; i++) {
		if (!ept->contexts[i].root)
			continue;
		ept02_table_free(ept, ept->contexts[i].root);
		ept->contexts[i].root = NULL;
	}
	ept->current = NULL;
	ept->lower.page_size = 0;
}
