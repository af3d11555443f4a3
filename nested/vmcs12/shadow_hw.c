/* SPDX-License-Identifier: BSD-2-Clause */
/* Hardware VMCS shadowing. */
#include "nested/vmcs12/shadow.h"

#include "nested/vmcs12/lazy.h"
#include "xmhf/lib/bug.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/physmap.h"
#include "xmhf/vmx/vmcs_hw.h"

/* SHADOW() of the fields that only some L1s read at each exit. */
#define CONTROL_REGISTERS            \
	SHADOW(guest_cr0, ALWAYS, 0) \
	SHADOW(guest_cr3, ALWAYS, 0) \
	SHADOW(guest_cr4, ALWAYS, 0)
/* They are shadowed for an L1 that read them so often in so many exits, at first; and then for so
 * many exits, after which it has to show again that it reads them. */
#define HABIT_READS 16
#define HABIT_EXITS 8
#define HABIT_LASTS 4096

static bool is_available(void)
{
	return nested_shared.vmread_bitmap.v;
}

static void clear_bit(u8 *bitmap, u32 encoding)
{
	bitmap[encoding / 8] &= (u8)~BIT32(encoding % 8);
}

void shadow_init(void)
{
	u8 *read, *written, *read_crs;

	if (!(machine.caps.proc2.may_be_1 & PROC2_VMCS_SHADOWING))
		return;
	bug_if(!page_pool_alloc(&machine.pool, &nested_shared.vmread_bitmap));
	bug_if(!page_pool_alloc(&machine.pool, &nested_shared.vmwrite_bitmap));
	read = hpa_to_pointer(nested_shared.vmread_bitmap);
	written = hpa_to_pointer(nested_shared.vmwrite_bitmap);
	bug_if(!page_pool_alloc(&machine.pool, &nested_shared.vmread_bitmap_crs));
	memset(read, 0xff, PAGE_SIZE);
	memset(written, 0xff, PAGE_SIZE);
	/* A field that L1 does not have goes on exiting, and fails. */
#define SHADOW(field, from, is_written)                                     \
	if (field_set_has(&nested_shared.in_vmcs12, VMCS_INDEX_##field)) {  \
		field_set_add(&nested_shared.shadowed, VMCS_INDEX_##field); \
		clear_bit(read, VMCS_##field);                              \
		if (is_written)                                             \
			clear_bit(written, VMCS_##field);                   \
	}
#include "nested/vmcs12/shadow.def"
#undef SHADOW
	read_crs = hpa_to_pointer(nested_shared.vmread_bitmap_crs);
	memcpy(read_crs, read, PAGE_SIZE);
#define SHADOW(field, from, is_written) clear_bit(read_crs, VMCS_##field);
	CONTROL_REGISTERS
#undef SHADOW
	/* shadow_fetch_exit() fetches them, where the exit defines them: they are never stale. */
	for (unsigned int i = 0; i < ARRAY_SIZE(nested_shared.saved.bits); i++)
		nested_shared.saved.bits[i] &= ~nested_shared.shadowed.bits[i];
}

void shadow_enable(bool on)
{
	u64 proc2;

	if (!is_available())
		return;
	proc2 = vmcs_read(VMCS_secondary_processor_based_controls);
	vmcs_write(VMCS_secondary_processor_based_controls,
		   on ? proc2 | PROC2_VMCS_SHADOWING : proc2 & ~(u64)PROC2_VMCS_SHADOWING);
	vmcs_write(VMCS_vmread_bitmap_address, nested_shared.vmread_bitmap.v);
	vmcs_write(VMCS_vmwrite_bitmap_address, nested_shared.vmwrite_bitmap.v);
	vcpu_of_cpu(this_cpu())->nested->vmread_bitmap_has_crs = false;
}

static bool is_shadowed(const struct vmcs12_slot *slot, enum vmcs_index field)
{
#define SHADOW(name, from, is_written) || field == VMCS_INDEX_##name
	return field_set_has(&nested_shared.shadowed, field) ||
	       (slot->shadows_crs && (false CONTROL_REGISTERS));
#undef SHADOW
}

static hpa_t own_vmcs01(void)
{
	return vcpu_of_cpu(this_cpu())->vmcs01;
}

static void make_ready(struct vmcs12_slot *slot)
{
	if (!slot->shadow_ready)
		vmcs_clear(slot->shadow);
	slot->shadow_ready = true;
	vmcs_load(slot->shadow);
}

/* Writes all fields.  The shadow VMCS is current afterwards. */
static void fill(struct vmcs12_slot *slot)
{
	make_ready(slot);
#define SHADOW(field, from, is_written) vmcs_write(VMCS_##field, slot->vmcs12.field);
#include "nested/vmcs12/shadow.def"
	if (slot->shadows_crs) {
		CONTROL_REGISTERS
	}
#undef SHADOW
	slot->shadow_valid = true;
}

static void choose_vmread_bitmap(struct nested *nested, bool has_crs)
{
	if (nested->vmread_bitmap_has_crs == has_crs)
		return;
	nested->vmread_bitmap_has_crs = has_crs;
	vmcs_write(VMCS_vmread_bitmap_address,
		   has_crs ? nested_shared.vmread_bitmap_crs.v : nested_shared.vmread_bitmap.v);
}

void shadow_count_cr_read(struct nested *nested)
{
	struct vmcs12_slot *slot = nested->current;
	u64 exits = nested->statistics.reflected - slot->cr_reads_since;

	if (!is_available())
		return;
	if (exits > HABIT_READS) {
		slot->cr_reads_since = nested->statistics.reflected;
		slot->cr_reads = 0;
	}
	if (++slot->cr_reads < HABIT_READS || exits < HABIT_EXITS || !slot->shadow_valid)
		return;
	slot->shadows_crs = true;
	slot->cr_reads_since = nested->statistics.reflected;
	lazy_pull_all(nested, slot);
	fill(slot);
	vmcs_load(own_vmcs01());
	choose_vmread_bitmap(nested, true);
}

void shadow_select(struct nested *nested, struct vmcs12_slot *slot)
{
	nested->current = slot;
	if (!is_available())
		return;
	if (slot && !slot->shadow_valid) {
		lazy_pull_all(nested, slot);
		fill(slot);
		vmcs_load(own_vmcs01());
	}
	choose_vmread_bitmap(nested, slot && slot->shadows_crs);
	vmcs_write(VMCS_vmcs_link_pointer, slot ? slot->shadow.v : ~0ULL);
}

/* Reasons whose exits define a field.  SDM "VM-Exit Information Fields". */
#define R(name)	  BIT(EXIT_REASON_##name % 64)
#define HAS_EVENT (R(EXCEPTION_OR_NMI) | R(EXTERNAL_INTERRUPT))
#define HAS_INSTRUCTION_INFORMATION                                                                \
	(R(IO_INSTRUCTION) | R(VMCLEAR) | R(VMPTRLD) | R(VMPTRST) | R(VMREAD) | R(VMWRITE) |       \
	 R(VMXON) | R(GDTR_IDTR_ACCESS) | R(LDTR_TR_ACCESS) | R(INVEPT) | R(INVVPID) | R(RDRAND) | \
	 R(RDSEED) | R(INVPCID) | R(XSAVES))
#define HAS_ADDRESS (R(EPT_VIOLATION) | R(EPT_MISCONFIGURATION) | R(IO_INSTRUCTION) | R(CR_ACCESS))
/* Exits that no instruction causes, nor a software event: their length is undefined. */
#define HAS_NO_LENGTH                                                                       \
	(R(EXTERNAL_INTERRUPT) | R(TRIPLE_FAULT) | R(INIT_SIGNAL) | R(SIPI) |               \
	 R(INTERRUPT_WINDOW) | R(NMI_WINDOW) | R(MONITOR_TRAP_FLAG) | R(PREEMPTION_TIMER) | \
	 R(TPR_BELOW_THRESHOLD))

/* Exits by an instruction alone: no event was on its way, and the qualification is 0. */
#define IS_PLAIN_INSTRUCTION                                                                  \
	(R(CPUID) | R(GETSEC) | R(HLT) | R(INVD) | R(RDPMC) | R(RDTSC) | R(RSM) | R(VMCALL) | \
	 R(VMLAUNCH) | R(VMRESUME) | R(VMXOFF) | R(RDMSR) | R(WRMSR) | R(PAUSE) | R(RDTSCP) | \
	 R(WBINVD) | R(XSETBV) | R(RDRAND) | R(VMFUNC) | R(RDSEED))

static bool defines(u64 reasons, u32 reason)
{
	/* Later reasons are rare: they count as defining everything. */
	return reason >= 64 || (reasons & BIT(reason));
}

/* Sets one field of VMCS12; remembers it for the shadow VMCS if that has another value. */
#define SET(name, new_value)                                                       \
	do {                                                                       \
		u64 value_ = (new_value);                                          \
                                                                                   \
		if (value_ != slot->vmcs12.name) {                                 \
			slot->vmcs12.name = (__typeof__(slot->vmcs12.name))value_; \
			changes->entry[changes->count].encoding = VMCS_##name;     \
			changes->entry[changes->count++].value = value_;           \
		}                                                                  \
	} while (0)
#define FETCH(name) SET(name, vmcs_read(VMCS_##name))

static void fetch_event(struct vmcs12_slot *slot, u32 reason, struct shadow_changes *changes)
{
	FETCH(exit_qualification);
	SET(exit_interruption_information,
	    defines(HAS_EVENT, reason) ? vmcs_read(VMCS_exit_interruption_information) : 0);
	if (slot->vmcs12.exit_interruption_information & INTR_INFO_ERROR_CODE)
		FETCH(exit_interruption_error_code);
	FETCH(idt_vectoring_information);
	if (slot->vmcs12.idt_vectoring_information & INTR_INFO_ERROR_CODE)
		FETCH(idt_vectoring_error_code);
}

/* VMCS02 is current, before and after. */
static void end_habit(struct nested *nested, struct vmcs12_slot *slot)
{
	slot->shadows_crs = false;
	slot->cr_reads = 0;
	slot->cr_reads_since = nested->statistics.reflected;
	vmcs_load(own_vmcs01());
	choose_vmread_bitmap(nested, false);
	vmcs_load(slot->vmcs02);
}

static void fetch_control_registers(struct vmcs12_slot *slot, struct shadow_changes *changes)
{
	struct nested *nested = vcpu_of_cpu(this_cpu())->nested;

	if (nested->statistics.reflected - slot->cr_reads_since > HABIT_LASTS) {
		end_habit(nested, slot);
		return;
	}
#define SHADOW(field, from, is_written) \
	FETCH(field);                   \
	field_set_remove(&slot->stale, VMCS_INDEX_##field);
	CONTROL_REGISTERS
#undef SHADOW
}

void shadow_fetch_exit(struct vmcs12_slot *slot, u32 exit_reason, struct shadow_changes *changes)
{
	u32 reason = exit_reason & 0xffff;

	changes->count = 0;
	if (!is_available())
		return;
	SET(exit_reason, exit_reason);
	if (reason < 64 && (IS_PLAIN_INSTRUCTION & BIT(reason))) {
		SET(exit_qualification, 0);
		SET(exit_interruption_information, 0);
		SET(idt_vectoring_information, 0);
	} else {
		fetch_event(slot, reason, changes);
	}
	if (reason >= 64 || !(HAS_NO_LENGTH & BIT(reason)) ||
	    (slot->vmcs12.idt_vectoring_information & INTR_INFO_VALID))
		FETCH(exit_instruction_length);
	FETCH(guest_rip);
	FETCH(guest_rsp);
	FETCH(guest_rflags);
	FETCH(guest_interruptibility_state);
	FETCH(guest_cs_access_rights);
	if (slot->shadows_crs)
		fetch_control_registers(slot, changes);
	if (slot->saves_timer)
		FETCH(preemption_timer_value);
	if (defines(HAS_INSTRUCTION_INFORMATION, reason))
		FETCH(exit_instruction_information);
	if (defines(HAS_ADDRESS, reason)) {
		FETCH(guest_linear_address);
		FETCH(guest_physical_address);
	}
}

void shadow_write_exit(struct vmcs12_slot *slot, const struct shadow_changes *changes)
{
	if (!is_available())
		return;
	if (!slot->shadow_valid) {
		fill(slot);
		return;
	}
	vmcs_load(slot->shadow);
	for (unsigned int i = 0; i < changes->count; i++)
		vmcs_write((enum vmcs_encoding)changes->entry[i].encoding, changes->entry[i].value);
	if (slot->pml_index_moved)
		vmcs_write(VMCS_pml_index, slot->vmcs12.pml_index);
	slot->pml_index_moved = false;
	if (slot->event_was_injected)
		vmcs_write(VMCS_entry_interruption_information,
			   slot->vmcs12.entry_interruption_information);
}

#define FETCH_BACK(name)                                             \
	do {                                                         \
		u64 value_ = vmcs_read(VMCS_##name);                 \
                                                                     \
		if (value_ != slot->vmcs12.name)                     \
			lazy_write(slot, VMCS_INDEX_##name, value_); \
	} while (0)

void shadow_fetch(struct vmcs12_slot *slot, bool all)
{
	if (!slot->shadow_valid)
		return;
	vmcs_load(slot->shadow);
	FETCH_BACK(guest_rip);
	FETCH_BACK(guest_rsp);
	FETCH_BACK(guest_interruptibility_state);
	FETCH_BACK(guest_rflags);
	FETCH_BACK(processor_based_controls);
	if (all || (slot->vmcs12.processor_based_controls & PROC1_USE_TPR_SHADOW))
		FETCH_BACK(tpr_threshold);
	if (all || (slot->vmcs12.pin_based_controls & PIN_ACTIVATE_PREEMPTION_TIMER))
		FETCH_BACK(preemption_timer_value);
	FETCH_BACK(entry_interruption_information);
	if (all || (slot->vmcs12.entry_interruption_information & INTR_INFO_VALID)) {
		FETCH_BACK(entry_exception_error_code);
		FETCH_BACK(entry_instruction_length);
	}
}

void shadow_follow(struct vmcs12_slot *slot, enum vmcs_index field)
{
	if (!slot->shadow_valid || !is_shadowed(slot, field))
		return;
	vmcs_load(slot->shadow);
	vmcs_write((enum vmcs_encoding)vmcs_fields[field].encoding,
		   vmcs12_get(&slot->vmcs12, field));
	vmcs_load(own_vmcs01());
}
