/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A triple fault resets the machine: the first time this program runs it takes one, the
 * second time it finds its mark in the clock chip's memory.
 */
#include "xmhf/test/l1/frame.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71
#define CMOS_MARK  0x7d
#define MARK	   0x5a

void test_main(void)
{
	struct __attribute__((packed)) {
		u16 limit;
		u32 base;
	} nothing = { 0, 0 };

	port_write(CMOS_INDEX, CMOS_MARK);
	if (port_read(CMOS_DATA) == MARK) {
		port_write(CMOS_INDEX, CMOS_MARK);
		port_write(CMOS_DATA, 0);
		ok(true, "the machine came up again after a triple fault");
		return;
	}
	port_write(CMOS_INDEX, CMOS_MARK);
	port_write(CMOS_DATA, MARK);
	say("now the triple fault");
	__asm__ volatile("lidt %0; ud2" : : "m"(nothing));
}
