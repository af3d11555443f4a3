/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text out.  The serial port is the report (a polled character costs thousands of
 * ticks); port 0xE9 takes the bulk (one tick a character) and everything the serial
 * port gets.
 */
#pragma once

#include "xmhf/lib/types.h"

/** Sets COM1 to 115200 baud, 8N1, polled.  @vga also writes to the text screen. */
void console_init(bool vga);

/** Formats to the serial port, port 0xE9 and, if chosen, the screen. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Formats to port 0xE9 only. */
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Sends all that trace() gets also to the serial port while @on. */
void console_trace_to_serial(bool on);

/** This CPU will not return to what it was printing, if it was. */
void console_let_go(void);

/** Keeps the first @rows lines of the screen for strips; does nothing without a screen. */
void console_keep_strips(unsigned int rows);

/** Writes strip @row of the screen: a line that does not scroll, one for each CPU. */
void console_strip(unsigned int row, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Traces what the screen's memory holds in its strips. */
void console_trace_strips(void);

/** Waits until the serial port has sent its last bit. */
void console_flush(void);
