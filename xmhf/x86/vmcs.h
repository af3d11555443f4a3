/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMCS fields as data: encodings, widths, names, and the condition under which a
 * processor has them.  Made from vmcs_fields.def.  SDM Appendix "Field Encoding in VMCS".
 */
#pragma once

#include "xmhf/x86/vmx.h"

/** VMCS_guest_rip = 0x681e and so on; the name is the field's own, in lower case. */
enum vmcs_encoding {
#define VMCS_FIELD(width, name, encoding, exists_if) VMCS_##name = (encoding),
#include "xmhf/x86/vmcs_fields.def"
#undef VMCS_FIELD
};

/** Dense index of a field in tables, in encoding order: VMCS_INDEX_guest_rip. */
enum vmcs_index {
#define VMCS_FIELD(width, name, encoding, exists_if) VMCS_INDEX_##name,
#include "xmhf/x86/vmcs_fields.def"
#undef VMCS_FIELD
	VMCS_FIELD_COUNT,
};

/** Bit 31 of the first word of a VMCS region: it is a shadow VMCS. */
#define VMCS_SHADOW_INDICATOR BIT32(31)

/* Parts of an encoding. */
#define VMCS_ENCODING_HIGH     BIT32(0) /* access type: the high half of a 64-bit field */
#define VMCS_ENCODING_INDEX    FIELD(9, 1)
#define VMCS_ENCODING_TYPE     FIELD(11, 10)
#define VMCS_ENCODING_WIDTH    FIELD(14, 13)
#define VMCS_ENCODING_RESERVED (BIT32(12) | FIELD(31, 15))

enum vmcs_field_type {
	VMCS_TYPE_CONTROL = 0,
	VMCS_TYPE_READ_ONLY = 1,
	VMCS_TYPE_GUEST = 2,
	VMCS_TYPE_HOST = 3,
};

enum vmcs_field_width {
	VMCS_WIDTH_16 = 0,
	VMCS_WIDTH_64 = 1,
	VMCS_WIDTH_32 = 2,
	VMCS_WIDTH_NW = 3,
};

/** One control whose 1-setting must be allowed; word VMX_WORD_NONE with mask 1 means always. */
struct vmcs_condition {
	u8 word; /* enum vmx_control_word */
	u32 mask;
};

/** What the SDM says of a field. */
struct vmcs_field_info {
	const char *name;
	u16 encoding;
	u8 width;			    /* enum vmcs_field_width */
	struct vmcs_condition exists_if[2]; /* any of the two */
};

/** All fields, in encoding order, indexed by enum vmcs_index. */
extern const struct vmcs_field_info vmcs_fields[VMCS_FIELD_COUNT];

/**
 * The table index of the field with @encoding (bit 0, access type high, is ignored);
 * VMCS_FIELD_COUNT if the SDM defines none.
 */
enum vmcs_index vmcs_index_of(u32 encoding);

/** The SDM's short name of a basic exit reason; "reserved" if it has none. */
const char *exit_reason_name(u32 basic_reason);

/** The SDM's text of a VM-instruction error number; "reserved" if it has none. */
const char *vm_instruction_error_text(u32 number);

static inline enum vmcs_field_width vmcs_encoding_width(u32 encoding)
{
	return (enum vmcs_field_width)field_get(encoding, VMCS_ENCODING_WIDTH);
}

static inline enum vmcs_field_type vmcs_encoding_type(u32 encoding)
{
	return (enum vmcs_field_type)field_get(encoding, VMCS_ENCODING_TYPE);
}
