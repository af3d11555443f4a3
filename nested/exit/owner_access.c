/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits that depend on the operand: control registers, ports, MSRs, VMCS fields, leaves.
 * Pure.  SDM "Instructions That Cause VM Exits Conditionally" and "Exit Qualification".
 */
#include "nested/exit/owner_access.h"

#include "xmhf/x86/cpu.h"
#include "nested/vmcs02/cr.h"
#include "nested/vmcs02/msr_bitmap.h"

/* Exit qualification for control-register accesses. */
#define CR_NUMBER      FIELD(3, 0)
#define CR_ACCESS_TYPE FIELD(5, 4)
#define CR_REGISTER    FIELD(11, 8)
#define CR_LMSW_SOURCE FIELD(31, 16)

enum cr_access_type {
	CR_MOV_TO,
	CR_MOV_FROM,
	CR_CLTS,
	CR_LMSW,
};

/* Exit qualification for I/O instructions. */
#define IO_SIZE FIELD(2, 0) /* bytes minus 1 */
#define IO_PORT FIELD(31, 16)

#define PORTS_PER_PAGE 0x8000U

/* A register of L2 as its code sees it. */
static u64 register_of(const struct owner_exit *exit, u64 number)
{
	u64 value = exit->registers[number % REGISTER_COUNT];

	return exit->l2_is_64bit_code ? value : value & low_bits(32);
}

/* One bit of a page of L1; a page that is not L1's reads as all-ones. */
static bool test_bit(const volatile u8 *page, u32 bit)
{
	return !page || (page[bit / 8] >> (bit % 8) & 1);
}

/* SDM "Changes to Instruction Behavior": a value equal to a CR3-target value does not exit. */
static bool cr3_load_exits(const struct vmcs12 *vmcs12, const struct control_words *words,
			   u64 value)
{
	const u64 targets[] = { vmcs12->cr3_target_value0, vmcs12->cr3_target_value1,
				vmcs12->cr3_target_value2, vmcs12->cr3_target_value3 };

	if (!(words->proc1 & PROC1_CR3_LOAD_EXITING))
		return false;
	for (u32 i = 0; i < vmcs12->cr3_target_count && i < ARRAY_SIZE(targets); i++)
		if (value == targets[i])
			return false;
	return true;
}

static bool mov_to_cr_exits(const struct vmcs12 *vmcs12, const struct control_words *words,
			    u64 number, u64 value)
{
	const struct cr_fields cr0 = { .mask = vmcs12->cr0_guest_host_mask,
				       .shadow = vmcs12->cr0_read_shadow };
	const struct cr_fields cr4 = { .mask = vmcs12->cr4_guest_host_mask,
				       .shadow = vmcs12->cr4_read_shadow };

	switch (number) {
	case 0:
		return cr_write_exits(cr0, value);
	case 3:
		return cr3_load_exits(vmcs12, words, value);
	case 4:
		return cr_write_exits(cr4, value);
	default:
		return words->proc1 & PROC1_CR8_LOAD_EXITING;
	}
}

bool owner_cr_access_exits(const struct vmcs12 *vmcs12, const struct control_words *words,
			   const struct owner_exit *exit)
{
	const struct cr_fields cr0 = { .mask = vmcs12->cr0_guest_host_mask,
				       .shadow = vmcs12->cr0_read_shadow };
	u64 number = field_get(exit->qualification, CR_NUMBER);
	u64 value;

	switch (field_get(exit->qualification, CR_ACCESS_TYPE)) {
	case CR_MOV_TO:
		value = register_of(exit, field_get(exit->qualification, CR_REGISTER));
		return mov_to_cr_exits(vmcs12, words, number, value);
	case CR_MOV_FROM:
		return words->proc1 &
		       (number == 3 ? PROC1_CR3_STORE_EXITING : PROC1_CR8_STORE_EXITING);
	case CR_CLTS:
		return cr_clts_exits(cr0);
	default:
		return cr_lmsw_exits(cr0, (u16)field_get(exit->qualification, CR_LMSW_SOURCE));
	}
}

bool owner_io_exits(const struct control_words *words, const struct owner_pages *pages,
		    const struct owner_exit *exit)
{
	u32 first = (u32)field_get(exit->qualification, IO_PORT);
	u32 last = first + (u32)field_get(exit->qualification, IO_SIZE);

	if (!(words->proc1 & PROC1_USE_IO_BITMAPS))
		return words->proc1 & PROC1_UNCONDITIONAL_IO_EXITING;
	if (last > 0xffff)
		return true; /* wraps around the I/O-port space */
	for (u32 port = first; port <= last; port++)
		if (test_bit(port < PORTS_PER_PAGE ? pages->io_bitmap_a : pages->io_bitmap_b,
			     port % PORTS_PER_PAGE))
			return true;
	return false;
}

bool owner_msr_exits(const struct control_words *words, const struct owner_pages *pages,
		     const struct owner_exit *exit, bool is_write)
{
	u32 bit;

	if (!(words->proc1 & PROC1_USE_MSR_BITMAPS) ||
	    !msr_bitmap_bit((u32)exit->registers[REGISTER_RCX], is_write, &bit))
		return true;
	return test_bit(pages->msr_bitmap, bit);
}

bool owner_shadowed_access_exits(const struct control_words *words, const volatile u8 *bitmap,
				 const struct owner_exit *exit)
{
	u64 encoding = register_of(exit, exit->instruction_information >> 28);

	if (!(words->proc2 & PROC2_VMCS_SHADOWING))
		return true;
	/* The bitmaps have a bit for bits 14:0 of the encoding; a larger one always exits. */
	return (encoding & ~low_bits(15)) || test_bit(bitmap, (u32)encoding);
}

bool owner_xsaves_exits(const struct vmcs12 *vmcs12, const struct control_words *words,
			const struct owner_exit *exit)
{
	u64 features = exit->registers[REGISTER_RDX] << 32 |
		       (exit->registers[REGISTER_RAX] & low_bits(32));

	return (words->proc2 & PROC2_ENABLE_XSAVES_XRSTORS) &&
	       (features & exit->ia32_xss & vmcs12->xss_exiting_bitmap);
}

bool owner_vmfunc_exits(const struct vmcs12 *vmcs12, const struct control_words *words,
			const struct owner_exit *exit)
{
	u32 function = (u32)exit->registers[REGISTER_RAX];

	if (!(words->proc2 & PROC2_ENABLE_VM_FUNCTIONS))
		return false; /* #UD in L2 */
	return function > 63 || !(vmcs12->vm_function_controls >> function & 1);
}

bool owner_leaf_exits(const struct vmcs12 *vmcs12, const struct control_words *words,
		      const struct owner_exit *exit, u32 reason)
{
	u64 leaf = min_u64(exit->registers[REGISTER_RAX] & low_bits(32), 63);

	switch (reason) {
	case EXIT_REASON_ENCLS:
		return (words->proc2 & PROC2_ENABLE_ENCLS_EXITING) &&
		       (vmcs12->encls_exiting_bitmap >> leaf & 1);
	case EXIT_REASON_ENCLV:
		return (words->proc2 & PROC2_ENABLE_ENCLV_EXITING) &&
		       (vmcs12->enclv_exiting_bitmap >> leaf & 1);
	default:
		return (words->proc2 & PROC2_ENABLE_PCONFIG) &&
		       (vmcs12->pconfig_exiting_bitmap >> leaf & 1);
	}
}
