/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L1's paging walk against tables of our own making.  The oracle knows how the tables were
 * made (it does not walk them) and decides by rules written the other way round: it lists
 * what is forbidden.
 */
/* sources: nested/insn/decode.c nested/insn/operand.c nested/insn/operand_walk.c */
#include "nested/insn/operand.h"

#include "xmhf/test/tap.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"
#include "xmhf/x86/vmx.h"
#include "nested/test/insn_world.h"

#define TABLE(n) (0x1000ULL * (n)) /* table of level n */
#define PAGE_AT	 0x10000ULL
#define LINEAR	 0x00007f1234567890ULL /* in every mode cut to what the mode has */

/* How the tables are made. */
struct tables {
	u32 top;   /* level that CR3 points to; 3 with PAE: PDPTEs in registers */
	u32 leaf;  /* level that maps the page */
	u32 bytes; /* of an entry */
	u64 linear;
	u64 flags[6];	 /* of the entry used at each level */
	l1pa_t entry[6]; /* where it is */
};

static void put_entry(l1pa_t at, u32 bytes, u64 value)
{
	memcpy(world + at.v, &value, bytes);
}

static u64 get_entry(l1pa_t at, u32 bytes)
{
	u64 value = 0;

	memcpy(&value, world + at.v, bytes);
	return value;
}

static u32 bits_per_level(const struct tables *t)
{
	return t->bytes == 4 ? 10 : 9;
}

/* Writes the entries.  The page is at PAGE_AT for 4 KiB, at 0 for a large one. */
static void make_tables(struct tables *t, struct l1_cpu_state *s)
{
	for (u32 level = t->top; level >= t->leaf; level--) {
		u32 shift = 12 + bits_per_level(t) * (level - 1);
		u64 index = (t->linear >> shift) & ((1ULL << bits_per_level(t)) - 1);
		u64 target = level > t->leaf ? TABLE(level - 1) : t->leaf == 1 ? PAGE_AT : 0;
		u64 value = target | t->flags[level];

		if (t->bytes == 8 && t->top == 3 && level == 3) {
			s->pdptes[index & 3] = value;
			continue;
		}
		t->entry[level] = l1pa(TABLE(level) + index * t->bytes);
		put_entry(t->entry[level], t->bytes, value);
	}
	s->cr3 = TABLE(t->top) | (s->cr4 & CR4_PCIDE ? 0x123 : 0);
}

static struct l1_cpu_state paging_state(u32 top, u32 bytes)
{
	struct l1_cpu_state s = { .cr0 = CR0_PE | CR0_PG | CR0_WP,
				  .physical_address_width = 39,
				  .has_1g_pages = true };

	if (bytes == 8)
		s.cr4 |= CR4_PAE;
	if (top >= 4) {
		s.efer = EFER_LMA | EFER_LME;
		s.segments[SEGMENT_CS].access_rights = ACCESS_RIGHTS_L;
	}
	if (top == 5)
		s.cr4 |= CR4_LA57;
	if (bytes == 4)
		s.cr4 |= CR4_PSE;
	return s;
}

static struct tables tables_for(u32 top, u32 leaf, u32 bytes)
{
	struct tables t = { .top = top, .leaf = leaf, .bytes = bytes };

	t.linear = top >= 4 ? LINEAR : LINEAR & 0xffffffff;
	if (leaf == 2)
		t.linear = (t.linear & ~0x3fffffULL) | 0x12345; /* inside the world's memory */
	if (leaf == 3)
		t.linear = (t.linear & ~0x3fffffffULL) | 0x12345;
	for (u32 level = leaf; level <= top; level++)
		t.flags[level] = PTE_P | PTE_W | PTE_U;
	if (bytes == 8 && top == 3)
		t.flags[3] = PTE_P;
	if (leaf > 1)
		t.flags[leaf] |= PTE_PS;
	return t;
}

static const struct {
	u32 top, leaf, bytes;
} shapes[] = {
	{ 2, 1, 4 }, { 2, 2, 4 }, { 3, 1, 8 }, { 3, 2, 8 }, { 4, 1, 8 },
	{ 4, 2, 8 }, { 4, 3, 8 }, { 5, 1, 8 }, { 5, 2, 8 }, { 5, 3, 8 },
};

static u64 expected_page(const struct tables *t)
{
	return t->leaf == 1 ? PAGE_AT + (t->linear & 0xfff) : 0x12345;
}

/* Plain success in every shape, accessed and dirty flags as the processor would. */
static void test_shapes(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(shapes); i++)
		for (int write = 0; write < 2; write++) {
			struct tables t =
				tables_for(shapes[i].top, shapes[i].leaf, shapes[i].bytes);
			struct l1_cpu_state s = paging_state(t.top, t.bytes);
			struct l1_fault fault;
			l1pa_t got;

			memset(world, 0, sizeof(world));
			make_tables(&t, &s);
			ok(operand_translate(&s, t.linear, write ? L1_ACCESS_WRITE : L1_ACCESS_READ,
					     &got, &fault),
			   "shape %u translates", i);
			is_u64(got.v, expected_page(&t), "address");
			for (u32 level = t.leaf; level <= t.top; level++) {
				u64 now;

				if (t.bytes == 8 && t.top == 3 && level == 3)
					continue;
				now = get_entry(t.entry[level], t.bytes);
				is_u64(now & PTE_A, PTE_A, "accessed");
				is_u64(now & PTE_D, level == t.leaf && write ? PTE_D : 0, "dirty");
				is_u64(now & ~(PTE_A | PTE_D) & 0xfff, t.flags[level] & 0xfff,
				       "nothing else");
			}
		}
}

/* A level whose entry is not present: #PF with P clear; flags of upper levels stay. */
static void test_not_present(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(shapes); i++)
		for (u32 level = shapes[i].leaf; level <= shapes[i].top; level++) {
			struct tables t =
				tables_for(shapes[i].top, shapes[i].leaf, shapes[i].bytes);
			struct l1_cpu_state s = paging_state(t.top, t.bytes);
			struct l1_fault fault = { 0 };
			l1pa_t got;

			t.flags[level] = ~0ULL & ~PTE_P & ~FIELD(51, 12) &
					 (t.bytes == 4 ? 0xffffffff : ~0ULL);
			make_tables(&t, &s);
			ok(!operand_translate(&s, t.linear, L1_ACCESS_WRITE, &got, &fault),
			   "shape %u level %u not present", i, level);
			ok(fault.vector == 14 && fault.error_code == 2 && fault.cr2 == t.linear,
			   "error code 0x%x", fault.error_code);
		}
}

/* Claim: bit @bit of the entry at @level is reserved, from the SDM's format tables. */
static bool oracle_reserved(const struct tables *t, const struct l1_cpu_state *s, u32 level,
			    u32 bit)
{
	bool leaf = level == t->leaf;

	if (t->bytes == 4) /* 39 bits wide: address bits 39 of a 4-MByte page, and bit 21 */
		return leaf && level == 2 && (bit == 21 || bit == 20);
	if (bit == 63)
		return !(s->efer & EFER_NXE);
	if (bit >= 52)
		return t->top == 3;
	if (bit >= 39)
		return true;
	if (bit == 7)
		return level >= 4 || (level == 3 && !s->has_1g_pages);
	if (leaf && level == 2)
		return bit >= 13 && bit <= 20;
	if (leaf && level == 3)
		return bit >= 13 && bit <= 29;
	return false;
}

static void one_reserved(u32 shape, u32 level, u32 bit, bool nxe)
{
	struct tables t = tables_for(shapes[shape].top, shapes[shape].leaf, shapes[shape].bytes);
	struct l1_cpu_state s = paging_state(t.top, t.bytes);
	struct l1_fault fault = { 0 };
	bool reserved;
	l1pa_t got;

	if (nxe)
		s.efer |= EFER_NXE;
	reserved = oracle_reserved(&t, &s, level, bit);
	if (!reserved && bit >= 12 && bit < 39)
		return; /* another address: not this test's */
	if (!reserved && bit == 7 && level > t.leaf)
		return; /* maps a page one level up: not this test's */
	t.flags[level] |= 1ULL << bit;
	make_tables(&t, &s);
	ok(operand_translate(&s, t.linear, L1_ACCESS_READ, &got, &fault) == !reserved,
	   "shape %u level %u bit %u NXE %d reserved %d", shape, level, bit, nxe, reserved);
	if (reserved)
		ok(fault.error_code == (PF_ERROR_PRESENT | PF_ERROR_RESERVED), "error code 0x%x",
		   fault.error_code);
}

static void test_reserved(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(shapes); i++)
		for (u32 level = shapes[i].leaf; level <= shapes[i].top; level++) {
			if (shapes[i].top == 3 && level == 3)
				continue; /* PDPTEs are checked when they are loaded */
			for (u32 bit = 3; bit < shapes[i].bytes * 8; bit++)
				for (int nxe = 0; nxe < 2; nxe++)
					one_reserved(i, level, bit, nxe);
		}
}

/* All that access rights depend on, counted through. */
struct rights_case {
	bool user_page, writable_page, no_execute;
	bool user_mode, wp, smep, smap, ac, nxe, pke, pks;
	u32 rights; /* 2 bits of PKRU or PKRS for the page's key */
	enum l1_access access;
};

/* What forbids, rule by rule of "Determination of Access Rights"; @key tells the protection key. */
static bool oracle_forbids(const struct rights_case *c, u32 top, bool *key)
{
	bool write = c->access == L1_ACCESS_WRITE, fetch = c->access == L1_ACCESS_FETCH;
	bool has_keys = top >= 4 && (c->user_page ? c->pke : c->pks);
	bool f = false;

	*key = has_keys && !fetch &&
	       ((c->rights & 1) || ((c->rights & 2) && write && (c->user_mode || c->wp)));
	f |= *key;
	f |= c->user_mode && !c->user_page;
	f |= c->user_mode && write && !c->writable_page;
	f |= !c->user_mode && write && !c->writable_page && c->wp;
	f |= !c->user_mode && c->user_page && !fetch && c->smap && !c->ac;
	f |= !c->user_mode && c->user_page && fetch && c->smep;
	f |= fetch && c->no_execute && c->nxe;
	return f;
}

static void one_rights(const struct rights_case *c, u32 shape, u32 level)
{
	struct tables t = tables_for(shapes[shape].top, shapes[shape].leaf, shapes[shape].bytes);
	struct l1_cpu_state s = paging_state(t.top, t.bytes);
	struct l1_fault fault = { 0 };
	bool forbidden, key;
	u32 expected;
	l1pa_t got;

	s.cpl = c->user_mode ? 3 : 0;
	s.cr0 = CR0_PE | CR0_PG | (c->wp ? CR0_WP : 0);
	s.cr4 |= (c->smep ? CR4_SMEP : 0) | (c->smap ? CR4_SMAP : 0) | (c->pke ? CR4_PKE : 0) |
		 (c->pks ? CR4_PKS : 0);
	s.rflags = c->ac ? RFLAGS_AC : 0;
	s.efer |= c->nxe ? EFER_NXE : 0;
	s.pkru = c->user_page ? c->rights << 10 : ~0U; /* key 5 */
	s.pkrs = c->user_page ? ~0U : c->rights << 10;
	t.flags[level] &= ~((c->user_page ? 0 : PTE_U) | (c->writable_page ? 0 : PTE_W));
	if (t.bytes == 8 && c->nxe && c->no_execute)
		t.flags[level] |= PTE_NX;
	if (t.top >= 4)
		t.flags[t.leaf] |= 5ULL << 59;
	make_tables(&t, &s);
	forbidden = oracle_forbids(c, t.top, &key);
	if (t.bytes == 4 && c->no_execute)
		return;
	ok(operand_translate(&s, t.linear, c->access, &got, &fault) == !forbidden,
	   "shape %u level %u rights user %d writable %d nx %d cpl3 %d wp %d smep %d smap %d ac %d "
	   "nxe %d pke %d pks %d key %u access %d",
	   shape, level, c->user_page, c->writable_page, c->no_execute, c->user_mode, c->wp,
	   c->smep, c->smap, c->ac, c->nxe, c->pke, c->pks, c->rights, (int)c->access);
	if (!forbidden)
		return;
	expected =
		1 | (c->access == L1_ACCESS_WRITE ? 2U : 0) | (c->user_mode ? 4U : 0) |
		(c->access == L1_ACCESS_FETCH && ((t.bytes == 8 && c->nxe) || c->smep) ? 16U : 0) |
		(key ? 32U : 0);
	is_u64(fault.error_code, expected, "rights error code");
}

static void test_rights(void)
{
	for (u32 n = 0; n < 1U << 13; n++)
		for (u32 access = 0; access < 3; access++) {
			struct rights_case c = {
				.user_page = n & 1,
				.writable_page = n >> 1 & 1,
				.no_execute = n >> 2 & 1,
				.user_mode = n >> 3 & 1,
				.wp = n >> 4 & 1,
				.smep = n >> 5 & 1,
				.smap = n >> 6 & 1,
				.ac = n >> 7 & 1,
				.nxe = n >> 8 & 1,
				.pke = n >> 9 & 1,
				.pks = n >> 10 & 1,
				.rights = n >> 11,
				.access = (enum l1_access)access,
			};

			one_rights(&c, 0, 1 + (n & 1)); /* 32-bit: any level can forbid */
			one_rights(&c, 3, 2);		/* PAE, 2 MiB */
			one_rights(&c, 4, 1 + (n + access) % 4);
			one_rights(&c, 9, 3 + (n + access) % 3);
		}
}

/* 36 to 40 bits of a 4-MByte page, without PSE, without paging, outside L1's memory. */
static void test_corners(void)
{
	struct tables t = tables_for(2, 2, 4);
	struct l1_cpu_state s = paging_state(2, 4);
	struct l1_fault fault = { 0 };
	l1pa_t got;

	s.physical_address_width = 40;
	t.flags[2] |= 0xffULL << 13;
	make_tables(&t, &s);
	ok(operand_translate(&s, t.linear, L1_ACCESS_READ, &got, &fault), "PSE-36");
	is_u64(got.v, 0xff00012345ULL, "PSE-36 address");
	s.cr4 = 0; /* without PSE the entry points to a table, far outside */
	ok(!operand_translate(&s, 0xfff, L1_ACCESS_READ, &got, &fault), "not present");
	s = paging_state(4, 8);
	s.cr3 = 0x40000000; /* not L1's: all-ones, reserved bits set */
	ok(!operand_translate(&s, 0, L1_ACCESS_READ, &got, &fault) && fault.error_code == 9,
	   "table that is not L1's: 0x%x", fault.error_code);
	s.cr0 = CR0_PE;
	ok(operand_translate(&s, 0xdeadbeef, L1_ACCESS_WRITE, &got, &fault) && got.v == 0xdeadbeef,
	   "no paging");
}

/* An operand over a page boundary; the second page missing: nothing is written. */
static void test_crossing(void)
{
	struct tables t = tables_for(4, 1, 8);
	struct l1_cpu_state s = paging_state(4, 8);
	struct vmx_operand o = { .address_bits = 64, .scale = 1, .segment = SEGMENT_DS };
	struct l1_fault fault = { 0 };
	u64 value = 0x1122334455667788ULL, back = 0;

	memset(world, 0, sizeof(world));
	t.linear = 0x200ff8 + 5;
	o.displacement = t.linear;
	make_tables(&t, &s);
	ok(!operand_write(&s, &o, &value, 8, &fault), "second page missing");
	ok(fault.cr2 == 0x201000 && fault.error_code == 2, "CR2 0x%llx code 0x%x", fault.cr2,
	   fault.error_code);
	is_u64(world[PAGE_AT + 0xffd], 0, "nothing written");
	put_entry(l1pa(t.entry[1].v + 8), 8, (PAGE_AT + 0x3000) | PTE_P | PTE_W);
	ok(operand_write(&s, &o, &value, 8, &fault), "written");
	is_u64(world[PAGE_AT + 0xffd], 0x88, "first byte");
	is_u64(world[PAGE_AT + 0xfff], 0x66, "last byte of the first page");
	is_u64(world[PAGE_AT + 0x3000], 0x55, "first byte of the second page");
	is_u64(world[PAGE_AT + 0x3004], 0x11, "last byte");
	ok(operand_read(&s, &o, &back, 8, &fault) && back == value, "read back");
	put_entry(l1pa(t.entry[1].v + 8), 8, (PAGE_AT + 0x3000) | PTE_P);
	back = 0;
	ok(!operand_write(&s, &o, &back, 8, &fault) && fault.error_code == 3, "read-only");
	is_u64(world[PAGE_AT + 0xffd], 0x88, "the first page is not written either");
	ok(operand_read(&s, &o, &back, 8, &fault), "still readable");
}

int main(void)
{
	test_shapes();
	test_not_present();
	test_reserved();
	test_rights();
	test_corners();
	test_crossing();
	return tap_end();
}
