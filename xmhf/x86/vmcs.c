/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables of vmcs.h and look-ups in them.  Pure. */
#include "xmhf/x86/vmcs.h"

/* exists_if as initializers of struct vmcs_condition */
#define ALWAYS                   \
	{                        \
		VMX_WORD_NONE, 1 \
	}
#define NEVER                    \
	{                        \
		VMX_WORD_NONE, 0 \
	}
#define PIN(name)                        \
	{                                \
		VMX_WORD_PIN, PIN_##name \
	}
#define PROC1(name)                          \
	{                                    \
		VMX_WORD_PROC1, PROC1_##name \
	}
#define PROC2(name)                          \
	{                                    \
		VMX_WORD_PROC2, PROC2_##name \
	}
#define PROC3(name)                          \
	{                                    \
		VMX_WORD_PROC3, PROC3_##name \
	}
#define EXIT(name)                         \
	{                                  \
		VMX_WORD_EXIT, EXIT_##name \
	}
#define ENTRY(name)                          \
	{                                    \
		VMX_WORD_ENTRY, ENTRY_##name \
	}
#define VMFUNC(name)                           \
	{                                      \
		VMX_WORD_VMFUNC, VMFUNC_##name \
	}
#define EITHER(a, b) a, b

#define WIDTH_16 VMCS_WIDTH_16
#define WIDTH_32 VMCS_WIDTH_32
#define WIDTH_64 VMCS_WIDTH_64
#define WIDTH_NW VMCS_WIDTH_NW

const struct vmcs_field_info vmcs_fields[VMCS_FIELD_COUNT] = {
#define VMCS_FIELD(width_, name_, encoding_, exists_if_) \
	{ .name = #name_,                                \
	  .encoding = (encoding_),                       \
	  .width = WIDTH_##width_,                       \
	  .exists_if = { exists_if_ } },
#include "xmhf/x86/vmcs_fields.def"
#undef VMCS_FIELD
};

/* A width that disagrees with encoding bits 14:13 does not compile. */
#define VMCS_FIELD(width, name, encoding, exists_if) \
	_Static_assert((((encoding) >> 13) & 3) == WIDTH_##width, #name);
#include "xmhf/x86/vmcs_fields.def"
#undef VMCS_FIELD

static const char *const exit_reason_names[EXIT_REASON_COUNT] = {
#define EXIT_REASON(number, name, text) [number] = (text),
#include "xmhf/x86/exit_reasons.def"
#undef EXIT_REASON
};

static const char *const vm_instruction_error_texts[] = {
#define VM_INSTRUCTION_ERROR(number, name, text) [number] = (text),
#include "xmhf/x86/vm_instruction_errors.def"
#undef VM_INSTRUCTION_ERROR
};

enum vmcs_index vmcs_index_of(u32 encoding)
{
	unsigned int low = 0, high = VMCS_FIELD_COUNT;

	encoding &= ~(u32)VMCS_ENCODING_HIGH;
	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (vmcs_fields[middle].encoding == encoding)
			return (enum vmcs_index)middle;
		if (vmcs_fields[middle].encoding < encoding)
			low = middle + 1;
		else
			high = middle;
	}
	return VMCS_FIELD_COUNT;
}

const char *exit_reason_name(u32 basic_reason)
{
	if (basic_reason >= EXIT_REASON_COUNT || !exit_reason_names[basic_reason])
		return "reserved";
	return exit_reason_names[basic_reason];
}

const char *vm_instruction_error_text(u32 number)
{
	if (number >= ARRAY_SIZE(vm_instruction_error_texts) || !vm_instruction_error_texts[number])
		return "reserved";
	return vm_instruction_error_texts[number];
}
