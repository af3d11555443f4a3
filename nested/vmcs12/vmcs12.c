/* SPDX-License-Identifier: BSD-2-Clause */
/* Access to VMCS12 fields by table index.  Pure. */
#include "nested/vmcs12/vmcs12.h"

#include "xmhf/lib/string.h"

static const u16 offsets[VMCS_FIELD_COUNT] = {
#define VMCS_FIELD(width, name, encoding, exists_if) offsetof(struct vmcs12, name),
#include "xmhf/x86/vmcs_fields.def"
#undef VMCS_FIELD
};

static const u8 width_bytes[] = {
	[VMCS_WIDTH_16] = 2,
	[VMCS_WIDTH_64] = 8,
	[VMCS_WIDTH_32] = 4,
	[VMCS_WIDTH_NW] = 8,
};

u64 vmcs12_get(const struct vmcs12 *vmcs12, enum vmcs_index field)
{
	const void *at = (const u8 *)vmcs12 + offsets[field];

	switch (width_bytes[vmcs_fields[field].width]) {
	case 2:
		return *(const u16 *)at;
	case 4:
		return *(const u32 *)at;
	default:
		return *(const u64 *)at;
	}
}

void vmcs12_set(struct vmcs12 *vmcs12, enum vmcs_index field, u64 value)
{
	void *at = (u8 *)vmcs12 + offsets[field];

	switch (width_bytes[vmcs_fields[field].width]) {
	case 2:
		*(u16 *)at = (u16)value;
		break;
	case 4:
		*(u32 *)at = (u32)value;
		break;
	default:
		*(u64 *)at = value;
	}
}
