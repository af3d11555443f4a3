/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoding and segmentation against a byte-by-byte oracle: an access is allowed if each of
 * its bytes is, by the rules of the SDM's chapter "Protection".
 */
/* sources: nested/insn/decode.c */
#include "nested/insn/decode.h"

#include "xmhf/test/tap.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"
#include "xmhf/x86/vmx.h"

/* Instruction information assembled from its parts, the way round the decoder does not use. */
struct info_parts {
	u32 scaling, reg1, address_size, is_register, segment, index, index_invalid, base,
		base_invalid, reg2;
};

static u32 assemble(const struct info_parts *p)
{
	return p->scaling | p->reg1 << 3 | p->address_size << 7 | p->is_register << 10 |
	       p->segment << 15 | p->index << 18 | p->index_invalid << 22 | p->base << 23 |
	       p->base_invalid << 27 | p->reg2 << 28;
}

static struct l1_cpu_state protected_mode(void)
{
	struct l1_cpu_state state = { .cr0 = CR0_PE };

	for (u32 i = 0; i < SEGMENT_COUNT; i++)
		state.segments[i] =
			(struct l1_segment){ .limit = 0xffffffff, .access_rights = 0xc093 };
	state.segments[SEGMENT_CS].access_rights = 0xc09b;
	for (u32 i = 0; i < REGISTER_COUNT; i++)
		state.registers[i] = 0x0101010101010101ULL * (i + 1);
	return state;
}

static struct l1_cpu_state long_mode(void)
{
	struct l1_cpu_state state = protected_mode();

	state.efer = EFER_LMA | EFER_LME;
	state.segments[SEGMENT_CS].access_rights = 0xa09b;
	return state;
}

static void test_fields(void)
{
	static const u8 sizes[] = { 16, 32, 64 };
	struct info_parts p = { 0 };
	struct vmx_operand o;

	for (u32 n = 0; n < 4 * 3 * 6 * 16; n++) {
		p.scaling = n & 3;
		p.address_size = n / 4 % 3;
		p.segment = n / 12 % 6;
		p.index = n / 72 % 16;
		p.base = 15 - p.index;
		p.reg2 = (p.index * 7 + 3) & 15;
		p.index_invalid = n >> 1 & 1;
		p.base_invalid = n >> 2 & 1;
		p.reg1 = p.index ^ 5;
		p.is_register = 0;
		decode_memory_operand(assemble(&p), n * 3ULL, &o);
		ok(!o.is_register && o.scale == 1U << p.scaling &&
			   o.address_bits == sizes[p.address_size] && o.segment == p.segment &&
			   o.index == p.index && o.base == p.base && o.second == p.reg2 &&
			   o.has_index == !p.index_invalid && o.has_base == !p.base_invalid &&
			   o.displacement == n * 3ULL,
		   "memory operand %u", n);
		p.is_register = 1;
		decode_vmread_vmwrite(assemble(&p), 0, &o);
		ok(o.is_register && o.reg == p.reg1 && o.second == p.reg2, "register operand %u",
		   n);
		p.is_register = 0;
		decode_vmread_vmwrite(assemble(&p), 5, &o);
		ok(!o.is_register && o.segment == p.segment && o.displacement == 5,
		   "VMREAD memory operand %u", n);
	}
}

/* The offset that software would compute: all in 128 bits, cut at the end. */
static u64 oracle_offset(const struct vmx_operand *o, const struct l1_cpu_state *s)
{
	unsigned __int128 sum = o->displacement;

	if (o->has_base)
		sum += s->registers[o->base];
	for (u32 i = 0; o->has_index && i < o->scale; i++)
		sum += s->registers[o->index];
	return (u64)(sum % ((unsigned __int128)1 << o->address_bits));
}

static void test_effective_address(void)
{
	struct l1_cpu_state s = long_mode();
	struct l1_fault fault;
	u64 linear;

	for (u32 i = 0; i < REGISTER_COUNT; i++)
		s.registers[i] = 0x100 * i + 0xfff0;
	s.segments[SEGMENT_FS].base = 0x7000000000;
	s.segments[SEGMENT_DS].base = 0x123456; /* ignored in 64-bit mode */
	for (u32 n = 0; n < 3 * 4 * 4 * 16 * 16; n++) {
		struct vmx_operand o = {
			.address_bits = (u8)(16 << (n % 3)),
			.scale = (u8)(1 << (n / 3 & 3)),
			.has_base = n / 12 & 1,
			.has_index = n / 24 & 1,
			.base = (u8)(n / 48 & 15),
			.index = (u8)(n / 768 & 15),
			.displacement = n & 1 ? 0xfffffffffffffff0ULL : 0x1234,
		};
		u64 expected;

		o.segment = SEGMENT_DS;
		expected = oracle_offset(&o, &s);
		if (expected >> 47)
			continue; /* below: canonical form */
		ok(decode_linear_address(&o, &s, L1_ACCESS_READ, 8, &linear, &fault) &&
			   linear == expected,
		   "64-bit offset %u", n);
		o.segment = SEGMENT_FS;
		ok(decode_linear_address(&o, &s, L1_ACCESS_READ, 8, &linear, &fault) &&
			   linear == expected + 0x7000000000,
		   "FS base %u", n);
	}
}

/* May one byte at @offset be accessed?  Spelled out per kind of segment. */
static bool oracle_byte(const struct l1_segment *s, u64 offset, bool is_write)
{
	static const struct {
		bool readable, writable, down;
	} types[16] = {
		[0] = { 1, 0, 0 },  [1] = { 1, 0, 0 },	[2] = { 1, 1, 0 },  [3] = { 1, 1, 0 },
		[4] = { 1, 0, 1 },  [5] = { 1, 0, 1 },	[6] = { 1, 1, 1 },  [7] = { 1, 1, 1 },
		[8] = { 0, 0, 0 },  [9] = { 0, 0, 0 },	[10] = { 1, 0, 0 }, [11] = { 1, 0, 0 },
		[12] = { 0, 0, 0 }, [13] = { 0, 0, 0 }, [14] = { 1, 0, 0 }, [15] = { 1, 0, 0 },
	};
	u32 type = s->access_rights & 15;
	u64 top = s->access_rights & 0x4000 ? 0xffffffffULL : 0xffffULL;

	if (s->access_rights & 0x10000)
		return false;
	if (is_write ? !types[type].writable : !types[type].readable)
		return false;
	if (types[type].down)
		return offset > s->limit && offset <= top;
	return offset <= s->limit;
}

static void one_segmentation(struct l1_cpu_state *s, u32 segment, u64 offset, u32 size, bool write)
{
	struct vmx_operand o = {
		.address_bits = 32, .scale = 1, .segment = (u8)segment, .displacement = offset
	};
	struct l1_fault fault = { 0 };
	bool allowed = true, got;
	u64 linear = 0;

	for (u32 i = 0; i < size; i++)
		allowed &= oracle_byte(&s->segments[segment], offset + i, write);
	got = decode_linear_address(&o, s, write ? L1_ACCESS_WRITE : L1_ACCESS_READ, size, &linear,
				    &fault);
	ok(got == allowed, "segment %u rights 0x%x limit 0x%x offset 0x%llx size %u write %d",
	   segment, s->segments[segment].access_rights, s->segments[segment].limit, offset, size,
	   write);
	if (got)
		is_u64(linear, (s->segments[segment].base + offset) & 0xffffffff, "linear");
	else
		ok(fault.vector == (segment == SEGMENT_SS ? 12 : 13) && fault.error_code == 0,
		   "fault of segment %u", segment);
}

static void test_segmentation(void)
{
	static const u32 limits[] = { 0,      7,       8,	   0xfff,     0xfffe,
				      0xffff, 0x10000, 0xfffffffe, 0xffffffff };
	static const u64 offsets[] = { 0,	1,	    7,		8,	   9,
				       0xff8,	0xff9,	    0xfff8,	0xfff9,	   0xffff,
				       0x10000, 0xfffffff8, 0xfffffff9, 0xffffffff };
	static const u32 sizes[] = { 1, 4, 8, 16 };
	struct l1_cpu_state s = protected_mode();

	for (u32 type = 0; type < 16; type++)
		for (u32 big = 0; big < 2; big++)
			for (u32 unusable = 0; unusable < 2; unusable++)
				for (u32 l = 0; l < ARRAY_SIZE(limits); l++)
					for (u32 n = 0; n < ARRAY_SIZE(offsets) * 4; n++) {
						u32 seg = (n + l) % SEGMENT_COUNT;

						s.segments[seg] = (struct l1_segment){
							.base = 0xfffff000,
							.limit = limits[l],
							.access_rights = type | 0x90 | big << 14 |
									 unusable << 16,
						};
						one_segmentation(&s, seg, offsets[n / 4],
								 sizes[n % 4], n & 1);
						one_segmentation(&s, seg, offsets[n / 4],
								 sizes[n % 4], ~n & 1);
					}
}

static void one_canonical(struct l1_cpu_state *s, u32 segment, u64 offset, u32 size, bool expected)
{
	struct vmx_operand o = {
		.address_bits = 64, .scale = 1, .segment = (u8)segment, .displacement = offset
	};
	struct l1_fault fault = { 0 };
	u64 linear;
	bool got = decode_linear_address(&o, s, L1_ACCESS_READ, size, &linear, &fault);

	ok(got == expected, "canonical 0x%llx + %u, segment %u", offset, size, segment);
	if (!got)
		ok(fault.vector == (segment == SEGMENT_SS ? 12 : 13), "vector");
}

static void test_canonical(void)
{
	struct l1_cpu_state s = long_mode();

	for (u32 seg = 0; seg < SEGMENT_COUNT; seg++) {
		s.segments[seg].access_rights |= 0x10000; /* unusable does not matter here */
		one_canonical(&s, seg, 0x00007ffffffffff8, 8, true);
		one_canonical(&s, seg, 0x00007ffffffffff9, 8, false);
		one_canonical(&s, seg, 0x0000800000000000, 8, false);
		one_canonical(&s, seg, 0xffff7fffffffffff, 1, false);
		one_canonical(&s, seg, 0xffff800000000000, 8, true);
		one_canonical(&s, seg, 0xfffffffffffffff8, 8, true);
		one_canonical(&s, seg, 0x0100000000000000, 8, false);
	}
	s.segments[SEGMENT_GS].base = 0x00007fffffffff00;
	one_canonical(&s, SEGMENT_GS, 0xf8, 8, true);
	one_canonical(&s, SEGMENT_GS, 0xf9, 8, false);
	s.cr4 = CR4_LA57;
	one_canonical(&s, SEGMENT_DS, 0x0000800000000000, 8, true);
	one_canonical(&s, SEGMENT_DS, 0x00fffffffffffff8, 8, true);
	one_canonical(&s, SEGMENT_DS, 0x0100000000000000, 8, false);
	one_canonical(&s, SEGMENT_SS, 0xfeffffffffffffff, 1, false);
	one_canonical(&s, SEGMENT_DS, 0xff00000000000000, 8, true);
}

static void test_registers(void)
{
	struct l1_cpu_state s = protected_mode();

	ok(!decode_is_64bit_code(&s), "protected mode is not 64-bit code");
	is_u64(decode_register(&s, 8), 0x09090909, "32-bit register");
	s.segments[SEGMENT_CS].access_rights |= ACCESS_RIGHTS_L;
	ok(!decode_is_64bit_code(&s), "CS.L without IA-32e mode is not 64-bit code");
	s = long_mode();
	ok(decode_is_64bit_code(&s), "64-bit code");
	is_u64(decode_register(&s, 8), 0x0909090909090909ULL, "64-bit register");
}

int main(void)
{
	test_fields();
	test_effective_address();
	test_segmentation();
	test_canonical();
	test_registers();
	return tap_end();
}
