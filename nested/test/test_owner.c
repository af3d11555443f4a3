/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who owns an exit.  For every exit reason a row says, from the SDM, which control bit makes
 * it L1's: with all controls off, all on, and each bit alone.  The accesses with operands have
 * their own oracles.
 */
// clang-format off
/* sources: nested/exit/owner.c nested/exit/owner_access.c nested/vmcs02/controls.c nested/vmcs02/msr_bitmap.c nested/vmcs02/cr.c */
// clang-format on
#include "nested/exit/owner.h"

#include <string.h>
#include "xmhf/test/random.h"
#include "xmhf/test/tap.h"
#include "xmhf/x86/cpu.h"

static unsigned char msr_page[4096], io_a[4096], io_b[4096], vmread_page[4096], vmwrite_page[4096];
static const struct owner_pages pages = { msr_page, io_a, io_b, vmread_page, vmwrite_page };
static const struct owner_pages no_pages;

static bool is_l1(const struct vmcs12 *v, const struct owner_exit *e)
{
	return owner_of_exit(v, &pages, e) == OWNER_L1;
}

/* The control bits by themselves: word 0 pin, 1 primary, 2 secondary; -1 always, -2 never. */
static const struct {
	u8 reason;
	signed char word;
	u8 bit;
} simple[] = {
	{ 1, 0, 0 },   { 2, -1, 0 },  { 4, -1, 0 },  { 5, -2, 0 },  { 6, -2, 0 },  { 7, 1, 2 },
	{ 8, 1, 22 },  { 9, -1, 0 },  { 10, -1, 0 }, { 11, -1, 0 }, { 12, 1, 7 },  { 13, -1, 0 },
	{ 14, 1, 9 },  { 15, 1, 11 }, { 16, 1, 12 }, { 17, -2, 0 }, { 18, -1, 0 }, { 19, -1, 0 },
	{ 20, -1, 0 }, { 21, -1, 0 }, { 22, -1, 0 }, { 24, -1, 0 }, { 26, -1, 0 }, { 27, -1, 0 },
	{ 29, 1, 23 }, { 33, -2, 0 }, { 34, -2, 0 }, { 35, -2, 0 }, { 36, 1, 10 }, { 37, 1, 27 },
	{ 38, -2, 0 }, { 39, 1, 29 }, { 41, -2, 0 }, { 42, -2, 0 }, { 43, 1, 21 }, { 44, 2, 0 },
	{ 45, 2, 9 },  { 46, 2, 2 },  { 47, 2, 2 },  { 48, -2, 0 }, { 49, -2, 0 }, { 50, -1, 0 },
	{ 51, 1, 12 }, { 52, 0, 6 },  { 53, -1, 0 }, { 54, 2, 6 },  { 55, -1, 0 }, { 56, 1, 21 },
	{ 57, 2, 11 }, { 58, 1, 9 },  { 61, 2, 16 }, { 62, 2, 17 }, { 66, 2, 23 }, { 67, 1, 12 },
	{ 68, 1, 12 }, { 72, 2, 21 }, { 73, 2, 21 }, { 74, 2, 30 }, { 75, 2, 31 }, { 71, -2, 0 },
	{ 76, -2, 0 }, { 77, -2, 0 }, { 78, -2, 0 }, { 79, -2, 0 },
};

static void set_bit(struct vmcs12 *v, int word, u32 bit)
{
	if (word == 0)
		v->pin_based_controls |= 1U << bit;
	if (word == 1)
		v->processor_based_controls |= 1U << bit;
	if (word == 2) {
		v->processor_based_controls |= 1U << 31;
		v->secondary_processor_based_controls |= 1U << bit;
	}
}

static void test_simple(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(simple); i++)
		for (int word = 0; word < 3; word++)
			for (u32 bit = 0; bit < 32; bit++) {
				struct owner_exit e = { .exit_reason = simple[i].reason };
				struct vmcs12 v = { 0 };
				bool expected;

				set_bit(&v, word, bit);
				expected = simple[i].word == -1 ||
					   (simple[i].word == word && simple[i].bit == bit);
				if (simple[i].reason == 40)
					continue;
				ok(is_l1(&v, &e) == expected, "reason %u word %d bit %u",
				   simple[i].reason, word, bit);
				e.exit_reason |= 1U << 31;
				ok(!is_l1(&v, &e), "a failed entry is L0's, reason %u",
				   simple[i].reason);
			}
}

/* Secondary controls count only when activated. */
static void test_activation(void)
{
	struct vmcs12 v = { .secondary_processor_based_controls = ~0U };
	struct owner_exit e = { .exit_reason = EXIT_REASON_WBINVD };

	ok(!is_l1(&v, &e), "secondary controls off");
	v.processor_based_controls = 1U << 31;
	ok(is_l1(&v, &e), "secondary controls on");
	e.exit_reason = EXIT_REASON_PAUSE;
	ok(is_l1(&v, &e), "PAUSE-loop exiting");
	v.secondary_processor_based_controls = 0;
	ok(!is_l1(&v, &e), "no PAUSE exit");
	v.processor_based_controls = 1U << 30;
	ok(is_l1(&v, &e), "PAUSE exiting");
	e.exit_reason = 80;
	ok(!is_l1(&v, &e), "a reason that does not exist");
	e.exit_reason = EXIT_REASON_INIT_SIGNAL;
	ok(is_l1(&v, &e), "INIT");
	e.init_is_l0_kick = true;
	ok(!is_l1(&v, &e), "INIT that L0 sent");
	e = (struct owner_exit){ .exit_reason = EXIT_REASON_MONITOR_TRAP_FLAG,
				 .mtf_was_injected = true };
	v.processor_based_controls = 0;
	ok(is_l1(&v, &e), "injected MTF");
}

static void test_exceptions(void)
{
	for (u32 n = 0; n < 4000; n++) {
		struct vmcs12 v = { .exception_bitmap = random_u32(),
				    .page_fault_error_code_mask = random_u32() & 0x3f,
				    .page_fault_error_code_match = random_u32() & 0x3f };

		if (n & 1)
			v.page_fault_error_code_match &= v.page_fault_error_code_mask;
		for (u32 vector = 0; vector < 32; vector++) {
			struct owner_exit e = { .interruption_information =
							1U << 31 | 3U << 8 | vector,
						.interruption_error_code = n & 0x3f };
			bool exits = v.exception_bitmap >> vector & 1;

			if (vector == 14 && (n & 0x3f & v.page_fault_error_code_mask) !=
						    v.page_fault_error_code_match)
				exits = !exits;
			ok(is_l1(&v, &e) == exits, "vector %u", vector);
			/* INT3, INTO and INT1 go by their vectors too. */
			e.interruption_information ^= (vector == 1 ? 6U : 5U) << 8;
			ok(is_l1(&v, &e) == exits, "software vector %u", vector);
		}
		for (u32 exiting = 0; exiting < 2; exiting++) {
			struct owner_exit e = { .interruption_information =
							1U << 31 | 2U << 8 | 2 };

			v.pin_based_controls = exiting << 3;
			ok(is_l1(&v, &e) == exiting, "NMI goes by NMI exiting only");
		}
	}
}

static void test_msrs(void)
{
	static const u32 edges[] = { 0,		 1,	     0x1b,	 0x7ff,	     0x800,
				     0x1fff,	 0x2000,     0xbfffffff, 0xc0000000, 0xc0000081,
				     0xc0001fff, 0xc0002000, 0xffffffff, 0x40000000 };
	struct vmcs12 v = { .processor_based_controls = 1U << 28 };

	for (u32 i = 0; i < ARRAY_SIZE(edges); i++)
		for (u32 n = 0; n < 4; n++) {
			u32 index = edges[i];
			bool in_range =
				index < 0x2000 || (index >= 0xc0000000 && index < 0xc0002000);
			bool write = n & 1, set = n >> 1;
			u32 byte = (write ? 2048U : 0) + (index >> 31 ? 1024U : 0) +
				   (index & 0x1fff) / 8;
			struct owner_exit e = { .exit_reason = write ? 32 : 31 };

			e.registers[1] = index | 0x7777ULL << 32; /* only ECX counts */
			/* All bits the other way round but the one. */
			memset(msr_page, set ? 0 : 0xff, sizeof(msr_page));
			msr_page[byte] ^= (unsigned char)(1 << (index & 7));
			ok(is_l1(&v, &e) == (!in_range || set), "MSR 0x%x write %d set %d", index,
			   write, set);
			v.processor_based_controls = 0;
			ok(is_l1(&v, &e), "no bitmap: MSR 0x%x exits", index);
			v.processor_based_controls = 1U << 28;
			ok(owner_of_exit(&v, &no_pages, &e) == OWNER_L1, "a page that is not L1's");
		}
}

static void test_io(void)
{
	static const u32 sizes[] = { 1, 2, 4 };

	for (u32 n = 0; n < 0x10000 * 3; n++) {
		u32 port = n / 3, size = sizes[n % 3], hit = (port + random_u32() % 8 - 2) & 0xffff;
		struct vmcs12 v = { .processor_based_controls = 1U << 25 };
		struct owner_exit e = { .exit_reason = 30,
					.qualification = (u64)port << 16 | (size - 1) };
		unsigned char *byte = &(hit & 0x8000 ? io_b : io_a)[(hit & 0x7fff) / 8];
		bool expected = port + size > 0x10000 || (hit >= port && hit < port + size);

		*byte = (unsigned char)(1 << (hit & 7));
		if (is_l1(&v, &e) != expected)
			ok(0, "port 0x%x size %u bit 0x%x", port, size, hit);
		*byte = 0;
		v.processor_based_controls = 3U << 24;
		if (is_l1(&v, &e) != (port + size > 0x10000))
			ok(0, "bitmaps win over unconditional, port 0x%x", port);
		v.processor_based_controls = 1U << 24;
		if (!is_l1(&v, &e))
			ok(0, "unconditional, port 0x%x", port);
		v.processor_based_controls = 0;
		if (is_l1(&v, &e))
			ok(0, "neither, port 0x%x", port);
	}
	ok(1, "every port");
}

static u64 cr_qualification(u32 cr, u32 type, u32 reg, u32 source)
{
	return cr | type << 4 | reg << 8 | (u64)source << 16;
}

static void test_cr(void)
{
	for (u32 n = 0; n < 20000; n++) {
		u32 reg = random_u32() % 16, cr = n & 1 ? 4 : 0, count = random_u32() % 5;
		u64 mask = random_u32() & random_u32(), value = random_u32(), shadow = value;
		struct vmcs12 v = { .cr3_target_count = count };
		struct owner_exit e = { .exit_reason = 28, .l2_is_64bit_code = n >> 1 & 1 };
		bool expected;

		if (n & 4)
			shadow ^= 1ULL << random_u32() % 32;
		if (n & 1) {
			v.cr4_guest_host_mask = mask;
			v.cr4_read_shadow = shadow;
			v.cr0_guest_host_mask = ~0ULL;
		} else {
			v.cr0_guest_host_mask = mask;
			v.cr0_read_shadow = shadow;
			v.cr4_guest_host_mask = ~0ULL;
			v.cr4_read_shadow = ~value;
		}
		e.registers[reg] = value;
		e.qualification = cr_qualification(cr, 0, reg, 0);
		expected = (mask & shadow) != (mask & value);
		ok(is_l1(&v, &e) == expected, "MOV to CR%u", cr);

		e.registers[reg] = value | (u64)random_u32() << 32;
		v.cr3_target_value0 = 1;
		v.cr3_target_value1 = v.cr3_target_value2 = 2;
		v.cr3_target_value3 = e.l2_is_64bit_code ? e.registers[reg] : value;
		if (n & 8)
			v.cr3_target_value1 = v.cr3_target_value3;
		e.qualification = cr_qualification(3, 0, reg, 0);
		ok(!is_l1(&v, &e), "MOV to CR3 without the control");
		v.processor_based_controls = 1U << 15;
		expected = !(count > 3 || ((n & 8) && count > 1));
		ok(is_l1(&v, &e) == expected, "MOV to CR3, %u targets", count);
		e.registers[reg] ^= 1;
		ok(is_l1(&v, &e), "MOV to CR3, no target");
	}
}

static void test_cr_others(void)
{
	struct vmcs12 v = { 0 };
	struct owner_exit e = { .exit_reason = 28 };

	for (u32 n = 0; n < 16; n++) {
		v.processor_based_controls =
			(n & 1 ? 1U << 16 : 0) | (n & 2 ? 1U << 19 : 0) | (n & 4 ? 1U << 20 : 0);
		e.qualification = cr_qualification(3, 1, 0, 0);
		ok(is_l1(&v, &e) == (n & 1), "MOV from CR3");
		e.qualification = cr_qualification(8, 0, 0, 0);
		ok(is_l1(&v, &e) == !!(n & 2), "MOV to CR8");
		e.qualification = cr_qualification(8, 1, 0, 0);
		ok(is_l1(&v, &e) == !!(n & 4), "MOV from CR8");
		v.cr0_guest_host_mask = n & 1 ? 8 : ~8ULL;
		v.cr0_read_shadow = n & 2 ? 8 : ~8ULL;
		e.qualification = cr_qualification(0, 2, 0, 0);
		ok(is_l1(&v, &e) == ((n & 3) == 3), "CLTS");
	}
	v.cr0_guest_host_mask = 1;
	v.cr0_read_shadow = 0;
	e.qualification = cr_qualification(0, 3, 0, 1);
	ok(is_l1(&v, &e), "LMSW sets PE");
	v.cr0_read_shadow = 1;
	e.qualification = cr_qualification(0, 3, 0, 0);
	ok(!is_l1(&v, &e), "LMSW cannot clear PE");
	v.cr0_guest_host_mask = 4;
	e.qualification = cr_qualification(0, 3, 0, 4);
	ok(is_l1(&v, &e), "LMSW sets EM");
}

/* One bit of a bitmap for the operand of VMREAD, VMWRITE, ENCLS, ENCLV, PCONFIG, XSAVES, VMFUNC. */
static void test_bitmaps(void)
{
	struct vmcs12 v = { .processor_based_controls = 1U << 31 };
	struct owner_exit e = { 0 };

	for (u32 n = 0; n < 0x8000; n++)
		for (u32 write = 0; write < 2; write++) {
			unsigned char *byte = &(write ? vmwrite_page : vmread_page)[n / 8];

			e.exit_reason = write ? 25 : 23;
			e.instruction_information = 9U << 28;
			e.registers[9] = n;
			v.secondary_processor_based_controls = 0;
			if (!is_l1(&v, &e))
				ok(0, "no shadowing: field 0x%x", n);
			v.secondary_processor_based_controls = 1U << 14;
			if (is_l1(&v, &e))
				ok(0, "bit clear: field 0x%x", n);
			*byte = (unsigned char)(1 << (n & 7));
			if (!is_l1(&v, &e))
				ok(0, "bit set: field 0x%x", n);
			*byte = 0;
			e.registers[9] = n | 0x8000U;
			if (!is_l1(&v, &e))
				ok(0, "large field 0x%x", n);
			e.registers[9] = n | 1ULL << 40;
			if (is_l1(&v, &e))
				ok(0, "32-bit code ignores bit 40");
			e.l2_is_64bit_code = true;
			if (!is_l1(&v, &e))
				ok(0, "64-bit code does not");
			e.l2_is_64bit_code = false;
		}
	for (u32 leaf = 0; leaf < 70; leaf++) {
		u64 bit = 1ULL << (leaf > 63 ? 63 : leaf);

		e.registers[0] = leaf;
		v.encls_exiting_bitmap = v.enclv_exiting_bitmap = v.pconfig_exiting_bitmap = bit;
		v.secondary_processor_based_controls = ~0U;
		for (u32 i = 0; i < 3; i++) {
			static const u32 reasons[] = { 60, 70, 65 }, bits[] = { 15, 28, 27 };

			e.exit_reason = reasons[i];
			ok(is_l1(&v, &e), "leaf %u set", leaf);
			v.secondary_processor_based_controls = ~(1U << bits[i]);
			ok(!is_l1(&v, &e), "control off");
			v.secondary_processor_based_controls = ~0U;
			v.encls_exiting_bitmap = v.enclv_exiting_bitmap = v.pconfig_exiting_bitmap =
				~bit;
			ok(!is_l1(&v, &e), "leaf %u clear", leaf);
			v.encls_exiting_bitmap = v.enclv_exiting_bitmap = v.pconfig_exiting_bitmap =
				bit;
		}
		e.exit_reason = 59;
		v.vm_function_controls = ~bit;
		ok(is_l1(&v, &e) == true, "VM function %u not enabled", leaf);
		v.vm_function_controls = ~0ULL;
		ok(is_l1(&v, &e) == (leaf > 63), "VM function %u enabled", leaf);
	}
	for (u32 n = 0; n < 512; n++) {
		u64 a = (n & 7) * 0x100000001ULL, x = (n >> 3 & 7) * 0x100000001ULL;
		u64 b = (n >> 6) * 0x100000001ULL;

		e.exit_reason = n & 1 ? 63 : 64;
		e.registers[REGISTER_RDX] = a >> 32;
		e.registers[REGISTER_RAX] = (a & 0xffffffff) | 1ULL << 45;
		e.ia32_xss = x;
		v.xss_exiting_bitmap = b;
		ok(is_l1(&v, &e) == !!(n & 7 & n >> 3 & n >> 6), "XSAVES %u", n);
	}
}

int main(void)
{
	test_simple();
	test_activation();
	test_exceptions();
	test_msrs();
	test_io();
	test_cr();
	test_cr_others();
	test_bitmaps();
	return tap_end();
}
