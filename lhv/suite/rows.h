/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VM-entry rows: a golden state, a few changes, one expected outcome.  A row whose
 * controls this processor does not allow is skipped.
 */
#pragma once

#include "lhv/suite/case.h"

enum row_operation {
	ROW_END,
	ROW_SET,     /* field = value */
	ROW_OR,	     /* field |= value */
	ROW_CLEAR,   /* field &= ~value */
	ROW_XOR,     /* field ^= value */
	ROW_BEYOND,  /* field |= the lowest bit beyond the physical-address width, + value */
	ROW_ON,	     /* control word .encoding |= value; must be allowed */
	ROW_OFF,     /* control word .encoding &= ~value; must be allowed */
	ROW_FORCE,   /* control word .encoding |= value, allowed or not */
	ROW_HAS,     /* the processor has the bits of control word .encoding; no change */
	ROW_LACKS,   /* the processor lacks one of them; no change */
	ROW_MISC,    /* IA32_VMX_MISC has the bits of value; no change */
	ROW_NO_MISC, /* IA32_VMX_MISC lacks them; no change */
	ROW_PAGE,    /* field = address of a zeroed page (+ value) */
};

enum row_expectation {
	ROW_ENTERS,	  /* and L2's program exits by VMCALL, or by .detail if not 0 */
	ROW_FAILS_7,	  /* VMfailValid, invalid control */
	ROW_FAILS_8,	  /* VMfailValid, invalid host state */
	ROW_FAILS_7_OR_8, /* a check whose section names no number */
	ROW_FAILS_33,	  /* VM-entry failure due to invalid guest state, qualification .detail */
	ROW_FAILS_34,	  /* due to MSR loading, qualification .detail */
	ROW_SURVIVES,	  /* enters, exit reason .detail */
};

struct row_change {
	enum row_operation operation;
	u32 encoding; /* of a field, or enum vmx_control_word */
	u64 value;
};

struct entry_row {
	const char *name;
	enum row_expectation expect;
	u64 detail;
	enum l2_mode mode; /* L2_LONG stands for the native mode */
	struct row_change change[6];
};

#define SET(field, v)                    \
	{                                \
		ROW_SET, VMCS_##field, v \
	}
#define OR(field, v)                    \
	{                               \
		ROW_OR, VMCS_##field, v \
	}
#define CLEAR(field, v)                    \
	{                                  \
		ROW_CLEAR, VMCS_##field, v \
	}
#define XOR(field, v)                    \
	{                                \
		ROW_XOR, VMCS_##field, v \
	}
#define BEYOND(field, v)                    \
	{                                   \
		ROW_BEYOND, VMCS_##field, v \
	}
#define PAGE(field, v)                    \
	{                                 \
		ROW_PAGE, VMCS_##field, v \
	}
#define ON(word, bits)                        \
	{                                     \
		ROW_ON, VMX_WORD_##word, bits \
	}
#define OFF(word, bits)                        \
	{                                      \
		ROW_OFF, VMX_WORD_##word, bits \
	}
#define FORCE(word, bits)                        \
	{                                        \
		ROW_FORCE, VMX_WORD_##word, bits \
	}
#define HAS(word, bits)                        \
	{                                      \
		ROW_HAS, VMX_WORD_##word, bits \
	}
#define LACKS(word, bits)                        \
	{                                        \
		ROW_LACKS, VMX_WORD_##word, bits \
	}
#define MISC(bits)                \
	{                         \
		ROW_MISC, 0, bits \
	}
#define NO_MISC(bits)                \
	{                            \
		ROW_NO_MISC, 0, bits \
	}

#define NONCANONICAL 0x0000800000000000ULL

/** Runs one row: the outcome, and that the golden state still enters afterwards. */
void entry_row_run(const struct entry_row *row);
