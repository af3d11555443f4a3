/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of rules.h.  Pure. */
#include "nested/vmcs02/rules.h"

const struct vmcs02_rule vmcs02_rules[VMCS_FIELD_COUNT] = {
#define VMCS02_RULE(name, into_, out_) \
	[VMCS_INDEX_##name] = { .into = INTO_##into_, .out = OUT_##out_ },
#include "nested/vmcs02/rules.def"
#undef VMCS02_RULE
};

/* Two rules for one field, or a field without a rule, do not compile. */
enum {
#define VMCS02_RULE(name, into, out) HAS_RULE_##name = VMCS_INDEX_##name,
#include "nested/vmcs02/rules.def"
#undef VMCS02_RULE
};

#define VMCS_FIELD(width, name, encoding, exists_if) \
	_Static_assert((int)HAS_RULE_##name == (int)VMCS_INDEX_##name, #name);
#include "xmhf/x86/vmcs_fields.def"
#undef VMCS_FIELD
