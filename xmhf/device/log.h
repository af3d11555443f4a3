/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: lines to the serial port, the VGA text screen (until L1 starts) and a ring
 * in memory.  Every line starts with the CPU, as docs/logs.md says.
 */
#pragma once

#include "xmhf/lib/types.h"

/* Where the log goes: a set. */
#define LOG_TO_SERIAL 1U
#define LOG_TO_VGA    2U
#define LOG_TO_RING   4U

#define LOG_RING_SIZE 16384

/** Chooses the sinks; a set of LOG_TO_*.  Lines before the first call go to the ring. */
void log_set_sinks(unsigned int sinks);

/** L1 owns the screen from now on. */
void log_release_vga(void);

/** Writes one line, "CPU(0x..): " before it and a line end behind; at most 200 characters. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Writes text as it is, without the CPU; used for lines other programs parse. */
void log_raw(const char *text);

/** From now on locks are ignored: called by the CPU that reports a panic. */
void log_enter_panic(void);

/** The ring: the last LOG_RING_SIZE characters; @start is the index of the oldest. */
const char *log_ring(unsigned int *start);
