/* SPDX-License-Identifier: BSD-2-Clause */
/* L1's state after an exit, register by register, against the SDM's "Loading Host State". */
/* sources: nested/exit/host_state.c */
#include "nested/exit/host_state.h"

#include <string.h>
#include "xmhf/test/tap.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

static const struct vmx_caps caps = {
	.cr0 = { 0x80000021, 0xffffffff },
	.cr4 = { 0x2000, 0x3767ff },
	.physical_address_width = 39,
	.linear_address_width = 48,
};

/* Every host field its own value. */
static struct vmcs12 filled(u32 exit_controls)
{
	return (struct vmcs12){
		.exit_controls = exit_controls,
		.host_cr0 = 0x80050033,
		.host_cr3 = 0xfff0008012345018ULL,
		.host_cr4 = 0x226f0,
		.host_ia32_efer = 0xd01,
		.host_ia32_pat = 0x0007040600070406ULL,
		.host_ia32_perf_global_ctrl = 0x70000000fULL,
		.host_ia32_sysenter_cs = 0x10,
		.host_ia32_sysenter_esp = 0xffff888000001000ULL,
		.host_ia32_sysenter_eip = 0xffff888000002000ULL,
		.host_es_selector = 0x28,
		.host_cs_selector = 0x10,
		.host_ss_selector = 0x18,
		.host_ds_selector = 0,
		.host_fs_selector = 0,
		.host_gs_selector = 0x30,
		.host_tr_selector = 0x40,
		.host_fs_base = 0x1111,
		.host_gs_base = 0x2222,
		.host_tr_base = 0x3333,
		.host_gdtr_base = 0x4444,
		.host_idtr_base = 0x5555,
		.host_rip = 0xffffffff81000000ULL,
		.host_rsp = 0xffffc90000004000ULL,
		.host_ia32_s_cet = 1,
		.host_ssp = 8,
		.host_ia32_interrupt_ssp_table_addr = 16,
		.host_ia32_pkrs = 5,
	};
}

static const struct host_state_before before = {
	.cr0 = 0x60000011, /* real mode with caches off */
	.efer = 0x801,
};

static void segment(const struct l1_segment *s, u16 selector, u64 base, u32 limit, u32 rights,
		    const char *name)
{
	ok(s->selector == selector && s->base == base && s->limit == limit &&
		   s->access_rights == rights,
	   "%s: 0x%x 0x%llx 0x%x 0x%x", name, s->selector, s->base, s->limit, s->access_rights);
}

static void test_64bit(void)
{
	struct vmcs12 v = filled(EXIT_HOST_ADDRESS_SPACE_SIZE);
	struct host_state s;

	memset(&s, 0x5a, sizeof(s));
	host_state_compute(&v, &caps, &before, &s);
	is_u64(s.cr0, 0xe0050033, "CR0 keeps CD and NW");
	is_u64(s.cr3, 0x12345018, "CR3 cut to the physical width");
	is_u64(s.cr4, 0x226f0, "CR4");
	is_u64(s.efer, 0xd01, "EFER: LME and LMA by the address-space size, NXE and SCE stay");
	is_u64(s.dr7, 0x400, "DR7");
	is_u64(s.debugctl, 0, "DEBUGCTL");
	is_u64(s.rflags, 2, "RFLAGS");
	is_u64(s.rip, v.host_rip, "RIP");
	is_u64(s.rsp, v.host_rsp, "RSP");
	is_u64(s.sysenter_cs, 0x10, "SYSENTER_CS");
	is_u64(s.sysenter_esp, v.host_ia32_sysenter_esp, "SYSENTER_ESP");
	is_u64(s.sysenter_eip, v.host_ia32_sysenter_eip, "SYSENTER_EIP");
	ok(!s.loads_pat && !s.loads_perf_global_ctrl && !s.loads_pkrs && !s.loads_cet &&
		   !s.clears_bndcfgs && !s.clears_rtit_ctl && !s.clears_lbr_ctl && !s.clears_uinv,
	   "nothing else is loaded");
	segment(&s.segments[SEGMENT_CS], 0x10, 0, 0xffffffff, 0xa09b, "CS");
	segment(&s.segments[SEGMENT_SS], 0x18, 0, 0xffffffff, 0xc093, "SS");
	segment(&s.segments[SEGMENT_ES], 0x28, 0, 0xffffffff, 0xc093, "ES");
	segment(&s.segments[SEGMENT_DS], 0, 0, 0, 0x10000, "null DS is unusable");
	segment(&s.segments[SEGMENT_FS], 0, 0x1111, 0, 0x10000,
		"null FS is unusable with its base");
	segment(&s.segments[SEGMENT_GS], 0x30, 0x2222, 0xffffffff, 0xc093, "GS");
	segment(&s.tr, 0x40, 0x3333, 0x67, 0x8b, "TR");
	segment(&s.ldtr, 0, 0, 0, 0x10000, "LDTR");
	ok(s.gdtr_base == 0x4444 && s.idtr_base == 0x5555 && s.gdtr_limit == 0xffff &&
		   s.idtr_limit == 0xffff,
	   "GDTR and IDTR");
	ok(s.activity_state == 0 && s.pending_debug_exceptions == 0 && !s.must_load_pdptes,
	   "active, nothing pending");
}

static void test_32bit(void)
{
	struct vmcs12 v = filled(0);
	struct host_state_before b = { .cr0 = 0x80000031, .efer = 0xd01 };
	struct host_state s;

	host_state_compute(&v, &caps, &b, &s);
	is_u64(s.efer, 0x801, "EFER: L2 was 64-bit, L1 is not");
	is_u64(s.cr4, 0x226f0 & ~CR4_PCIDE, "no PCIDE");
	segment(&s.segments[SEGMENT_CS], 0x10, 0, 0xffffffff, 0xc09b, "32-bit CS");
	ok(s.must_load_pdptes, "PAE paging loads PDPTEs");
	v.host_cr4 = 0x20d0;
	host_state_compute(&v, &caps, &b, &s);
	ok(!s.must_load_pdptes, "no PAE, no PDPTEs");
	v.exit_controls = EXIT_HOST_ADDRESS_SPACE_SIZE;
	host_state_compute(&v, &caps, &b, &s);
	is_u64(s.cr4, 0x20f0, "64-bit sets PAE");
	v.host_cr4 |= CR4_PCIDE;
	host_state_compute(&v, &caps, &b, &s);
	is_u64(s.cr4, 0x220f0, "64-bit keeps PCIDE");
}

/* All four of "load IA32_EFER" and the address-space size, for every EFER of L2. */
static void test_efer(void)
{
	for (u32 n = 0; n < 64; n++) {
		u64 efer = (n & 1 ? EFER_SCE : 0) | (n & 2 ? EFER_LME : 0) |
			   (n & 4 ? EFER_LMA : 0) | (n & 8 ? EFER_NXE : 0);
		bool loads = n & 16, is_64 = n & 32;
		struct vmcs12 v = filled((loads ? EXIT_LOAD_IA32_EFER : 0U) |
					 (is_64 ? EXIT_HOST_ADDRESS_SPACE_SIZE : 0U));
		struct host_state_before b = { .cr0 = 0x80000031, .efer = efer };
		struct host_state s;
		u64 expected = (efer & 0x801) | (is_64 ? 0x500 : 0);

		v.host_ia32_efer = is_64 ? 0xd00 : 0x800;
		host_state_compute(&v, &caps, &b, &s);
		is_u64(s.efer, loads ? v.host_ia32_efer : expected, "EFER");
	}
}

/* Each "load" control has its flag and value and no other. */
static void test_loads(void)
{
	for (u32 bit = 0; bit < 32; bit++) {
		struct vmcs12 v = filled(1U << bit);
		struct host_state s;

		host_state_compute(&v, &caps, &before, &s);
		ok(s.loads_perf_global_ctrl == (bit == 12) && s.loads_pat == (bit == 19) &&
			   s.clears_bndcfgs == (bit == 23) && s.clears_rtit_ctl == (bit == 25) &&
			   s.clears_lbr_ctl == (bit == 26) && s.clears_uinv == (bit == 27) &&
			   s.loads_cet == (bit == 28) && s.loads_pkrs == (bit == 29),
		   "exit control %u", bit);
		ok(s.pat == v.host_ia32_pat && s.perf_global_ctrl == v.host_ia32_perf_global_ctrl &&
			   s.s_cet == 1 && s.ssp == 8 && s.interrupt_ssp_table == 16 && s.pkrs == 5,
		   "values");
	}
}

/* CR0: every bit of host and processor, fixed bits forced. */
static void test_cr0_bits(void)
{
	const u64 kept = 0x7ffaffd0ULL; /* 30 CD, 29 NW, 28:19, 17, 15:6, 4 ET */

	for (u32 bit = 0; bit < 32; bit++)
		for (u32 n = 0; n < 4; n++) {
			struct vmcs12 v = filled(0);
			struct host_state_before b = { .cr0 = n & 1 ? BIT(bit) : 0 };
			struct host_state s;
			bool expected;

			v.host_cr0 = n & 2 ? BIT(bit) : 0;
			host_state_compute(&v, &caps, &b, &s);
			expected =
				(0x80000021 >> bit & 1) || (kept >> bit & 1 ? n & 1 : n >> 1 & 1);
			ok((s.cr0 >> bit & 1) == expected, "CR0 bit %u, processor %u, host %u", bit,
			   n & 1, n >> 1);
		}
}

static void test_nmi_blocking(void)
{
	for (u32 n = 0; n < 64; n++) {
		struct vmcs12 v = filled(0);
		struct host_state_before b = { .interruptibility_state = n & 31,
					       .exit_is_nmi = n >> 5 };
		struct host_state s;

		v.pin_based_controls = PIN_NMI_EXITING;
		host_state_compute(&v, &caps, &b, &s);
		is_u64(s.interruptibility_state, n >> 5 ? 8 : n & 8, "blocking by NMI");
		v.pin_based_controls |= PIN_VIRTUAL_NMIS;
		host_state_compute(&v, &caps, &b, &s);
		is_u64(s.interruptibility_state, n >> 5 ? 8 : 0, "virtual blocking is not L1's");
		b.blocking_is_l1s = true;
		host_state_compute(&v, &caps, &b, &s);
		is_u64(s.interruptibility_state, n >> 5 ? 8 : n & 8, "no entry, no virtual NMIs");
	}
}

static void test_pdptes(void)
{
	for (u32 bit = 0; bit < 64; bit++)
		for (u32 i = 0; i < 4; i++) {
			u64 p[4] = { 1, 0x1001, 0x2001, 0x3001 };
			bool reserved = bit == 1 || bit == 2 || (bit >= 5 && bit <= 8) || bit >= 39;

			p[i] |= BIT(bit);
			ok(host_state_pdptes_valid(p, 39) == !reserved, "PDPTE %u bit %u", i, bit);
			p[i] &= ~1ULL;
			ok(host_state_pdptes_valid(p, 39), "a PDPTE that is not present");
		}
}

/* After a VMCS12 whose host state VMCS01 holds already only what depends on L2's exit is new:
 * the same as all of it computed again. */
static void test_update(void)
{
	struct vmcs12 v = filled(0);
	struct host_state_before first = { .cr0 = 0x80050033 }, later = first;
	struct host_state all, some;

	v.pin_based_controls = PIN_NMI_EXITING;
	v.host_cr0 = 0x80050033;
	host_state_compute(&v, &caps, &first, &some);
	later.cr0 ^= BIT(30) | BIT(29);
	later.efer = EFER_NXE | EFER_SCE;
	later.interruptibility_state = 8;
	host_state_compute(&v, &caps, &later, &all);
	ok(memcmp(&all, &some, sizeof(all)) != 0, "the exit matters");
	host_state_update(&v, &caps, &later, &some);
	ok(!memcmp(&all, &some, sizeof(all)), "an update is as good");
}

int main(void)
{
	test_update();
	test_64bit();
	test_32bit();
	test_efer();
	test_loads();
	test_cr0_bits();
	test_nmi_blocking();
	test_pdptes();
	return tap_end();
}
