/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/vmexit/bios_stub.c xmhf/vmexit/bios_stub.S */
/* Installing the 16-bit stub: base memory shrinks, the data is filled, INT 15h leads to it. */
#include "xmhf/vmexit/bios_stub.h"

#include <string.h>

#include "xmhf/memory/physmap.h"
#include "xmhf/test/tap.h"

#define BASE_MEMORY_KIB 0x413
#define VECTOR_15	(0x15 * 4)
#define OPCODE_VMCALL	"\x0f\x01\xc1"
#define OPCODE_CLI	0xfa

static u8 memory[0x100000];

const void *physmap_view(u64 address, u64 size)
{
	return address + size <= sizeof(memory) ? memory + address : NULL;
}

static u16 word_at(u32 address)
{
	return (u16)(memory[address] | memory[address + 1] << 8);
}

static void test_layout(void)
{
	ok(bios_stub_end - bios_stub_start <= BIOS_STUB_SIZE, "the stub fits");
	ok((size_t)(bios_stub_int15 - bios_stub_start) == sizeof(struct bios_stub_data),
	   "its data is as long as the C structure");
	ok(!memcmp(bios_stub_int15, OPCODE_VMCALL, 3), "INT 15h begins with VMCALL");
	ok(bios_stub_int15_done - bios_stub_int15 > 3 && bios_stub_boot - bios_stub_int15_done > 0,
	   "the labels are in order");
	ok(bios_stub_boot[0] == OPCODE_CLI, "the boot code is where its label says");
	ok(bios_stub_end - bios_stub_to_real_mode > 0, "so is the way to real mode");
}

static void test_install(u16 kib)
{
	struct bios_stub_data *data;
	u16 segment;

	memset(memory, 0, sizeof(memory));
	memory[BASE_MEMORY_KIB] = (u8)kib;
	memory[BASE_MEMORY_KIB + 1] = (u8)(kib >> 8);
	memcpy(memory + VECTOR_15, "\x34\x12\x00\xf0", 4);
	segment = bios_stub_install(0x81, 0x3f8);
	is_u64(word_at(BASE_MEMORY_KIB), kib - 1U, "base memory shrinks by 1 KiB");
	is_u64(segment * 16U, (kib - 1U) * 1024, "the stub lies behind it");
	data = (struct bios_stub_data *)(memory + segment * 16U);
	is_u64(data->drive, 0x81, "drive");
	is_u64(data->serial_port, 0x3f8, "serial port");
	ok(!memcmp((u8 *)data + sizeof(*data), bios_stub_int15,
		   (size_t)(bios_stub_end - bios_stub_int15)),
	   "the code is copied");
	is_u64(word_at(VECTOR_15 + 2), 0xf000, "INT 15h is still the BIOS's");
	bios_stub_hook_int15(segment);
	is_u64(word_at(VECTOR_15 + 2), segment, "INT 15h leads to the stub's segment");
	is_u64(word_at(VECTOR_15), bios_stub_offset(bios_stub_int15_entry), "and to its entry");
	is_u64(data->old_int15_segment, 0xf000, "the BIOS's segment is kept");
	is_u64(data->old_int15_offset, 0x1234, "and its offset");
}

int main(void)
{
	test_layout();
	test_install(640);
	test_install(639);
	test_install(512);
	return tap_end();
}
