/* SPDX-License-Identifier: BSD-2-Clause */
/* The playground's EPT: good and random entries, changes and their end, the window to L0's memory.
 */
#include "lhv/hostile/world.h"

#include "lhv/frame/machine.h"
#include "xmhf/lib/string.h"

#define WB	     field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB)
#define FRAME_BUFFER 0xe0000000u

u64 world_good_eptp(const struct hostile *h)
{
	return world_page(h, PLAY_EPT_PML4) | field_make(EPTP_WALK_LENGTH, 3) |
	       field_make(EPTP_MEMORY_TYPE, MEMORY_TYPE_WB);
}

u64 world_eptp_in(struct hostile *h, const struct hostile *of)
{
	u64 low = field_make(EPTP_WALK_LENGTH, 3) | field_make(EPTP_MEMORY_TYPE, MEMORY_TYPE_WB);

	if (random_once_in(h, 2))
		low |= EPTP_AD;
	switch (random_below(h, 16)) {
	case 0:
		return world_hidden_address(h) | low;
	case 1:
		return world_page(of, PLAY_EPT_OTHER) | low;
	case 2:
		return world_page(of, PLAY_EPT_PML4 + (unsigned int)random_below(h, 10)) | low;
	case 3:
		return world_page(of, PLAY_DATA + (unsigned int)random_below(h, 6)) | low;
	case 4:
		return NO_RAM | low;
	case 5:
		return FAR_ADDRESS | low;
	case 6:
		return world_good_eptp(of) ^ (random_64(h) & 0xfff);
	case 7:
		return world_good_eptp(of) | BIT(facts.physical_bits);
	default:
		return world_page(of, PLAY_EPT_PML4) | low;
	}
}

u64 world_eptp(struct hostile *h)
{
	return world_eptp_in(h, h);
}

/*
 * A frame of an EPT entry, with what must go with it.  VMCS regions hold addresses of L1: with
 * the bit of a large page they cannot become a table.
 */
static u64 ept_frame(struct hostile *h, const struct hostile *of)
{
	unsigned int page;

	switch (random_below(h, 12)) {
	case 0:
	case 1:
		return world_hidden_address(h);
	case 2:
		return NO_RAM + (random_64(h) & 0xff000);
	case 3:
		return FAR_ADDRESS;
	case 4:
		return random_once_in(h, 2) ? VGA_MEMORY : FRAME_BUFFER;
	case 5:
		return BIT(facts.physical_bits - 1);
	default:
		break;
	}
	page = (unsigned int)random_below(h, PLAY_KEPT);
	if (page < PLAY_REGIONS)
		return world_page(of, page);
	if (is_aligned(world_page(of, page), PAGE_SIZE_2M))
		page++;
	return world_page(of, page) | EPT_LEAF;
}

/* No code in device memory or where nothing is: the emulator stops at a fetch from there. */
static u64 without_code(u64 entry)
{
	u64 frame = entry & EPT_ADDRESS;

	return frame < MIB || frame >= NO_RAM ? entry & ~(u64)EPT_EXECUTE : entry;
}

static u64 any_ept_entry(struct hostile *h, const struct hostile *of)
{
	u64 r = random_64(h);

	switch (r & 15) {
	case 0:
		return 0;
	case 1: /* reserved bits */
		return ept_frame(h, of) | EPT_RWX | WB | BIT(52 - 1 - (r >> 8 & 7));
	case 2: /* write without read, or a reserved memory type */
		return ept_frame(h, of) | (r >> 4 & 7) | (r >> 8 & 0x38);
	case 3:
		return align_down(world_hidden_address(h), PAGE_SIZE_2M * 8) | EPT_RWX | WB |
		       EPT_LEAF;
	case 4:
		return NO_RAM | EPT_RWX | WB | EPT_LEAF;
	case 5:
		return BIOS_ROM | EPT_READ | EPT_EXECUTE | WB;
	case 6:
		return (r & ~low_bits(12) & BIT(63)) | ept_frame(h, of) | EPT_RWX;
	default:
		return ept_frame(h, of) | (r >> 4 & 7) | (r >> 7 & 1 ? EPT_RWX : 0) | WB;
	}
}

static u64 ept_entry(struct hostile *h, const struct hostile *of)
{
	return without_code(any_ept_entry(h, of));
}

static void map_page(struct hostile *h, u64 address)
{
	u64 *pd = world_table(h, PLAY_EPT_PML4 + 2), *pt;
	unsigned int first = (unsigned int)((uptr)h->play / PAGE_SIZE_2M);
	unsigned int index = (unsigned int)(address / PAGE_SIZE_2M);

	pt = world_table(h, PLAY_EPT_TABLES + index - first);
	pd[index] = (uptr)pt | EPT_RWX;
	pt[address / PAGE_SIZE % ENTRIES] = address | EPT_RWX | WB;
}

/* The way to the playground and to the window. */
static void link_ept(struct hostile *h)
{
	u64 *pd = world_table(h, PLAY_EPT_PML4 + 2);

	world_table(h, PLAY_EPT_PML4)[0] = world_page(h, PLAY_EPT_PML4 + 1) | EPT_RWX;
	world_table(h, PLAY_EPT_PML4 + 1)[0] = (uptr)pd | EPT_RWX;
	for (unsigned int i = 0; i < PLAY_REGIONS; i++)
		map_page(h, world_page(h, i));
	pd[HOSTILE_WINDOW / PAGE_SIZE_2M] = world_page(h, PLAY_EPT_WINDOW) | EPT_RWX;
}

void world_build_ept(struct hostile *h)
{
	u64 *window = world_table(h, PLAY_EPT_WINDOW), *other = world_table(h, PLAY_EPT_OTHER);

	memset(world_table(h, PLAY_EPT_PML4), 0, (PLAY_EPT_WINDOW - PLAY_EPT_PML4) * PAGE_SIZE);
	link_ept(h);
	for (unsigned int i = 0; i < ENTRIES; i++)
		window[i] = ept_entry(h, h);
	for (unsigned int i = 0; i < 8; i++)
		other[i] = ept_entry(h, h);
	other[0] = world_table(h, PLAY_EPT_PML4)[0];
}

static void remember(struct hostile *h, u64 *at)
{
	if (h->undos < HOSTILE_UNDO)
		h->undo[h->undos++] = (struct undo){ at, *at };
}

void world_bend_ept(struct hostile *h, struct hostile *of)
{
	unsigned int page = PLAY_EPT_PML4 + (unsigned int)random_below(h, 10);
	u64 index = random_below(h, 4) ? random_below(h, ENTRIES) : random_below(h, 8);
	u64 *at;

	/* mostly an entry that is in use */
	if (page >= PLAY_EPT_TABLES && page < PLAY_EPT_WINDOW && !random_once_in(h, 4))
		index = (world_page(of, 0) / PAGE_SIZE + random_below(h, PLAY_PAGES)) % ENTRIES;
	if (page == PLAY_EPT_PML4 + 1 && !random_once_in(h, 4))
		index = 0;
	at = &world_table(of, page)[index];
	if (h == of)
		remember(h, at);
	*at = random_once_in(h, 4) ? without_code(*at ^ BIT(random_below(h, 9))) : ept_entry(h, of);
}

void world_undo(struct hostile *h)
{
	while (h->undos) {
		struct undo *u = &h->undo[--h->undos];

		*u->at = u->old;
	}
}

u64 world_window_to_hidden(struct hostile *h)
{
	world_undo(h);
	link_ept(h);
	world_build_l2_paging(h);
	world_table(h, PLAY_EPT_WINDOW)[0] = world_hidden_address(h) | EPT_RWX | WB;
	return HOSTILE_WINDOW;
}

bool world_window_stands(const struct hostile *h)
{
	const u64 *pd = world_table(h, PLAY_EPT_PML4 + 2);
	u64 code = world_page(h, PLAY_CODE), entry = world_table(h, PLAY_EPT_WINDOW)[0];
	const u64 *pt = (const u64 *)(uptr)(pd[code / PAGE_SIZE_2M] & EPT_ADDRESS);

	return (world_table(h, PLAY_EPT_PML4)[0] & EPT_ADDRESS) ==
		       world_page(h, PLAY_EPT_PML4 + 1) &&
	       (world_table(h, PLAY_EPT_PML4 + 1)[0] & EPT_ADDRESS) == (uptr)pd &&
	       (pd[HOSTILE_WINDOW / PAGE_SIZE_2M] & EPT_ADDRESS) ==
		       world_page(h, PLAY_EPT_WINDOW) &&
	       (uptr)pt >= world_page(h, PLAY_EPT_TABLES) &&
	       (uptr)pt < world_page(h, PLAY_EPT_WINDOW) &&
	       (pt[code / PAGE_SIZE % ENTRIES] & EPT_ADDRESS) == code &&
	       (entry & EPT_ADDRESS) - hostile_hidden_base < hostile_hidden_size;
}
