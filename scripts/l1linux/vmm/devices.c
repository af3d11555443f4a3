/* SPDX-License-Identifier: BSD-2-Clause */
/* The ports of the guest: a serial port that prints lines, and one that ends the guest. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <x86intrin.h>

#include "vmm.h"

enum { UART_DATA, UART_IER, UART_IIR, UART_LCR, UART_MCR, UART_LSR, UART_MSR, UART_SCRATCH };

#define IER_TRANSMIT   2u
#define IIR_FIFO       0xc0u
#define IIR_NONE       1u
#define IIR_TRANSMIT   2u
#define LCR_DIVISOR    0x80u
#define LSR_EMPTY      0x60u
#define MSR_READY      0xb0u
#define LINE_SIZE      256u
#define CMOS_DATA_PORT 0x71u
#define USERSPACE      "L2 userspace" /* the first line of the guest's /init */
#define PM_ENABLE      2u	      /* the status register before it stays 0 */

static struct {
	u8 ier, lcr, mcr, scratch, divisor[2];
	bool emptied; /* since the last time the guest was told */
} uart;

static u8 pm[PM_PORTS_N];

static char line[LINE_SIZE];
static size_t line_used;

void device_flush(void)
{
	if (line_used)
		printf("L2| %.*s\n", (int)line_used, line);
	if (line_used == strlen(USERSPACE) && memcmp(line, USERSPACE, line_used) == 0)
		printf("PROBE l2-userspace tsc=%llu\n", __rdtsc());
	line_used = 0;
	fflush(stdout);
}

static void print(char c)
{
	if (c == '\n' || line_used == LINE_SIZE)
		device_flush();
	if (c != '\n' && c != '\r')
		line[line_used++] = c;
}

static void set_interrupt(const struct vm *vm)
{
	struct kvm_irq_level irq = { .irq = UART_IRQ,
				     .level = uart.emptied && (uart.ier & IER_TRANSMIT) };

	must_ioctl(vm->fd, KVM_IRQ_LINE, &irq, "KVM_IRQ_LINE");
}

static u8 read_iir(const struct vm *vm)
{
	if (!uart.emptied || !(uart.ier & IER_TRANSMIT))
		return IIR_FIFO | IIR_NONE;
	uart.emptied = false;
	set_interrupt(vm);
	return IIR_FIFO | IIR_TRANSMIT;
}

static u8 read_uart(const struct vm *vm, u32 offset)
{
	bool divisor = uart.lcr & LCR_DIVISOR;

	switch (offset) {
	case UART_DATA:
		return divisor ? uart.divisor[0] : 0;
	case UART_IER:
		return divisor ? uart.divisor[1] : uart.ier;
	case UART_IIR:
		return read_iir(vm);
	case UART_LCR:
		return uart.lcr;
	case UART_MCR:
		return uart.mcr;
	case UART_LSR:
		return LSR_EMPTY;
	case UART_MSR:
		return MSR_READY;
	default:
		return uart.scratch;
	}
}

static void write_uart(const struct vm *vm, u32 offset, u8 value)
{
	if ((uart.lcr & LCR_DIVISOR) && offset <= UART_IER) {
		uart.divisor[offset] = value;
		return;
	}
	switch (offset) {
	case UART_DATA:
		print((char)value);
		uart.emptied = true;
		set_interrupt(vm);
		break;
	case UART_IER:
		uart.emptied |= (value & ~uart.ier & IER_TRANSMIT) != 0;
		uart.ier = value & 0xf;
		set_interrupt(vm);
		break;
	case UART_LCR:
		uart.lcr = value;
		break;
	case UART_MCR:
		uart.mcr = value;
		break;
	case UART_SCRATCH:
		uart.scratch = value;
		break;
	}
}

/* ACPI's event enable and control registers keep what is written; nothing ever happens. */
static void write_other(u32 port, u8 value)
{
	if (port - PM_PORTS < PM_PORTS_N && port - PM_PORTS >= PM_ENABLE)
		pm[port - PM_PORTS] = value;
}

/* A clock that says nothing, ACPI's registers; all else is not there. */
static u8 read_other(u32 port)
{
	if (port - PM_PORTS < PM_PORTS_N)
		return pm[port - PM_PORTS];
	return port == CMOS_DATA_PORT ? 0 : 0xff;
}

bool device_access(struct vm *vm, struct kvm_run *run, int *status)
{
	u8 *data = (u8 *)run + run->io.data_offset;
	u32 port = run->io.port, bytes = run->io.size * run->io.count;
	bool is_uart = port - UART_PORT < 8, is_out = run->io.direction == KVM_EXIT_IO_OUT;

	if (port == EXIT_PORT && is_out) {
		*status = data[0];
		return true;
	}
	for (u32 i = 0; i < bytes; i++) {
		if (is_out && is_uart)
			write_uart(vm, port - UART_PORT, data[i]);
		else if (is_out)
			write_other(port + i, data[i]);
		else
			data[i] = is_uart ? read_uart(vm, port - UART_PORT) : read_other(port + i);
	}
	return false;
}

void device_mmio(struct kvm_run *run)
{
	if (!run->mmio.is_write)
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
}
