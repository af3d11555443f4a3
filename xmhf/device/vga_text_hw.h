/* SPDX-License-Identifier: BSD-2-Clause */
/* The VGA text screen, written until L1 owns it. */
#pragma once

#include "xmhf/lib/types.h"

/** Writes one character at the end of the text screen, scrolling as needed. */
void vga_text_put(char c);
