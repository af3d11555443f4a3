/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Re-injection, combination of exceptions.  Pure.
 * SDM "Information for VM Exits That Occur During Event Delivery", "VM-Entry Controls for
 * Event Injection", "Interrupt 8-Double Fault Exception (#DF)".
 */
#include "nested/event/event.h"

#include "xmhf/x86/cpu.h"

bool event_type_has_length(enum interruption_type type)
{
	return type == INTR_TYPE_SOFTWARE_INTERRUPT || type == INTR_TYPE_PRIVILEGED_SOFTWARE ||
	       type == INTR_TYPE_SOFTWARE_EXCEPTION;
}

struct entry_event event_from_idt_vectoring(u32 information, u32 error_code, u32 instruction_length)
{
	struct entry_event event = { 0 };

	if (!(information & INTR_INFO_VALID))
		return event;
	/* Bit 12 is undefined in IDT-vectoring information and reserved for VM entry. */
	event.information = information & (u32)(INTR_INFO_VECTOR | INTR_INFO_TYPE |
						INTR_INFO_ERROR_CODE | INTR_INFO_VALID);
	if (information & INTR_INFO_ERROR_CODE)
		event.error_code = error_code;
	if (event_type_has_length((enum interruption_type)field_get(information, INTR_INFO_TYPE)))
		event.instruction_length = instruction_length;
	return event;
}

bool event_has_error_code(u8 vector)
{
	const u32 with_error_code = BIT32(VECTOR_DF) | BIT32(VECTOR_TS) | BIT32(VECTOR_NP) |
				    BIT32(VECTOR_SS) | BIT32(VECTOR_GP) | BIT32(VECTOR_PF) |
				    BIT32(VECTOR_AC) | BIT32(VECTOR_CP);

	return vector < 32 && (with_error_code >> vector & 1);
}

struct entry_event event_exception(u8 vector, u32 error_code)
{
	struct entry_event event = {
		.information = INTR_INFO_VALID |
			       (u32)field_make(INTR_INFO_TYPE, INTR_TYPE_HARDWARE_EXCEPTION) |
			       vector,
	};

	if (event_has_error_code(vector)) {
		event.information |= INTR_INFO_ERROR_CODE;
		event.error_code = error_code;
	}
	return event;
}

/* Classes of the table "Interrupt and Exception Classes". */
enum event_class {
	CLASS_BENIGN,
	CLASS_CONTRIBUTORY,
	CLASS_PAGE_FAULT,
	CLASS_DOUBLE_FAULT,
};

static enum event_class class_of_exception(u8 vector)
{
	const u32 contributory = BIT32(VECTOR_DE) | BIT32(VECTOR_TS) | BIT32(VECTOR_NP) |
				 BIT32(VECTOR_SS) | BIT32(VECTOR_GP) | BIT32(VECTOR_CP);

	if (vector == VECTOR_DF)
		return CLASS_DOUBLE_FAULT;
	if (vector == VECTOR_PF || vector == VECTOR_VE)
		return CLASS_PAGE_FAULT;
	return vector < 32 && (contributory >> vector & 1) ? CLASS_CONTRIBUTORY : CLASS_BENIGN;
}

enum event_combination event_combine(u32 first, u8 second)
{
	enum event_class second_class = class_of_exception(second);
	enum event_class first_class;

	/* Interrupts, NMIs and software events are benign. */
	if (!(first & INTR_INFO_VALID) ||
	    field_get(first, INTR_INFO_TYPE) != INTR_TYPE_HARDWARE_EXCEPTION)
		return EVENT_COMBINE_SECOND;
	first_class = class_of_exception((u8)field_get(first, INTR_INFO_VECTOR));
	if (first_class == CLASS_DOUBLE_FAULT)
		return second_class == CLASS_BENIGN ? EVENT_COMBINE_SECOND
						    : EVENT_COMBINE_TRIPLE_FAULT;
	if (first_class == CLASS_CONTRIBUTORY && second_class == CLASS_CONTRIBUTORY)
		return EVENT_COMBINE_DOUBLE_FAULT;
	if (first_class == CLASS_PAGE_FAULT &&
	    (second_class == CLASS_CONTRIBUTORY || second_class == CLASS_PAGE_FAULT))
		return EVENT_COMBINE_DOUBLE_FAULT;
	return EVENT_COMBINE_SECOND;
}
