/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoding of VMX-instruction operands and segmentation.  Pure.
 * SDM "VM-Exit Instruction Information"; "Limit Checking", "Type Checking" of the
 * chapter "Protection"; the fault lists of the VMX instructions.
 */
#include "nested/insn/decode.h"

#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"
#include "xmhf/x86/vmx.h"

/* Instruction information of the VMX instructions with an operand in memory. */
#define INFO_SCALING	   FIELD(1, 0)
#define INFO_REGISTER_1	   FIELD(6, 3) /* VMREAD, VMWRITE with a register operand */
#define INFO_ADDRESS_SIZE  FIELD(9, 7)
#define INFO_IS_REGISTER   BIT(10)
#define INFO_SEGMENT	   FIELD(17, 15)
#define INFO_INDEX	   FIELD(21, 18)
#define INFO_INDEX_INVALID BIT(22)
#define INFO_BASE	   FIELD(26, 23)
#define INFO_BASE_INVALID  BIT(27)
#define INFO_REGISTER_2	   FIELD(31, 28)

/* Type field of access rights. */
#define TYPE_CODE	   BIT32(3)
#define TYPE_EXPAND_DOWN   BIT32(2) /* of a data segment */
#define TYPE_READ_OR_WRITE BIT32(1) /* code: readable; data: writable */

void decode_memory_operand(u32 instruction_information, u64 exit_qualification,
			   struct vmx_operand *out)
{
	u64 info = instruction_information;

	*out = (struct vmx_operand){
		.second = (u8)field_get(info, INFO_REGISTER_2),
		.segment = (u8)field_get(info, INFO_SEGMENT),
		.address_bits = (u8)(16U << field_get(info, INFO_ADDRESS_SIZE)),
		.scale = (u8)(1U << field_get(info, INFO_SCALING)),
		.has_base = !(info & INFO_BASE_INVALID),
		.has_index = !(info & INFO_INDEX_INVALID),
		.base = (u8)field_get(info, INFO_BASE),
		.index = (u8)field_get(info, INFO_INDEX),
		.displacement = exit_qualification,
	};
}

void decode_vmread_vmwrite(u32 instruction_information, u64 exit_qualification,
			   struct vmx_operand *out)
{
	u64 info = instruction_information;

	if (!(info & INFO_IS_REGISTER)) {
		decode_memory_operand(instruction_information, exit_qualification, out);
		return;
	}
	*out = (struct vmx_operand){
		.is_register = true,
		.reg = (u8)field_get(info, INFO_REGISTER_1),
		.second = (u8)field_get(info, INFO_REGISTER_2),
	};
}

bool decode_is_64bit_code(const struct l1_cpu_state *state)
{
	return (state->efer & EFER_LMA) &&
	       (state->segments[SEGMENT_CS].access_rights & ACCESS_RIGHTS_L);
}

u64 decode_register(const struct l1_cpu_state *state, unsigned int number)
{
	u64 value = state->registers[number % REGISTER_COUNT];

	return decode_is_64bit_code(state) ? value : value & low_bits(32);
}

/* Effective address: the offset in the segment, cut to the address size. */
static u64 effective_address(const struct vmx_operand *operand, const struct l1_cpu_state *state)
{
	u64 offset = operand->displacement;

	if (operand->has_base)
		offset += state->registers[operand->base % REGISTER_COUNT];
	if (operand->has_index)
		offset += state->registers[operand->index % REGISTER_COUNT] * operand->scale;
	return offset & low_bits(operand->address_bits);
}

/* A linear address whose upper bits equal the sign bit of the implemented width. */
static bool is_canonical(u64 address, unsigned int width)
{
	u64 upper = address >> (width - 1);

	return upper == 0 || upper == low_bits(65 - width);
}

/* May a segment of these access rights be used for @access by an instruction with a data operand?
 */
static bool segment_allows(u32 access_rights, enum l1_access access)
{
	u32 type = (u32)field_get(access_rights, ACCESS_RIGHTS_TYPE);

	if (access_rights & ACCESS_RIGHTS_UNUSABLE)
		return false;
	if (access == L1_ACCESS_FETCH)
		return type & TYPE_CODE;
	if (access == L1_ACCESS_WRITE)
		return !(type & TYPE_CODE) && (type & TYPE_READ_OR_WRITE);
	return !(type & TYPE_CODE) || (type & TYPE_READ_OR_WRITE);
}

/* Are all bytes from @first to @last, offsets, within the segment's limit? */
static bool within_limit(const struct l1_segment *segment, u64 first, u64 last)
{
	u32 type = (u32)field_get(segment->access_rights, ACCESS_RIGHTS_TYPE);
	u64 top = segment->access_rights & ACCESS_RIGHTS_DB ? low_bits(32) : low_bits(16);

	if (!(type & TYPE_CODE) && (type & TYPE_EXPAND_DOWN))
		return first > segment->limit && last <= top;
	return last <= segment->limit;
}

/* #SS(0) for the stack segment, #GP(0) for the others; false for the caller to return. */
static bool segment_fault(const struct vmx_operand *operand, struct l1_fault *fault)
{
	*fault = (struct l1_fault){
		.vector = operand->segment == SEGMENT_SS ? VECTOR_SS : VECTOR_GP,
	};
	return false;
}

/* 64-bit mode: only FS and GS have bases, and the whole range must be canonical. */
static bool linear_64(const struct vmx_operand *operand, const struct l1_cpu_state *state,
		      u64 offset, u32 size, u64 *linear, struct l1_fault *fault)
{
	unsigned int width = state->cr4 & CR4_LA57 ? 57 : 48;

	*linear = offset;
	if (operand->segment == SEGMENT_FS || operand->segment == SEGMENT_GS)
		*linear += state->segments[operand->segment].base;
	if (!is_canonical(*linear, width) || !is_canonical(*linear + size - 1, width))
		return segment_fault(operand, fault);
	return true;
}

bool decode_linear_address(const struct vmx_operand *operand, const struct l1_cpu_state *state,
			   enum l1_access access, u32 size, u64 *linear, struct l1_fault *fault)
{
	u64 offset = effective_address(operand, state);
	const struct l1_segment *segment;

	if (decode_is_64bit_code(state))
		return linear_64(operand, state, offset, size, linear, fault);
	if (operand->segment >= SEGMENT_COUNT)
		return segment_fault(operand, fault);
	segment = &state->segments[operand->segment];
	if (!segment_allows(segment->access_rights, access) ||
	    !within_limit(segment, offset, offset + size - 1))
		return segment_fault(operand, fault);
	*linear = (segment->base + offset) & low_bits(32);
	return true;
}
