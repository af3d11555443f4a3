/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/x86/vmcs.c */
/* The table of VMCS fields and the names of exit reasons and errors. */
#include "xmhf/x86/vmcs.h"

#include <string.h>

#include "xmhf/test/tap.h"

static void test_order(void)
{
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		const struct vmcs_field_info *f = &vmcs_fields[i];

		ok(!i || f->encoding > vmcs_fields[i - 1].encoding, "%s comes in encoding order",
		   f->name);
		ok(!(f->encoding & (VMCS_ENCODING_RESERVED | VMCS_ENCODING_HIGH)),
		   "%s: encoding has no reserved bit", f->name);
		ok(vmcs_encoding_width(f->encoding) == f->width, "%s: width", f->name);
		for (unsigned int j = 0; j < i; j++) {
			if (!strcmp(f->name, vmcs_fields[j].name))
				ok(false, "%s is there twice", f->name);
		}
	}
}

/* The name says the type that the encoding has. */
static void test_types(void)
{
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		const struct vmcs_field_info *f = &vmcs_fields[i];
		enum vmcs_field_type type = vmcs_encoding_type(f->encoding);

		if (!strncmp(f->name, "host_", 5))
			ok(type == VMCS_TYPE_HOST, "%s is host state", f->name);
		if (!strncmp(f->name, "guest_", 6) && strcmp(f->name, "guest_linear_address") &&
		    strcmp(f->name, "guest_physical_address"))
			ok(type == VMCS_TYPE_GUEST, "%s is guest state", f->name);
		if (!strncmp(f->name, "exit_reason", 11) || !strncmp(f->name, "idt_vectoring", 13))
			ok(type == VMCS_TYPE_READ_ONLY, "%s is read-only", f->name);
	}
}

static unsigned int index_by_search(u32 encoding)
{
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		if (vmcs_fields[i].encoding == (encoding & ~1U))
			return i;
	}
	return VMCS_FIELD_COUNT;
}

static void test_look_up(void)
{
	unsigned int wrong = 0;

	for (u32 encoding = 0; encoding < 0x10000; encoding++)
		wrong += (unsigned int)vmcs_index_of(encoding) != index_by_search(encoding);
	is_u64(wrong, 0, "encodings looked up wrong");
	is_u64(vmcs_index_of(0x1681e), VMCS_FIELD_COUNT, "an encoding with a reserved bit");
	is_u64(vmcs_index_of(VMCS_guest_rip), VMCS_INDEX_guest_rip, "guest_rip");
	is_u64(VMCS_guest_rip, 0x681e, "its encoding");
}

static void test_names(void)
{
	ok(!strcmp(exit_reason_name(EXIT_REASON_CPUID), "cpuid"), "exit reason 10 is cpuid");
	ok(!strcmp(exit_reason_name(EXIT_REASON_COUNT), "reserved"), "behind the last is reserved");
	ok(!strcmp(exit_reason_name(~0U), "reserved"), "so is the greatest");
	ok(!strcmp(exit_reason_name(35), "reserved"), "35 is reserved");
	ok(strcmp(vm_instruction_error_text(7), "reserved") != 0, "error 7 has a text");
	ok(!strcmp(vm_instruction_error_text(0), "reserved"), "error 0 has none");
	ok(!strcmp(vm_instruction_error_text(~0U), "reserved"), "nor has the greatest");
}

int main(void)
{
	test_order();
	test_types();
	test_look_up();
	test_names();
	return tap_end();
}
