/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operands in L1's memory: split at page boundaries, translate, then move the bytes.
 * The walk of L1's paging structures is operand_walk.c.
 */
#include "nested/insn/operand.h"

#include "xmhf/lib/bits.h"
#include "xmhf/lib/bug.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/x86/cpu.h"

/* An operand of at most a page, in one or two pieces. */
struct pieces {
	l1pa_t address[2];
	u32 size[2];
};

/* A linear address wraps at 4 GiB outside 64-bit code. */
static u64 wrap_linear(const struct l1_cpu_state *state, u64 linear)
{
	return decode_is_64bit_code(state) ? linear : linear & low_bits(32);
}

static bool translate_all(const struct l1_cpu_state *state, u64 linear, u32 size,
			  enum l1_access access, struct pieces *out, struct l1_fault *fault)
{
	u64 left_in_page = PAGE_SIZE - (linear & (PAGE_SIZE - 1));

	bug_if(size == 0 || size > PAGE_SIZE);
	out->size[0] = (u32)min_u64(size, left_in_page);
	out->size[1] = size - out->size[0];
	if (!operand_translate(state, linear, access, &out->address[0], fault))
		return false;
	return !out->size[1] || operand_translate(state, wrap_linear(state, linear + out->size[0]),
						  access, &out->address[1], fault);
}

bool operand_read_linear(const struct l1_cpu_state *state, u64 linear, void *out, u32 size,
			 struct l1_fault *fault)
{
	struct pieces pieces;

	if (!translate_all(state, linear, size, L1_ACCESS_READ, &pieces, fault))
		return false;
	l1_memory_read(pieces.address[0], out, pieces.size[0]);
	if (pieces.size[1])
		l1_memory_read(pieces.address[1], (u8 *)out + pieces.size[0], pieces.size[1]);
	return true;
}

bool operand_write_linear(const struct l1_cpu_state *state, u64 linear, const void *in, u32 size,
			  struct l1_fault *fault)
{
	struct pieces pieces;

	if (!translate_all(state, linear, size, L1_ACCESS_WRITE, &pieces, fault))
		return false;
	l1_memory_write(pieces.address[0], in, pieces.size[0]);
	if (pieces.size[1])
		l1_memory_write(pieces.address[1], (const u8 *)in + pieces.size[0], pieces.size[1]);
	return true;
}

bool operand_read(const struct l1_cpu_state *state, const struct vmx_operand *operand, void *out,
		  u32 size, struct l1_fault *fault)
{
	u64 linear;

	return decode_linear_address(operand, state, L1_ACCESS_READ, size, &linear, fault) &&
	       operand_read_linear(state, linear, out, size, fault);
}

bool operand_write(const struct l1_cpu_state *state, const struct vmx_operand *operand,
		   const void *in, u32 size, struct l1_fault *fault)
{
	u64 linear;

	return decode_linear_address(operand, state, L1_ACCESS_WRITE, size, &linear, fault) &&
	       operand_write_linear(state, linear, in, size, fault);
}
