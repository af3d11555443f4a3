/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A snapshot of the emulator, and what a run that starts from it is given: an archive on the
 * disk that is master of the second channel, read without a driver (ATA, "READ SECTORS").
 */
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <termios.h>
#include <unistd.h>

#include "l1probe.h"

#define TEXT_PORT   0xe9
#define COMMANDS    0x170
#define COUNT	    (COMMANDS + 2)
#define LBA_LOW	    (COMMANDS + 3)
#define LBA_MIDDLE  (COMMANDS + 4)
#define LBA_HIGH    (COMMANDS + 5)
#define DEVICE	    (COMMANDS + 6)
#define STATUS	    (COMMANDS + 7)
#define CONTROL	    0x376
#define NO_IRQ	    2
#define MASTER_LBA  0xe0
#define READ	    0x20
#define BUSY	    0x80
#define DATA	    0x08
#define FAILED	    0x21 /* an error, or a device fault */
#define SECTOR	    512u
#define AT_ONCE	    256u /* written as 0 */
#define MOST_BLOCKS (1u << 28)

/* What the lab's preload waits for (lablib/bochs_preload.c). */
#define MARK "\nLAB-SNAPSHOT\n"

struct head {
	char magic[8];
	u64 bytes;
};

int take_snapshot(void)
{
	tcdrain(STDOUT_FILENO);
	if (ioperm(TEXT_PORT, 1, 1) != 0)
		return 1;
	for (const char *c = MARK; *c; c++)
		outb((unsigned char)*c, TEXT_PORT);
	return 0;
}

static bool wait_for_data(void)
{
	unsigned char status;

	do
		status = inb(STATUS);
	while (status & BUSY);
	return (status & (DATA | FAILED)) == DATA;
}

/* Up to AT_ONCE sectors from @first on. */
static bool read_sectors(u64 first, unsigned int count, unsigned char *into)
{
	if (first >= MOST_BLOCKS)
		return false;
	outb(NO_IRQ, CONTROL);
	outb((unsigned char)(MASTER_LBA | first >> 24), DEVICE);
	outb((unsigned char)count, COUNT);
	outb((unsigned char)first, LBA_LOW);
	outb((unsigned char)(first >> 8), LBA_MIDDLE);
	outb((unsigned char)(first >> 16), LBA_HIGH);
	outb(READ, STATUS);
	for (unsigned int i = 0; i < count; i++) {
		if (!wait_for_data())
			return false;
		insw(COMMANDS, into + i * SECTOR, SECTOR / 2);
	}
	return true;
}

int print_payload(void)
{
	static unsigned char buffer[AT_ONCE * SECTOR];
	struct head head;
	u64 at = 1;

	if (ioperm(COMMANDS, 8, 1) != 0 || ioperm(CONTROL, 1, 1) != 0 ||
	    !read_sectors(0, 1, buffer))
		return 1;
	memcpy(&head, buffer, sizeof(head));
	if (memcmp(head.magic, "LABPAYLD", sizeof(head.magic)) != 0)
		return 1;
	while (head.bytes > 0) {
		u64 bytes = head.bytes < sizeof(buffer) ? head.bytes : sizeof(buffer);
		unsigned int sectors = (unsigned int)((bytes + SECTOR - 1) / SECTOR);

		if (!read_sectors(at, sectors, buffer) || fwrite(buffer, bytes, 1, stdout) != 1)
			return 1;
		at += sectors;
		head.bytes -= bytes;
	}
	return fflush(stdout) != 0;
}
