/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control registers, RFLAGS, segments, exceptions, CPUID bits.  SDM volume 3
 * "System Architecture Overview" and volume 2 "CPUID".
 */
#pragma once

#include "xmhf/lib/bits.h"

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR3_PWT BIT(3)
#define CR3_PCD BIT(4)

#define CR4_VME	       BIT(0)
#define CR4_PVI	       BIT(1)
#define CR4_TSD	       BIT(2)
#define CR4_DE	       BIT(3)
#define CR4_PSE	       BIT(4)
#define CR4_PAE	       BIT(5)
#define CR4_MCE	       BIT(6)
#define CR4_PGE	       BIT(7)
#define CR4_PCE	       BIT(8)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_LA57       BIT(12)
#define CR4_VMXE       BIT(13)
#define CR4_SMXE       BIT(14)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_KL	       BIT(19)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)
#define CR4_PKE	       BIT(22)
#define CR4_CET	       BIT(23)
#define CR4_PKS	       BIT(24)
#define CR4_UINTR      BIT(25)

#define RFLAGS_CF      BIT(0)
#define RFLAGS_FIXED_1 BIT(1)
#define RFLAGS_PF      BIT(2)
#define RFLAGS_AF      BIT(4)
#define RFLAGS_ZF      BIT(6)
#define RFLAGS_SF      BIT(7)
#define RFLAGS_TF      BIT(8)
#define RFLAGS_IF      BIT(9)
#define RFLAGS_DF      BIT(10)
#define RFLAGS_OF      BIT(11)
#define RFLAGS_IOPL    FIELD(13, 12)
#define RFLAGS_NT      BIT(14)
#define RFLAGS_RF      BIT(16)
#define RFLAGS_VM      BIT(17)
#define RFLAGS_AC      BIT(18)
#define RFLAGS_VIF     BIT(19)
#define RFLAGS_VIP     BIT(20)
#define RFLAGS_ID      BIT(21)
/** Bits that are always zero: 3, 5, 15 and 63:22. */
#define RFLAGS_RESERVED (BIT(3) | BIT(5) | BIT(15) | FIELD(63, 22))

#define DR7_FIXED_1 BIT(10)
#define DR7_GD	    BIT(13)

enum exception_vector {
	VECTOR_DE = 0,
	VECTOR_DB = 1,
	VECTOR_NMI = 2,
	VECTOR_BP = 3,
	VECTOR_OF = 4,
	VECTOR_BR = 5,
	VECTOR_UD = 6,
	VECTOR_NM = 7,
	VECTOR_DF = 8,
	VECTOR_TS = 10,
	VECTOR_NP = 11,
	VECTOR_SS = 12,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
	VECTOR_MF = 16,
	VECTOR_AC = 17,
	VECTOR_MC = 18,
	VECTOR_XM = 19,
	VECTOR_VE = 20,
	VECTOR_CP = 21,
};

/* Page-fault error code. */
#define PF_ERROR_PRESENT  BIT32(0)
#define PF_ERROR_WRITE	  BIT32(1)
#define PF_ERROR_USER	  BIT32(2)
#define PF_ERROR_RESERVED BIT32(3)
#define PF_ERROR_FETCH	  BIT32(4)
#define PF_ERROR_PKEY	  BIT32(5)

/* Paging-structure entries. */
#define PTE_P	    BIT(0)
#define PTE_W	    BIT(1)
#define PTE_U	    BIT(2)
#define PTE_PWT	    BIT(3)
#define PTE_PCD	    BIT(4)
#define PTE_A	    BIT(5)
#define PTE_D	    BIT(6)
#define PTE_PS	    BIT(7)
#define PTE_G	    BIT(8)
#define PTE_NX	    BIT(63)
#define PTE_ADDRESS FIELD(51, 12)

#define PAGE_SIZE    (4 * KIB)
#define PAGE_SIZE_2M (2 * MIB)
#define PAGE_SIZE_1G GIB

/* CPUID.1 */
#define CPUID_1_ECX_DTES64     BIT32(2)
#define CPUID_1_ECX_MONITOR    BIT32(3)
#define CPUID_1_ECX_DS_CPL     BIT32(4)
#define CPUID_1_ECX_VMX	       BIT32(5)
#define CPUID_1_ECX_SMX	       BIT32(6)
#define CPUID_1_ECX_PCID       BIT32(17)
#define CPUID_1_ECX_X2APIC     BIT32(21)
#define CPUID_1_ECX_XSAVE      BIT32(26)
#define CPUID_1_ECX_OSXSAVE    BIT32(27)
#define CPUID_1_ECX_HYPERVISOR BIT32(31)
#define CPUID_1_EDX_APIC       BIT32(9)
#define CPUID_1_EDX_MTRR       BIT32(12)
#define CPUID_1_EDX_PAT	       BIT32(16)
#define CPUID_1_EDX_DS	       BIT32(21)
/* CPUID.7.0 */
#define CPUID_7_EBX_FSGSBASE  BIT32(0)
#define CPUID_7_EBX_SMEP      BIT32(7)
#define CPUID_7_EBX_INVPCID   BIT32(10)
#define CPUID_7_EBX_RTM	      BIT32(11)
#define CPUID_7_EBX_RDSEED    BIT32(18)
#define CPUID_7_EBX_SMAP      BIT32(20)
#define CPUID_7_ECX_PKU	      BIT32(3)
#define CPUID_7_ECX_OSPKE     BIT32(4)
#define CPUID_7_ECX_WAITPKG   BIT32(5)
#define CPUID_7_ECX_CET_SS    BIT32(7)
#define CPUID_7_ECX_LA57      BIT32(16)
#define CPUID_7_ECX_BUS_LOCK  BIT32(24)
#define CPUID_7_ECX_PKS	      BIT32(31)
#define CPUID_7_EDX_CET_IBT   BIT32(20)
#define CPUID_7_EDX_IBRS_IBPB BIT32(26)
/* CPUID.80000001 */
#define CPUID_80000001_EDX_NX	    BIT32(20)
#define CPUID_80000001_EDX_1G	    BIT32(26)
#define CPUID_80000001_EDX_RDTSCP   BIT32(27)
#define CPUID_80000001_EDX_LONGMODE BIT32(29)
#define CPUID_80000001_EDX_SYSCALL  BIT32(11)

/** The four registers CPUID returns. */
struct cpuid_result {
	u32 eax, ebx, ecx, edx;
};
