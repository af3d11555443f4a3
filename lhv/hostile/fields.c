/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random values of VMCS fields, and what of them L1 would not survive.  All fields of the current
 * VMCS are known (vm->known) from the moment it is made current.
 */
#include "lhv/hostile/hostile.h"

#include "lhv/vmdiff/vmdiff.h"

#define LIST_COUNT_MAX 32
#define TIMER_MAX      100 /* in units of 32 ticks or more */
#define FLIPS_MAX      3

static u64 width_mask(enum vmcs_index i)
{
	switch (vmcs_fields[i].width) {
	case VMCS_WIDTH_16:
		return 0xffff;
	case VMCS_WIDTH_32:
		return 0xffffffff;
	default:
		return ~0ULL;
	}
}

static u64 template_of(const struct hostile *h, enum vmcs_index i)
{
	if (i == VMCS_INDEX_host_rsp)
		return (uptr)h->vm->exit_area;
	return h->templates[h->vm->mode][i];
}

/* What is known of the field, or the template's value. */
static u64 present(const struct hostile *h, enum vmcs_index i)
{
	return h->vm->known[i] ? h->vm->value[i] : template_of(h, i);
}

static u64 flip(struct hostile *h, u64 value, u64 mask)
{
	if (!mask)
		return value;
	for (u64 n = 1 + random_below(h, FLIPS_MAX); n; n--) {
		u64 bit = random_below(h, 64);

		while (!(mask & BIT(bit)))
			bit = (bit + 1) & 63;
		value ^= BIT(bit);
	}
	return value;
}

static u64 control_word(struct hostile *h, enum vmcs_index i, enum vmx_control_word word)
{
	u64 r = random_64(h);

	if (r & 1)
		return template_of(h, i) ^ BIT(r >> 1 & 31);
	return (u32)((u32)(r >> 32) & facts.word[word].may) | facts.word[word].must;
}

/* An address that the processor or L0 reads as a bitmap: ours, none, or refused. */
static u64 bitmap_address(struct hostile *h, u64 own)
{
	switch (random_below(h, 8)) {
	case 0:
		return hostile_hidden_base + (random_64(h) & 0xff000);
	case 1:
		return BIT(38);
	case 2:
		return own | (random_64(h) & 0xfff);
	case 3:
		return own | BIT(facts.physical_bits);
	default:
		return own;
	}
}

static u64 list_address(struct hostile *h, unsigned int page)
{
	u64 own = world_page(h, page);

	switch (random_below(h, 8)) {
	case 0:
		return own | (random_64(h) & 15);
	case 1:
		return own | BIT(facts.physical_bits);
	default:
		return own;
	}
}

static u64 entry_list_address(struct hostile *h)
{
	u64 own = world_page(h, PLAY_LIST_ENTRY_LOAD);

	switch (random_below(h, 4)) {
	case 0:
		return hostile_hidden_base + (random_64(h) & 0xffff0);
	case 1:
		return random_once_in(h, 2) ? BIT(38) : own + PAGE_SIZE - 16;
	case 2:
		return own | (random_64(h) & 15);
	default:
		return own;
	}
}

static u64 special(struct hostile *h, enum vmcs_index i, bool *is)
{
	*is = true;
	switch (vmcs_fields[i].encoding) {
	case VMCS_pin_based_controls:
		return control_word(h, i, VMX_WORD_PIN);
	case VMCS_processor_based_controls:
		return control_word(h, i, VMX_WORD_PROC1);
	case VMCS_secondary_processor_based_controls:
		return control_word(h, i, VMX_WORD_PROC2);
	case VMCS_exit_msr_store_count:
	case VMCS_exit_msr_load_count:
		return random_below(h, random_once_in(h, 8) ? LIST_COUNT_MAX : 4);
	case VMCS_entry_msr_load_count:
		return random_once_in(h, 16) ? random_shape(h) : random_below(h, 4);
	case VMCS_exit_msr_store_address:
		return list_address(h, PLAY_LIST_EXIT_STORE);
	case VMCS_exit_msr_load_address:
		return list_address(h, PLAY_LIST_EXIT_LOAD);
	case VMCS_entry_msr_load_address:
		return entry_list_address(h);
	case VMCS_msr_bitmap_address:
		return bitmap_address(h, world_page(h, PLAY_MSR_BITMAP));
	case VMCS_io_bitmap_a_address:
		return bitmap_address(h, world_page(h, PLAY_IO_BITMAPS));
	case VMCS_io_bitmap_b_address:
		return bitmap_address(h, world_page(h, PLAY_IO_BITMAPS + 1));
	case VMCS_eptp:
		return world_eptp(h);
	case VMCS_vmcs_link_pointer:
		return random_once_in(h, 2) ? ~0ULL : world_wild_address(h);
	case VMCS_executive_vmcs_pointer:
	case VMCS_virtual_apic_address:
	case VMCS_apic_access_address:
	case VMCS_posted_interrupt_descriptor_address:
	case VMCS_pml_address:
	case VMCS_eptp_list_address:
	case VMCS_vmread_bitmap_address:
	case VMCS_vmwrite_bitmap_address:
	case VMCS_virtualization_exception_information_address:
		return world_wild_address(h);
	case VMCS_guest_activity_state:
		return random_once_in(h, 4) ? random_shape(h) | 4 : random_below(h, 2);
	case VMCS_guest_rip:
		return random_once_in(h, 4) ? random_shape(h) : present(h, i) + random_below(h, 64);
	default:
		*is = false;
		return 0;
	}
}

u64 field_choose(struct hostile *h, enum vmcs_index i)
{
	u32 encoding = vmcs_fields[i].encoding;
	bool is;
	u64 value = special(h, i, &is);

	if (is)
		return value & width_mask(i);
	switch (vmcs_encoding_type(encoding)) {
	case VMCS_TYPE_READ_ONLY:
		return random_shape(h) & width_mask(i);
	case VMCS_TYPE_HOST:
		if (!random_once_in(h, 4))
			return template_of(h, i);
		return flip(h, template_of(h, i), vmdiff_flippable(encoding));
	case VMCS_TYPE_CONTROL:
		if (encoding == VMCS_exit_controls || encoding == VMCS_entry_controls ||
		    random_once_in(h, 2))
			return flip(h, present(h, i), width_mask(i));
		return random_shape(h) & width_mask(i);
	default:
		if (random_once_in(h, 4))
			return random_shape(h) & width_mask(i);
		return flip(h, present(h, i), width_mask(i));
	}
}

bool field_write(struct hostile *h, enum vmcs_index i, u64 value)
{
	u32 encoding = vmcs_fields[i].encoding;
	bool ok = vmwrite_checked(encoding, (uptr)value) == VMX_SUCCEED;

	if (!h->vm)
		return ok;
	h->vm->known[i] = ok;
	h->vm->value[i] = value;
	if (vmcs_encoding_type(encoding) == VMCS_TYPE_HOST && value != template_of(h, i))
		h->host_bent = true;
	return ok;
}

static bool is_guest(enum vmcs_index i)
{
	return vmcs_encoding_type(vmcs_fields[i].encoding) == VMCS_TYPE_GUEST;
}

static void put(struct hostile *h, enum vmcs_index i, u64 value)
{
	if (h->vm->known[i] && h->vm->value[i] == value)
		return;
	field_write(h, i, value);
}

/* What L2 changes in every stay, or what it could not run with. */
static bool is_restless(enum vmcs_index i)
{
	switch (vmcs_fields[i].encoding) {
	case VMCS_guest_rip:
	case VMCS_guest_rsp:
	case VMCS_guest_rflags:
	case VMCS_guest_cr0:
	case VMCS_guest_cr3:
	case VMCS_guest_cr4:
	case VMCS_guest_cs_selector:
	case VMCS_guest_cs_access_rights:
	case VMCS_guest_ss_selector:
	case VMCS_guest_ss_access_rights:
	case VMCS_guest_interruptibility_state:
	case VMCS_guest_activity_state:
		return true;
	default:
		return false;
	}
}

void fields_restore(struct hostile *h, enum l2_mode mode, enum restore how)
{
	struct vm *vm = h->vm;

	if (mode != vm->mode || h->vm_is_new)
		how = RESTORE_ALL;
	vm->mode = mode;
	h->vm_is_new = false;
	h->host_bent = false;
	for (unsigned int n = 0; n < VMCS_FIELD_COUNT; n++) {
		enum vmcs_index i = (enum vmcs_index)n;
		bool wanted = how == RESTORE_ALL || !is_guest(i) ||
			      (how == RESTORE_MUCH && (vm->known[i] || is_restless(i)));

		if (wanted && facts.field_exists[i] &&
		    vmcs_encoding_type(vmcs_fields[i].encoding) != VMCS_TYPE_READ_ONLY)
			put(h, i, template_of(h, i));
	}
}

static u64 value_of(const struct hostile *h, enum vmcs_index i)
{
	return h->vm->value[i];
}

/* Without EPT L2 has all of L1's memory: it runs nothing of its own choice. */
static void tame(struct hostile *h)
{
	u64 proc1 = value_of(h, VMCS_INDEX_processor_based_controls);

	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		if (facts.field_exists[i] && is_guest((enum vmcs_index)i))
			put(h, (enum vmcs_index)i, template_of(h, (enum vmcs_index)i));
	put(h, VMCS_INDEX_processor_based_controls,
	    proc1 | PROC1_CR3_LOAD_EXITING | PROC1_MOV_DR_EXITING);
	put(h, VMCS_INDEX_cr0_guest_host_mask, ~0ULL);
	put(h, VMCS_INDEX_cr4_guest_host_mask, ~0ULL);
	put(h, VMCS_INDEX_entry_interruption_information, 0);
	put(h, VMCS_INDEX_guest_rip, world_page(h, PLAY_HANDLERS));
	put(h, VMCS_INDEX_entry_msr_load_count, 0);
}

/*
 * L2 ends by the preemption timer.  The interrupt of L1's timer alone does not do: Bochs 3.0 holds
 * it back from an L2 that was entered with IF = 0, whatever "external-interrupt exiting" says.
 * Returns what the primary controls need besides.
 */
static u64 ended_by_preemption_timer(struct hostile *h, u64 pin)
{
	if (!vm_allows(VMX_WORD_PIN, PIN_ACTIVATE_PREEMPTION_TIMER))
		pin |= PIN_EXTERNAL_INTERRUPT_EXITING;
	else
		pin |= PIN_ACTIVATE_PREEMPTION_TIMER;
	put(h, VMCS_INDEX_pin_based_controls, pin);
	field_write(h, VMCS_INDEX_preemption_timer_value, random_below(h, TIMER_MAX));
	if (pin & PIN_EXTERNAL_INTERRUPT_EXITING)
		return 0;
	field_write(h, VMCS_INDEX_guest_activity_state, ACTIVITY_ACTIVE);
	return PROC1_HLT_EXITING | PROC1_MWAIT_EXITING;
}

/* L1 gets the processor back, its devices, its memory. */
void fields_make_safe(struct hostile *h)
{
	u64 pin, proc1, proc2;

	if (h->vm_is_new)
		fields_restore(h, h->vm->mode, RESTORE_ALL);
	pin = value_of(h, VMCS_INDEX_pin_based_controls);
	proc1 = value_of(h, VMCS_INDEX_processor_based_controls);
	proc2 = value_of(h, VMCS_INDEX_secondary_processor_based_controls);

	if ((pin & PIN_EXTERNAL_INTERRUPT_EXITING) && random_once_in(h, 4))
		put(h, VMCS_INDEX_guest_rflags, vm_get(VMCS_guest_rflags) | RFLAGS_IF);
	else
		proc1 |= ended_by_preemption_timer(h, pin);
	if (!(proc1 & (PROC1_USE_IO_BITMAPS | PROC1_UNCONDITIONAL_IO_EXITING)))
		proc1 |= PROC1_UNCONDITIONAL_IO_EXITING;
	if (!(proc1 & PROC1_USE_TPR_SHADOW))
		proc1 |= PROC1_CR8_LOAD_EXITING;
	put(h, VMCS_INDEX_processor_based_controls, proc1);
	if (!h->vm->known[VMCS_INDEX_guest_activity_state])
		put(h, VMCS_INDEX_guest_activity_state, ACTIVITY_ACTIVE);
	if (!(proc1 & PROC1_ACTIVATE_SECONDARY_CONTROLS) || !(proc2 & PROC2_ENABLE_EPT))
		tame(h);
}
