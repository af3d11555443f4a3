/* SPDX-License-Identifier: BSD-2-Clause */
/* The log and its sinks.  Shared between CPUs under one lock, which a panic ignores. */
#include "xmhf/device/log.h"

#include "xmhf/cpu/percpu.h"
#include "xmhf/device/serial_hw.h"
#include "xmhf/device/vga_text_hw.h"
#include "xmhf/lib/format.h"
#include "xmhf/x86/spinlock.h"

#define LINE_SIZE 224

static struct spinlock lock;
static unsigned int sinks = LOG_TO_RING;
static bool panicking;
static char ring[LOG_RING_SIZE];
static unsigned int ring_next;

void log_set_sinks(unsigned int new_sinks)
{
	sinks = new_sinks;
}

void log_release_vga(void)
{
	sinks &= ~LOG_TO_VGA;
}

void log_enter_panic(void)
{
	panicking = true;
}

const char *log_ring(unsigned int *start)
{
	*start = ring_next % LOG_RING_SIZE;
	return ring;
}

static void put(char c)
{
	if (sinks & LOG_TO_RING)
		ring[ring_next++ % LOG_RING_SIZE] = c;
	if (sinks & LOG_TO_SERIAL) {
		if (c == '\n')
			serial_put('\r');
		serial_put(c);
	}
	if (sinks & LOG_TO_VGA)
		vga_text_put(c);
}

void log_raw(const char *text)
{
	if (!panicking)
		spin_lock(&lock);
	while (*text)
		put(*text++);
	if (!panicking)
		spin_unlock(&lock);
}

void log_line(const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;
	int n;

	n = format_text(line, sizeof(line), "CPU(0x%02x): ", this_cpu_id());
	va_start(args, format);
	n += format_text_v(line + n, sizeof(line) - (size_t)n - 1, format, args);
	va_end(args);
	if (n > LINE_SIZE - 2)
		n = LINE_SIZE - 2;
	line[n] = '\n';
	line[n + 1] = '\0';
	log_raw(line);
}
