/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading Multiboot information.  Everything is copied out of the loader's memory in
 * pieces of known size; lengths found there only ever end a loop earlier.
 */
#include "xmhf/device/multiboot.h"

#include "xmhf/lib/string.h"
#include "xmhf/memory/physmap.h"
#include "xmhf/x86/multiboot.h"

/* More than any loader needs; bounds the loops over damaged information. */
#define INFO_SIZE_MAX MIB
#define MMAP_SIZE_MAX (64 * KIB)

static const char *const NOT_READABLE = "boot information lies outside of memory";

static bool read(u64 address, void *out, u64 size)
{
	const void *in = physmap_view(address, size);

	if (in)
		memcpy(out, in, size);
	return in;
}

/*
 * Copies the string at @address, at most @limit bytes of it, to @out of @size bytes.
 * Control characters become blanks: the text is printed and searched for words.
 */
static bool read_string(u64 address, u64 limit, char *out, u64 size, bool *truncated)
{
	u64 i;

	*truncated = false;
	for (i = 0; i < limit; i++) {
		u8 c;

		if (!read(address + i, &c, 1))
			return false;
		if (!c)
			break;
		if (i == size - 1) {
			*truncated = true;
			break;
		}
		out[i] = c < ' ' || c == 0x7f ? ' ' : (char)c;
	}
	out[i] = '\0';
	return true;
}

static bool read_cmdline(struct boot_info *info, u64 address, u64 limit)
{
	return read_string(address, limit, info->cmdline, sizeof(info->cmdline),
			   &info->cmdline_truncated);
}

static bool read_loader_name(struct boot_info *info, u64 address, u64 limit)
{
	bool truncated;

	return read_string(address, limit, info->loader_name, sizeof(info->loader_name),
			   &truncated);
}

static const char *add_range(struct boot_info *info, u64 base, u64 size, u32 type)
{
	switch (memory_map_add(&info->map, base, size, type)) {
	case MEMORY_MAP_FULL:
		return "memory map has too many ranges";
	case MEMORY_MAP_EMPTY:
	case MEMORY_MAP_WRAPS:
		info->ignored_ranges++;
		break;
	case MEMORY_MAP_OK:
		break;
	}
	return NULL;
}

/* What BIOS call 88h knows; for loaders that give no map.  Sizes in KiB. */
static const char *add_basic_memory(struct boot_info *info, u32 lower, u32 upper)
{
	const char *error = add_range(info, 0, lower * KIB, MEMORY_RAM);

	return error ? error : add_range(info, MIB, upper * KIB, MEMORY_RAM);
}

static const char *read_mmap1(struct boot_info *info, const struct multiboot1_info *mbi)
{
	u64 address = mbi->mmap_addr;
	u64 end = address + mbi->mmap_length;

	if (mbi->mmap_length > MMAP_SIZE_MAX)
		return "Multiboot 1 memory map is too long";
	while (address < end) {
		struct multiboot1_mmap_entry entry;
		const char *error;

		if (!read(address, &entry, sizeof(entry)))
			return NOT_READABLE;
		if (entry.size < sizeof(entry) - sizeof(entry.size))
			return "Multiboot 1 memory map has an entry that is too short";
		if (sizeof(entry.size) + (u64)entry.size > end - address)
			return "Multiboot 1 memory map ends inside an entry";
		error = add_range(info, (u64)entry.base_high << 32 | entry.base_low,
				  (u64)entry.length_high << 32 | entry.length_low, entry.type);
		if (error)
			return error;
		address += sizeof(entry.size) + entry.size;
	}
	return NULL;
}

static const char *parse1(u64 address, struct boot_info *info)
{
	struct multiboot1_info mbi;

	info->multiboot_version = 1;
	if (!read(address, &mbi, sizeof(mbi)))
		return NOT_READABLE;
	if (mbi.flags & MULTIBOOT1_INFO_BOOT_DEVICE)
		info->boot_drive = (int)field_get(mbi.boot_device, MULTIBOOT1_BOOT_DRIVE);
	if (mbi.flags & MULTIBOOT1_INFO_CMDLINE && !read_cmdline(info, mbi.cmdline, ~0ULL))
		return NOT_READABLE;
	if (mbi.flags & MULTIBOOT1_INFO_LOADER_NAME &&
	    !read_loader_name(info, mbi.boot_loader_name, ~0ULL))
		return NOT_READABLE;
	if (mbi.flags & MULTIBOOT1_INFO_MMAP)
		return read_mmap1(info, &mbi);
	if (mbi.flags & MULTIBOOT1_INFO_MEMORY)
		return add_basic_memory(info, mbi.mem_lower, mbi.mem_upper);
	return NULL;
}

/* A tag of Multiboot 2: what follows its header. */
struct tag {
	u32 type;
	u64 address, size;
};

static const char *read_mmap2(struct boot_info *info, const struct tag *tag)
{
	struct multiboot2_mmap mmap;
	u64 left;

	if (tag->size < sizeof(mmap) || !read(tag->address, &mmap, sizeof(mmap)))
		return "Multiboot 2 memory map is too short";
	if (mmap.entry_size < sizeof(struct multiboot2_mmap_entry))
		return "Multiboot 2 memory map has entries that are too short";
	for (left = tag->size - sizeof(mmap); left >= mmap.entry_size; left -= mmap.entry_size) {
		struct multiboot2_mmap_entry entry;
		const char *error;

		if (!read(tag->address + tag->size - left, &entry, sizeof(entry)))
			return NOT_READABLE;
		error = add_range(info, entry.base, entry.length, entry.type);
		if (error)
			return error;
	}
	return left ? "Multiboot 2 memory map ends inside an entry" : NULL;
}

static const char *read_tag2(struct boot_info *info, const struct tag *tag,
			     struct multiboot2_basic_memory *basic)
{
	struct multiboot2_boot_device device;

	switch (tag->type) {
	case MULTIBOOT2_TAG_CMDLINE:
		return read_cmdline(info, tag->address, tag->size) ? NULL : NOT_READABLE;
	case MULTIBOOT2_TAG_LOADER_NAME:
		return read_loader_name(info, tag->address, tag->size) ? NULL : NOT_READABLE;
	case MULTIBOOT2_TAG_BASIC_MEMORY:
		if (tag->size < sizeof(*basic) || !read(tag->address, basic, sizeof(*basic)))
			return "Multiboot 2 memory size is too short";
		return NULL;
	case MULTIBOOT2_TAG_BOOT_DEVICE:
		if (tag->size < sizeof(device) || !read(tag->address, &device, sizeof(device)))
			return "Multiboot 2 boot device is too short";
		info->boot_drive = device.biosdev <= 0xff ? (int)device.biosdev : -1;
		return NULL;
	case MULTIBOOT2_TAG_MMAP:
		return read_mmap2(info, tag);
	case MULTIBOOT2_TAG_ACPI_OLD:
		if (!info->rsdp)
			info->rsdp = tag->address;
		return NULL;
	case MULTIBOOT2_TAG_ACPI_NEW:
		info->rsdp = tag->address;
		return NULL;
	default:
		return NULL;
	}
}

static const char *parse2(u64 address, struct boot_info *info)
{
	struct multiboot2_basic_memory basic = { 0, 0 };
	struct multiboot2_info header;
	struct multiboot2_tag raw;
	u64 end;

	info->multiboot_version = 2;
	if (!is_aligned(address, MULTIBOOT2_TAG_ALIGN))
		return "Multiboot 2 information is not aligned";
	if (!read(address, &header, sizeof(header)))
		return NOT_READABLE;
	if (header.total_size > INFO_SIZE_MAX)
		return "Multiboot 2 information is too long";
	end = address + header.total_size;
	address += sizeof(header);
	for (;;) {
		const char *error;

		if (address + sizeof(raw) > end)
			return "Multiboot 2 information has no end tag";
		if (!read(address, &raw, sizeof(raw)))
			return NOT_READABLE;
		if (raw.size < sizeof(raw) || raw.size > end - address)
			return "Multiboot 2 tag has a bad size";
		if (raw.type == MULTIBOOT2_TAG_END)
			break;
		error = read_tag2(
			info,
			&(struct tag){ raw.type, address + sizeof(raw), raw.size - sizeof(raw) },
			&basic);
		if (error)
			return error;
		address = align_up(address + raw.size, MULTIBOOT2_TAG_ALIGN);
	}
	return info->map.count ? NULL : add_basic_memory(info, basic.mem_lower, basic.mem_upper);
}

const char *multiboot_parse(u32 magic, u64 address, struct boot_info *info)
{
	const char *error;

	memset(info, 0, sizeof(*info));
	info->boot_drive = -1;
	memory_map_init(&info->map);
	if (magic == MULTIBOOT1_LOADER_MAGIC)
		error = parse1(address, info);
	else if (magic == MULTIBOOT2_LOADER_MAGIC)
		error = parse2(address, info);
	else
		error = "not started by a Multiboot loader";
	if (!error && !memory_map_total_ram(&info->map))
		error = "boot loader gives no memory map";
	return error;
}
