/* SPDX-License-Identifier: BSD-2-Clause */
/* Model-specific registers: numbers and bits.  SDM volume 4 and volume 3. */
#pragma once

#include "xmhf/lib/bits.h"

enum msr {
#define MSR(number, name) MSR_##name = (number),
#include "xmhf/x86/msrs.def"
#undef MSR
};

#define FEATURE_CONTROL_LOCK	     BIT(0)
#define FEATURE_CONTROL_VMXON_IN_SMX BIT(1)
#define FEATURE_CONTROL_VMXON	     BIT(2)

#define APIC_BASE_BSP	  BIT(8)
#define APIC_BASE_X2APIC  BIT(10)
#define APIC_BASE_ENABLE  BIT(11)
#define APIC_BASE_ADDRESS FIELD(51, 12)

#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)

#define MISC_ENABLE_NO_BTS     BIT(11)
#define MISC_ENABLE_NO_PEBS    BIT(12)
#define MISC_ENABLE_XD_DISABLE BIT(34)

#define DEBUGCTL_LBR		 BIT(0)
#define DEBUGCTL_BTF		 BIT(1)
#define DEBUGCTL_BUS_LOCK_DETECT BIT(2)
#define DEBUGCTL_RESERVED	 FIELD(5, 3)
#define DEBUGCTL_RTM		 BIT(15)

/* IA32_S_CET and IA32_U_CET */
#define CET_RESERVED FIELD(9, 6)
#define CET_SUPPRESS BIT(10)
#define CET_TRACKER  BIT(11)

/* Bits that no processor defines: SDM volume 4. */
#define BNDCFGS_RESERVED  FIELD(11, 2)
#define RTIT_CTL_RESERVED (BIT(18) | BIT(23) | FIELD(30, 28) | FIELD(54, 48) | FIELD(63, 57))
#define LBR_CTL_RESERVED  (FIELD(15, 4) | FIELD(63, 23))

/** The memory types of MTRRs, PAT and EPT. */
enum memory_type {
	MEMORY_TYPE_UC = 0,
	MEMORY_TYPE_WC = 1,
	MEMORY_TYPE_WT = 4,
	MEMORY_TYPE_WP = 5,
	MEMORY_TYPE_WB = 6,
	MEMORY_TYPE_UC_MINUS = 7, /* PAT only */
};

/** Claim: each byte of @pat is a memory type that IA32_PAT can hold.  SDM "IA32_PAT MSR". */
static inline bool pat_is_valid(u64 pat)
{
	const u32 types = BIT32(MEMORY_TYPE_UC) | BIT32(MEMORY_TYPE_WC) | BIT32(MEMORY_TYPE_WT) |
			  BIT32(MEMORY_TYPE_WP) | BIT32(MEMORY_TYPE_WB) |
			  BIT32(MEMORY_TYPE_UC_MINUS);

	for (; pat; pat >>= 8)
		if ((pat & 0xff) > MEMORY_TYPE_UC_MINUS || !(types & BIT32(pat & 0xff)))
			return false;
	return true;
}

#define MTRRCAP_VCNT FIELD(7, 0)
#define MTRRCAP_FIX  BIT(8)
#define MTRRCAP_WC   BIT(10)
#define MTRRCAP_SMRR BIT(11)

#define MTRR_DEF_TYPE_TYPE	   FIELD(7, 0)
#define MTRR_DEF_TYPE_FIXED_ENABLE BIT(10)
#define MTRR_DEF_TYPE_ENABLE	   BIT(11)
#define MTRR_PHYSBASE_TYPE	   FIELD(7, 0)
#define MTRR_PHYSMASK_VALID	   BIT(11)

/* MSR bitmap: four kibibytes-sized quarters.  SDM "MSR-Bitmap Address". */
#define MSR_BITMAP_READ_LOW    0x000
#define MSR_BITMAP_READ_HIGH   0x400
#define MSR_BITMAP_WRITE_LOW   0x800
#define MSR_BITMAP_WRITE_HIGH  0xc00
#define MSR_BITMAP_HIGH_FIRST  0xc0000000U
#define MSR_BITMAP_RANGE_COUNT 0x2000U

/* IA32_PRED_CMD: SDM "Indirect Branch Prediction Barrier (IBPB)". */
#define PRED_CMD_IBPB BIT(0)
