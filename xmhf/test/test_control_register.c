/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/vmexit/control_register.c */
/* Which values MOV to CR0 and CR4 accepts, by the SDM's lists of #GP conditions. */
#include "xmhf/vmexit/control_register.h"

#include "xmhf/test/tap.h"

#define PROTECTED     (CR0_PE | CR0_ET)
#define PAGING	      (PROTECTED | CR0_PG)
#define ALL_OF_CR4    (~(BIT(15) | FIELD(63, 26)))
#define IN_64BIT_MODE .ia32e_mode = true, .code_64 = true, .long_mode_enabled = true
#define COMPATIBILITY .ia32e_mode = true, .long_mode_enabled = true

struct row {
	const char *what;
	bool valid;
	struct cr_write w;
};

static const struct row cr0_rows[] = {
	{ "nothing", true, { .value = CR0_ET } },
	{ "PG kept in 64-bit mode",
	  true,
	  { .value = PAGING | CR0_MP, .cr0 = PAGING, .cr4 = CR4_PAE, IN_64BIT_MODE } },
	{ "no paging with PCIDE, as before",
	  true,
	  { .value = PROTECTED, .cr0 = PROTECTED, .cr4 = CR4_PCIDE } },
	{ "PE alone", true, { .value = PROTECTED } },
	{ "PG without PE", false, { .value = CR0_PG | CR0_ET } },
	{ "PG with PE", true, { .value = PAGING, .cr0 = PROTECTED } },
	{ "NW without CD", false, { .value = PROTECTED | CR0_NW } },
	{ "NW with CD", true, { .value = PROTECTED | CR0_NW | CR0_CD } },
	{ "NE cleared", true, { .value = PAGING, .cr0 = PAGING | CR0_NE } },
	{ "bits 63:32 in 64-bit mode",
	  false,
	  { .value = PAGING | BIT(32), .cr0 = PAGING, .cr4 = CR4_PAE, IN_64BIT_MODE } },
	{ "paging with LME and PAE",
	  true,
	  { .value = PAGING, .cr0 = PROTECTED, .cr4 = CR4_PAE, .long_mode_enabled = true } },
	{ "paging with LME without PAE",
	  false,
	  { .value = PAGING, .cr0 = PROTECTED, .long_mode_enabled = true } },
	{ "paging with LME and CS.L",
	  false,
	  { .value = PAGING,
	    .cr0 = PROTECTED,
	    .cr4 = CR4_PAE,
	    .long_mode_enabled = true,
	    .code_64 = true } },
	{ "paging off in 64-bit mode",
	  false,
	  { .value = PROTECTED, .cr0 = PAGING, .cr4 = CR4_PAE, IN_64BIT_MODE } },
	{ "paging off in compatibility mode",
	  true,
	  { .value = PROTECTED, .cr0 = PAGING, .cr4 = CR4_PAE, COMPATIBILITY } },
	{ "paging off with PCIDE",
	  false,
	  { .value = PROTECTED, .cr0 = PAGING, .cr4 = CR4_PAE | CR4_PCIDE, COMPATIBILITY } },
	{ "WP off with CET", false, { .value = PAGING, .cr0 = PAGING | CR0_WP, .cr4 = CR4_CET } },
	{ "WP on with CET",
	  true,
	  { .value = PAGING | CR0_WP, .cr0 = PAGING | CR0_WP, .cr4 = CR4_CET } },
};

static const struct row cr4_rows[] = {
	{ "VMXE", true, { .value = CR4_VMXE, .cr0 = PROTECTED, .cr4_valid = ALL_OF_CR4 } },
	{ "VMXE where L1 has no VMX",
	  false,
	  { .value = CR4_VMXE, .cr0 = PROTECTED, .cr4_valid = ALL_OF_CR4 & ~CR4_VMXE } },
	{ "a reserved bit",
	  false,
	  { .value = BIT(15), .cr0 = PROTECTED, .cr4_valid = ALL_OF_CR4 } },
	{ "a reserved high bit",
	  false,
	  { .value = BIT(40), .cr0 = PROTECTED, .cr4_valid = ALL_OF_CR4 } },
	{ "PAE off in IA-32e mode",
	  false,
	  { .value = 0, .cr0 = PAGING, .cr4 = CR4_PAE, .cr4_valid = ALL_OF_CR4, IN_64BIT_MODE } },
	{ "PAE off outside",
	  true,
	  { .value = 0, .cr0 = PAGING, .cr4 = CR4_PAE, .cr4_valid = ALL_OF_CR4 } },
	{ "LA57 changed in IA-32e mode",
	  false,
	  { .value = CR4_PAE | CR4_LA57,
	    .cr0 = PAGING,
	    .cr4 = CR4_PAE,
	    .cr4_valid = ALL_OF_CR4,
	    IN_64BIT_MODE } },
	{ "LA57 kept in IA-32e mode",
	  true,
	  { .value = CR4_PAE | CR4_LA57 | CR4_VMXE,
	    .cr0 = PAGING,
	    .cr4 = CR4_PAE | CR4_LA57,
	    .cr4_valid = ALL_OF_CR4,
	    IN_64BIT_MODE } },
	{ "PCIDE outside IA-32e mode",
	  false,
	  { .value = CR4_PAE | CR4_PCIDE,
	    .cr0 = PAGING,
	    .cr4 = CR4_PAE,
	    .cr4_valid = ALL_OF_CR4 } },
	{ "PCIDE with a PCID in CR3",
	  false,
	  { .value = CR4_PAE | CR4_PCIDE,
	    .cr0 = PAGING,
	    .cr3 = 0x1001,
	    .cr4 = CR4_PAE,
	    .cr4_valid = ALL_OF_CR4,
	    IN_64BIT_MODE } },
	{ "PCIDE",
	  true,
	  { .value = CR4_PAE | CR4_PCIDE,
	    .cr0 = PAGING,
	    .cr3 = 0x1000,
	    .cr4 = CR4_PAE,
	    .cr4_valid = ALL_OF_CR4,
	    IN_64BIT_MODE } },
	{ "PCIDE kept with a PCID in CR3",
	  true,
	  { .value = CR4_PAE | CR4_PCIDE | CR4_VMXE,
	    .cr0 = PAGING,
	    .cr3 = 0x1001,
	    .cr4 = CR4_PAE | CR4_PCIDE,
	    .cr4_valid = ALL_OF_CR4,
	    IN_64BIT_MODE } },
	{ "CET without WP", false, { .value = CR4_CET, .cr0 = PAGING, .cr4_valid = ALL_OF_CR4 } },
	{ "CET with WP",
	  true,
	  { .value = CR4_CET, .cr0 = PAGING | CR0_WP, .cr4_valid = ALL_OF_CR4 } },
};

int main(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(cr0_rows); i++)
		ok(cr0_write_is_valid(&cr0_rows[i].w) == cr0_rows[i].valid, "CR0: %s is %s",
		   cr0_rows[i].what, cr0_rows[i].valid ? "valid" : "not valid");
	for (unsigned int i = 0; i < ARRAY_SIZE(cr4_rows); i++)
		ok(cr4_write_is_valid(&cr4_rows[i].w) == cr4_rows[i].valid, "CR4: %s is %s",
		   cr4_rows[i].what, cr4_rows[i].valid ? "valid" : "not valid");
	return tap_end();
}
