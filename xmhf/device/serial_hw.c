/* SPDX-License-Identifier: BSD-2-Clause */
/* A 16550 UART, polled, output only. */
#include "xmhf/device/serial_hw.h"

#include "xmhf/x86/insn.h"

#define UART_CLOCK	   115200
#define UART_DATA	   0
#define UART_IER	   1
#define UART_FCR	   2
#define UART_LCR	   3
#define UART_MCR	   4
#define UART_LSR	   5
#define UART_LCR_DLAB	   0x80
#define UART_LCR_8N1	   0x03
#define UART_FCR_ENABLE	   0x07
#define UART_MCR_DTR_RTS   0x03
#define UART_LSR_THR_EMPTY 0x20
#define READY_TRIES	   100000

static u16 serial_port;

void serial_init(u16 port, u32 baud)
{
	u16 divisor = (u16)(UART_CLOCK / (baud ? baud : UART_CLOCK));

	serial_port = port;
	outb(port + UART_IER, 0);
	outb(port + UART_LCR, UART_LCR_DLAB);
	outb(port + UART_DATA, (u8)divisor);
	outb(port + UART_IER, (u8)(divisor >> 8));
	outb(port + UART_LCR, UART_LCR_8N1);
	outb(port + UART_FCR, UART_FCR_ENABLE);
	outb(port + UART_MCR, UART_MCR_DTR_RTS);
}

void serial_put(char c)
{
	for (unsigned int i = 0; i < READY_TRIES; i++) {
		if (inb(serial_port + UART_LSR) & UART_LSR_THR_EMPTY)
			break;
	}
	outb(serial_port + UART_DATA, (u8)c);
}
