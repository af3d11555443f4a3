/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The default1 class of control bits: reserved as 1 unless the "true" capability MSRs say
 * that they may be 0.  SDM "Reserved Controls and Default Settings".
 */
#pragma once

#include "xmhf/lib/bits.h"

#define PIN_DEFAULT1 (BIT32(1) | BIT32(2) | BIT32(4))
#define PROC1_DEFAULT1                                                                  \
	(BIT32(1) | BIT32(4) | BIT32(5) | BIT32(6) | BIT32(8) | BIT32(13) | BIT32(14) | \
	 BIT32(15) | BIT32(16) | BIT32(26))
#define EXIT_DEFAULT1 \
	((u32)FIELD(8, 0) | BIT32(10) | BIT32(11) | BIT32(13) | BIT32(14) | BIT32(16) | BIT32(17))
#define ENTRY_DEFAULT1 ((u32)FIELD(8, 0) | BIT32(12))
