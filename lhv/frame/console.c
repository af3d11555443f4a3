/* SPDX-License-Identifier: BSD-2-Clause */
/* COM1 polled, port 0xE9, and the VGA text screen as plain memory. */
#include "lhv/frame/console.h"

#include "lhv/frame/cpu.h"
#include "xmhf/lib/bits.h"
#include "xmhf/lib/format.h"
#include "xmhf/x86/insn.h"

#define COM1	      0x3f8
#define COM1_IER      (COM1 + 1)
#define COM1_FCR      (COM1 + 2)
#define COM1_LCR      (COM1 + 3)
#define COM1_MCR      (COM1 + 4)
#define COM1_LSR      (COM1 + 5)
#define LCR_8N1	      0x03
#define LCR_DLAB      0x80
#define LSR_THR_EMPTY 0x20
#define LSR_IDLE      0x40
#define BULK_PORT     0xe9

#define VGA_TEXT      ((volatile u16 *)0xb8000)
#define VGA_COLUMNS   80
#define VGA_ROWS      25
#define VGA_ATTRIBUTE 0x0700
#define VGA_STRIP     0x1f00 /* white on blue */

#define LINE_MAX 512

/* The CPU that prints, 0 if none does: a lock that knows its holder. */
static volatile uptr console_holder;
static bool vga_enabled, has_bulk_port;
static bool trace_on_serial;
static unsigned int vga_position, vga_strips;

void console_init(bool vga)
{
	outb(COM1_IER, 0);
	outb(COM1_LCR, LCR_DLAB);
	outb(COM1, 1);
	outb(COM1_IER, 0);
	outb(COM1_LCR, LCR_8N1);
	outb(COM1_FCR, 0xc7);
	outb(COM1_MCR, 0x03);
	vga_enabled = vga;
	/* Bochs' port answers with its number. On another machine each character may be an exit. */
	has_bulk_port = inb(BULK_PORT) == BULK_PORT;
}

void console_flush(void)
{
	while (!(inb(COM1_LSR) & LSR_IDLE))
		cpu_relax();
}

void console_trace_to_serial(bool on)
{
	trace_on_serial = on;
}

static void serial_character(char c)
{
	while (!(inb(COM1_LSR) & LSR_THR_EMPTY))
		cpu_relax();
	outb(COM1, (u8)c);
}

static void vga_scroll(void)
{
	for (unsigned int i = VGA_COLUMNS * vga_strips; i < VGA_COLUMNS * (VGA_ROWS - 1); i++)
		VGA_TEXT[i] = VGA_TEXT[i + VGA_COLUMNS];
	for (unsigned int i = VGA_COLUMNS * (VGA_ROWS - 1); i < VGA_COLUMNS * VGA_ROWS; i++)
		VGA_TEXT[i] = VGA_ATTRIBUTE | ' ';
	vga_position -= VGA_COLUMNS;
}

static void vga_character(char c)
{
	if (c == '\n')
		vga_position += VGA_COLUMNS - vga_position % VGA_COLUMNS;
	else
		VGA_TEXT[vga_position++] = (u16)(VGA_ATTRIBUTE | (u8)c);
	if (vga_position >= VGA_COLUMNS * VGA_ROWS)
		vga_scroll();
}

static void take_console(void)
{
	uptr nobody = 0;

	while (!__atomic_compare_exchange_n(&console_holder, &nobody, (uptr)cpu_self(), false,
					    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		nobody = 0;
		cpu_relax();
	}
}

static void release_console(void)
{
	__atomic_store_n(&console_holder, 0, __ATOMIC_RELEASE);
}

void console_let_go(void)
{
	if (console_holder == (uptr)cpu_self())
		release_console();
}

static void put_text(const char *text, bool serial)
{
	take_console();
	for (; *text; text++) {
		if (has_bulk_port)
			outb(BULK_PORT, (u8)*text);
		if (!serial)
			continue;
		if (*text == '\n')
			serial_character('\r');
		serial_character(*text);
		if (vga_enabled)
			vga_character(*text);
	}
	release_console();
}

void report(const char *format, ...)
{
	char line[LINE_MAX];
	va_list args;

	va_start(args, format);
	format_text_v(line, sizeof(line), format, args);
	va_end(args);
	put_text(line, true);
}

void trace(const char *format, ...)
{
	char line[LINE_MAX];
	va_list args;

	va_start(args, format);
	format_text_v(line, sizeof(line), format, args);
	va_end(args);
	put_text(line, trace_on_serial);
}

void console_keep_strips(unsigned int rows)
{
	if (!vga_enabled)
		return;
	vga_strips = rows < VGA_ROWS / 2 ? rows : VGA_ROWS / 2;
	if (vga_position < VGA_COLUMNS * vga_strips)
		vga_position = VGA_COLUMNS * vga_strips;
	for (unsigned int row = 0; row < vga_strips; row++)
		console_strip(row, "CPU %u", row);
}

void console_strip(unsigned int row, const char *format, ...)
{
	char line[VGA_COLUMNS + 1];
	unsigned int column = 0;
	va_list args;

	if (row >= vga_strips)
		return;
	va_start(args, format);
	format_text_v(line, sizeof(line), format, args);
	va_end(args);
	for (; line[column]; column++)
		VGA_TEXT[row * VGA_COLUMNS + column] = (u16)(VGA_STRIP | (u8)line[column]);
	for (; column < VGA_COLUMNS; column++)
		VGA_TEXT[row * VGA_COLUMNS + column] = VGA_STRIP | ' ';
}

void console_trace_strips(void)
{
	char line[VGA_COLUMNS + 1] = "";

	for (unsigned int row = 0; row < vga_strips; row++) {
		for (unsigned int i = 0; i < VGA_COLUMNS; i++)
			line[i] = (char)VGA_TEXT[row * VGA_COLUMNS + i];
		trace("screen: %s\n", line);
	}
}
