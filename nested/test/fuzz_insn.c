/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operands of L1 with registers, segments, paging structures and instruction information all
 * from the fuzzer.  Claims: nothing outside L1's memory is touched (the sanitizers), a fault is
 * well formed, what can be written can be read unless keys or SMAP tell reads apart, two
 * translations agree, and a translation sets the accessed flag of what it used.
 */
/* sources: nested/insn/decode.c nested/insn/operand.c nested/insn/operand_walk.c */
#include "nested/insn/operand.h"

#include <stdint.h>
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"
#include "xmhf/x86/vmx.h"
#include "nested/test/insn_world.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct input {
	u64 cr0, cr3, cr4, efer, rflags, pdptes[4], registers[REGISTER_COUNT], qualification;
	u32 pkru, pkrs, information;
	u8 cpl, width, has_1g_pages, bytes;
	struct l1_segment segments[SEGMENT_COUNT];
};

#define CLAIM(c)                          \
	do {                              \
		if (!(c))                 \
			__builtin_trap(); \
	} while (0)

static void take_state(const struct input *in, struct l1_cpu_state *s)
{
	*s = (struct l1_cpu_state){
		.cr0 = in->cr0,
		.cr3 = in->cr3 & 0x1ffff,
		.cr4 = in->cr4,
		.efer = in->efer,
		.rflags = in->rflags,
		.pkru = in->pkru,
		.pkrs = in->pkrs,
		.cpl = in->cpl & 3,
		.physical_address_width = (u8)(36 + in->width % 17),
		.has_1g_pages = in->has_1g_pages & 1,
	};
	/* A processor cannot be in IA-32e mode without PAE and paging. */
	if (s->efer & EFER_LMA) {
		s->cr0 |= CR0_PG;
		s->cr4 |= CR4_PAE;
	}
	memcpy(s->pdptes, in->pdptes, sizeof(s->pdptes));
	memcpy(s->registers, in->registers, sizeof(s->registers));
	memcpy(s->segments, in->segments, sizeof(s->segments));
	for (u32 i = 0; i < 4; i++)
		s->pdptes[i] &= ~0xfffffffffffe0000ULL; /* loaded ones have no reserved bits */
}

static void check_fault(const struct l1_fault *f)
{
	CLAIM(f->vector == VECTOR_GP || f->vector == VECTOR_SS || f->vector == VECTOR_PF);
	CLAIM(f->vector == VECTOR_PF || f->error_code == 0);
	CLAIM(!(f->error_code & ~0x3fU));
	/* Reserved bits and protection keys are of present entries. */
	CLAIM(!(f->error_code & (PF_ERROR_RESERVED | PF_ERROR_PKEY)) ||
	      (f->error_code & PF_ERROR_PRESENT));
	CLAIM((f->error_code & (PF_ERROR_RESERVED | PF_ERROR_PKEY)) !=
	      (PF_ERROR_RESERVED | PF_ERROR_PKEY));
}

static void check_translation(const struct l1_cpu_state *s, u64 linear)
{
	struct l1_fault f = { 0 };
	l1pa_t a, b;

	if (!operand_translate(s, linear, L1_ACCESS_WRITE, &a, &f)) {
		check_fault(&f);
		CLAIM(f.vector == VECTOR_PF && f.cr2 == linear && (f.error_code & PF_ERROR_WRITE));
		return;
	}
	CLAIM(((a.v ^ linear) & 0xfff) == 0);
	/*
	 * A write sets flags in paging structures that may map themselves, which cannot take a
	 * translation away: the same again.  Every right to write is one to read.
	 */
	CLAIM(operand_translate(s, linear, L1_ACCESS_READ, &b, &f) && a.v == b.v);
	CLAIM(operand_translate(s, linear, L1_ACCESS_WRITE, &b, &f) && a.v == b.v);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct l1_cpu_state s;
	struct vmx_operand o;
	struct l1_fault f = { 0 };
	struct input in;
	unsigned char buffer[PAGE_SIZE] = { 0 };
	u32 bytes;
	u64 linear;

	if (size < sizeof(in))
		return 0;
	memcpy(&in, data, sizeof(in));
	data += sizeof(in);
	size -= sizeof(in);
	for (size_t i = 0; i < WORLD_BYTES; i++)
		world[i] = size ? data[i % size] : 0;
	take_state(&in, &s);
	if (in.information & 1)
		decode_vmread_vmwrite(in.information, in.qualification, &o);
	else
		decode_memory_operand(in.information, in.qualification, &o);
	CLAIM(o.is_register || o.has_base || o.has_index || o.displacement == in.qualification);
	if (o.is_register) {
		(void)decode_register(&s, o.reg);
		return 0;
	}
	bytes = 1 + in.bytes;
	if (!decode_linear_address(&o, &s, L1_ACCESS_WRITE, bytes, &linear, &f)) {
		check_fault(&f);
		CLAIM(f.vector != VECTOR_PF);
	} else {
		check_translation(&s, linear);
	}
	if (!operand_read(&s, &o, buffer, bytes, &f) || !operand_write(&s, &o, buffer, bytes, &f))
		check_fault(&f);
	return 0;
}
