/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbered random VM entries, one line of outcome each: run natively and through L0 on
 * the same image, the lines must be the same.
 *
 *   D <number> <kind> <changes> | <outcome> | <ticks>
 *
 * The outcome is `unavailable` if this processor lacks a field or control of the case.
 * Lines `C <control field> <must> <may>` before tell which control bits there are.
 *
 * The first cases flip every single bit of every field that may be flipped; the
 * others follow from seed and number.
 */
#pragma once

#include "lhv/vm/vm.h"

#define VMDIFF_CHANGES 4

struct vmdiff_change {
	u32 encoding;
	u64 flip;
};

enum vmdiff_kind {
	VMDIFF_FLIP,	/* one bit of one field */
	VMDIFF_RULE,	/* bits of fields that one rule of the SDM names together */
	VMDIFF_MODE,	/* bits of guest state in another mode of L2 */
	VMDIFF_PROGRAM, /* random intercepts and a random program */
};

struct vmdiff_case {
	enum vmdiff_kind kind;
	enum l2_mode mode;
	unsigned int changes;
	struct vmdiff_change change[VMDIFF_CHANGES];
	unsigned int program; /* VMDIFF_PROGRAM */
	u32 primary, secondary;
	u8 bitmap;
};

/** Makes case @number of @seed. */
void vmdiff_make(u64 seed, u64 number, struct vmdiff_case *c);

/** How many single-bit cases there are; the first numbers. */
u64 vmdiff_flip_count(void);

/** Bits of a field, there or not, whose flip cannot take L1 or the emulator down. */
u64 vmdiff_flippable(u32 encoding);

/** EPT that maps nothing but what L2's programs need; the EPTP. */
u64 vmdiff_ept(void);

/**
 * A page of VMCALLs: an L2 that begins or goes astray anywhere in it ends at once.  Bochs 3.0 has
 * no interrupt end an L2 that was entered with IF = 0, so it must not find a loop.
 */
const u8 *vmdiff_vmcall(void);

/** Puts the program number @program where vmdiff_code() says; returns its start. */
const u8 *vmdiff_code(unsigned int program);
unsigned int vmdiff_program_count(void);

/** Runs what the command line asks for and stops the machine. */
_Noreturn void vmdiff_run(void);
