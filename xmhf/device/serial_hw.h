/* SPDX-License-Identifier: BSD-2-Clause */
/* A 16550 UART, polled, output only. */
#pragma once

#include "xmhf/lib/types.h"

/** Sets the UART at I/O port @port to @baud, 8 bits, no parity. */
void serial_init(u16 port, u32 baud);

/** Sends one character; gives up on a UART that never gets ready (there may be none). */
void serial_put(char c);
