/* SPDX-License-Identifier: BSD-2-Clause */
/* Installs the 16-bit stub. */
#include "xmhf/vmexit/bios_stub.h"

#include "xmhf/lib/string.h"
#include "xmhf/memory/physmap.h"

#define BASE_MEMORY_KIB 0x413 /* word in the BIOS data area */
#define INT15_VECTOR	(0x15 * 4)

static void *low_memory(u32 address, u64 size)
{
	return (void *)(uptr)physmap_view(address, size);
}

u16 bios_stub_install(u8 drive, u16 serial_port)
{
	void *base_memory = low_memory(BASE_MEMORY_KIB, 2);
	struct bios_stub_data *data;
	u16 kib, segment;

	memcpy(&kib, base_memory, sizeof(kib)); /* at an odd address */
	kib--;
	memcpy(base_memory, &kib, sizeof(kib));
	segment = (u16)(kib * (BIOS_STUB_SIZE / 16));
	data = low_memory(segment * 16U, BIOS_STUB_SIZE);
	memcpy(data, bios_stub_start, (size_t)(bios_stub_end - bios_stub_start));
	data->drive = drive;
	data->serial_port = serial_port;
	return segment;
}

void bios_stub_hook_int15(u16 segment)
{
	struct bios_stub_data *data = low_memory(segment * 16U, BIOS_STUB_SIZE);
	u16 *vector = low_memory(INT15_VECTOR, 4);

	data->old_int15_offset = vector[0];
	data->old_int15_segment = vector[1];
	vector[0] = bios_stub_offset(bios_stub_int15_entry);
	vector[1] = segment;
}
