/* SPDX-License-Identifier: BSD-2-Clause */
/* The dump of the current VMCS: one line for each field, in encoding order. */
#include "xmhf/device/log.h"
#include "xmhf/vmx/vmcs01.h"
#include "xmhf/vmx/vmcs_hw.h"

static int digits(enum vmcs_field_width width)
{
	return width == VMCS_WIDTH_16 ? 4 : width == VMCS_WIDTH_32 ? 8 : 16;
}

void vmcs_dump_field(const char *tag, enum vmcs_index field, bool available, u64 value)
{
	const struct vmcs_field_info *f = &vmcs_fields[field];

	if (available)
		log_line("(0x%04x) @%s@%s = 0x%0*llx", f->encoding, tag, f->name,
			 digits((enum vmcs_field_width)f->width), value);
	else
		log_line("(0x%04x) @%s@%s = unavailable", f->encoding, tag, f->name);
}

void vmcs_dump(const char *tag)
{
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		uptr value;
		bool available = vmread_checked(vmcs_fields[i].encoding, &value) == VMX_SUCCEED;

		vmcs_dump_field(tag, (enum vmcs_index)i, available, value);
	}
}
