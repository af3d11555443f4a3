/* SPDX-License-Identifier: BSD-2-Clause */
/* VMCS dumps in the project's form: one line per field, all fields, in encoding order. */
#include "lhv/vm/vm.h"

#include "lhv/frame/console.h"

static int digits_of(const struct vmcs_field_info *f)
{
	switch (f->width) {
	case VMCS_WIDTH_16:
		return 4;
	case VMCS_WIDTH_32:
		return 8;
	default:
		return 16;
	}
}

void vm_dump(const char *tag)
{
	unsigned int cpu = cpu_self()->index;

	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		const struct vmcs_field_info *f = &vmcs_fields[i];

		if (!facts.field_exists[i])
			trace("CPU(0x%02x): (0x%04x) @%s12@%s = unavailable\n", cpu, f->encoding,
			      tag, f->name);
		else
			trace("CPU(0x%02x): (0x%04x) @%s12@%s = 0x%0*llx\n", cpu, f->encoding, tag,
			      f->name, digits_of(f), vm_get(f->encoding));
	}
}

void vm_dump_differences(void)
{
	u64 want[VMCS_FIELD_COUNT];

	vm_golden(vm_self()->mode, want);
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		const struct vmcs_field_info *f = &vmcs_fields[i];
		u64 value = facts.field_exists[i] ? vm_get(f->encoding) : want[i];

		if (value != want[i] && vmcs_encoding_type(f->encoding) != VMCS_TYPE_READ_ONLY)
			trace("#   %s = 0x%llx (golden 0x%llx)\n", f->name, value, want[i]);
	}
}
