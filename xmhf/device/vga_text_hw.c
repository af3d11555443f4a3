/* SPDX-License-Identifier: BSD-2-Clause */
/* The VGA text screen, written until L1 owns it. */
#include "xmhf/device/vga_text_hw.h"

#include "xmhf/memory/physmap.h"
#include "xmhf/lib/string.h"

#define VGA_TEXT_ADDRESS 0xb8000
#define COLUMNS		 80
#define ROWS		 25
#define SCREEN_SIZE	 (COLUMNS * ROWS * 2)
#define ATTRIBUTE	 0x0700
#define BLANK		 (ATTRIBUTE | ' ')

static unsigned int column;

static void scroll(volatile u16 *cells)
{
	for (unsigned int i = 0; i < COLUMNS * (ROWS - 1); i++)
		cells[i] = cells[i + COLUMNS];
	for (unsigned int i = COLUMNS * (ROWS - 1); i < COLUMNS * ROWS; i++)
		cells[i] = BLANK;
	column = 0;
}

void vga_text_put(char c)
{
	volatile u16 *cells = (volatile u16 *)(uptr)physmap_view(VGA_TEXT_ADDRESS, SCREEN_SIZE);

	if (c == '\n' || column == COLUMNS)
		scroll(cells);
	if (c != '\n' && c != '\r')
		cells[COLUMNS * (ROWS - 1) + column++] = (u16)(ATTRIBUTE | (u8)c);
}
