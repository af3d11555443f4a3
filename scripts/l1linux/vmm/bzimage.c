/* SPDX-License-Identifier: BSD-2-Clause */
/* Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst): kernel, initrd, zero page. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm.h"

#define SECTOR	       512u
#define HEADER	       0x1f1u	   /* the setup header in the file and in the zero page */
#define HEADER_END     0x201u	   /* the byte that says how far it goes, less 0x202 */
#define MAGIC	       0x53726448u /* "HdrS" at 0x202 */
#define XLOADFLAGS     0x236u
#define XLF_KERNEL_64  1u
#define TYPE_OF_LOADER 0x210u
#define RAMDISK_IMAGE  0x218u
#define RAMDISK_SIZE   0x21cu
#define CMD_LINE_PTR   0x228u
#define INIT_SIZE      0x260u
#define RSDP_ADDRESS   0x70u
#define E820_COUNT     0x1e8u
#define E820_TABLE     0x2d0u
#define E820_RAM       1u
#define LOW_MEMORY_END 0x9fc00u
#define LOAD_ADDRESS   0x1000000u
#define ENTRY_64       0x200u
#define PAGE	       0x1000u
#define MOST_WORDS     2047u

static u32 get32(const u8 *at)
{
	u32 value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static void put(u8 *at, u64 value, size_t bytes)
{
	memcpy(at, &value, bytes);
}

static u64 file_size(int fd, const char *name)
{
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0)
		die("%s", name);
	return (u64)status.st_size;
}

static void read_all(int fd, const char *name, u64 from, u8 *into, u64 bytes)
{
	while (bytes > 0) {
		ssize_t got = pread(fd, into, bytes, (off_t)from);

		if (got <= 0)
			die("reading %s", name);
		from += (u64)got;
		into += got;
		bytes -= (u64)got;
	}
}

static void add_e820(u8 *zero_page, u64 start, u64 size)
{
	u8 *entry = zero_page + E820_TABLE + 20u * zero_page[E820_COUNT]++;

	put(entry, start, 8);
	put(entry + 8, size, 8);
	put(entry + 16, E820_RAM, 4);
}

/* At the top of memory, where the kernel does not unpack itself. */
static void load_initrd(struct vm *vm, u8 *zero_page, const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	u64 bytes = file_size(fd, name), at = (vm->size - bytes) & ~(u64)(PAGE - 1);

	if (at < LOAD_ADDRESS + get32(zero_page + INIT_SIZE) || bytes > vm->size) {
		errno = ENOMEM;
		die("%s beside the kernel in %llu MiB", name, (unsigned long long)vm->size >> 20);
	}
	read_all(fd, name, 0, vm->memory + at, bytes);
	close(fd);
	put(zero_page + RAMDISK_IMAGE, at, 4);
	put(zero_page + RAMDISK_SIZE, bytes, 4);
}

static void load_kernel(struct vm *vm, u8 *zero_page, const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	u64 bytes = file_size(fd, name), setup;
	u8 head[2 * SECTOR];

	read_all(fd, name, 0, head, sizeof(head));
	if (get32(head + 0x202) != MAGIC || !(head[XLOADFLAGS] & XLF_KERNEL_64)) {
		errno = ENOEXEC;
		die("%s", name);
	}
	memcpy(zero_page + HEADER, head + HEADER, 0x202u + head[HEADER_END] - HEADER);
	setup = (head[HEADER] ? head[HEADER] + 1u : 5u) * SECTOR;
	if (bytes <= setup || bytes - setup + LOAD_ADDRESS > vm->size) {
		errno = ENOMEM;
		die("%s", name);
	}
	read_all(fd, name, setup, vm->memory + LOAD_ADDRESS, bytes - setup);
	close(fd);
}

u64 bzimage_load(struct vm *vm, const char *kernel, const char *initrd, const char *cmdline)
{
	u8 *zero_page = vm->memory + ZERO_PAGE;

	memset(zero_page, 0, PAGE);
	load_kernel(vm, zero_page, kernel);
	load_initrd(vm, zero_page, initrd);
	snprintf((char *)vm->memory + CMDLINE, MOST_WORDS, "%s", cmdline);
	put(zero_page + CMD_LINE_PTR, CMDLINE, 4);
	zero_page[TYPE_OF_LOADER] = 0xff;
	put(zero_page + RSDP_ADDRESS, ACPI_RSDP, 8);
	add_e820(zero_page, 0, LOW_MEMORY_END);
	add_e820(zero_page, 0x100000, vm->size - 0x100000);
	return LOAD_ADDRESS + ENTRY_64;
}
