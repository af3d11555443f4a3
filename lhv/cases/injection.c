/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "Event Injection": what L2's handler finds on its stack, for every type; what an
 * exit in the middle of the delivery records; that the event is delivered exactly once.
 */
#include "lhv/suite/case.h"

#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"

#define VALID BIT32(31)
#define WB    field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB)

/* L2's stack when its handler has executed VMCALL. */
enum { SLOT_VECTOR, SLOT_ERROR, SLOT_RIP, SLOT_CS, SLOT_RFLAGS };

static u8 stack_page[PAGE_SIZE] __attribute__((aligned(4096)));

static const uptr *l2_stack(void)
{
	return (const uptr *)(uptr)vm_get(VMCS_guest_rsp);
}

static bool pushes_code(u32 vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

static void inject(u32 type, u32 vector, u32 error, u32 length)
{
	u32 code = type == INTR_TYPE_HARDWARE_EXCEPTION && pushes_code(vector)
			   ? INTR_INFO_ERROR_CODE
			   : 0;

	vm_set(VMCS_entry_interruption_information, VALID | type << 8 | vector | code);
	vm_set(VMCS_entry_exception_error_code, error);
	vm_set(VMCS_entry_instruction_length, length);
}

static void check_frame(u32 vector, u32 error, uptr rip)
{
	const uptr *s = l2_stack();

	check_eq(vector, s[SLOT_VECTOR], "vector");
	check_eq(error, s[SLOT_ERROR], "error code");
	check_eq(rip, s[SLOT_RIP], "return address");
	check_eq(SELECTOR_CODE, s[SLOT_CS] & 0xffff, "CS");
	check_bits(0, RFLAGS_IF, vm_get(VMCS_guest_rflags), "IF in the handler");
	check_bits(0, VALID, vm_get(VMCS_entry_interruption_information),
		   "valid bit after the exit");
}

/* Exceptions: the exception bitmap is not asked; the return address is RIP. */
static void hardware_exceptions(void)
{
	for (u32 vector = 0; vector < 32; vector++) {
		if (vector == 2 || vector == 21)
			continue; /* NMI; #CP has an error code on newer processors only */
		vm_reset(L2_NATIVE);
		inject(INTR_TYPE_HARDWARE_EXCEPTION, vector, pushes_code(vector) ? 0x18 : 0, 0);
		case_step("vector %u", vector);
		if (check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "handler"))
			check_frame(vector, pushes_code(vector) ? 0x18 : 0, (uptr)l2_nops);
	}
}

static void external_interrupts(void)
{
	for (u32 vector = 32; vector < 256; vector += 7) {
		vm_reset(L2_NATIVE);
		vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | RFLAGS_IF);
		inject(INTR_TYPE_EXTERNAL, vector, 0, 0);
		case_step("vector %u", vector);
		if (check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "handler")) {
			check_frame(vector, 0, (uptr)l2_nops);
			check_bits(RFLAGS_IF, RFLAGS_IF, l2_stack()[SLOT_RFLAGS], "IF saved");
		}
	}
}

/* Software interrupts and exceptions return to the instruction after: RIP + length. */
static void software_events(void)
{
	static const struct {
		u32 type, vector, length;
	} events[] = {
		{ INTR_TYPE_SOFTWARE_INTERRUPT, 0x80, 2 },
		{ INTR_TYPE_SOFTWARE_INTERRUPT, 0x20, 2 },
		{ INTR_TYPE_SOFTWARE_EXCEPTION, 3, 1 },
		{ INTR_TYPE_SOFTWARE_EXCEPTION, 4, 1 },
		{ INTR_TYPE_PRIVILEGED_SOFTWARE, 1, 1 },
		{ INTR_TYPE_SOFTWARE_INTERRUPT, 0x80, 15 },
		{ INTR_TYPE_SOFTWARE_INTERRUPT, 13, 2 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(events); i++) {
		vm_reset(L2_NATIVE);
		inject(events[i].type, events[i].vector, 0, events[i].length);
		case_step("type %u vector %u length %u", events[i].type, events[i].vector,
			  events[i].length);
		if (!check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "handler"))
			continue;
		/* a handler of a vector with error code finds the return address one lower */
		if (events[i].vector == 13)
			check_eq((uptr)l2_nops + 2, l2_stack()[SLOT_ERROR], "no error code");
		else
			check_frame(events[i].vector, 0, (uptr)l2_nops + events[i].length);
	}
}

static void nmi(void)
{
	inject(INTR_TYPE_NMI, VECTOR_NMI, 0, 0);
	if (check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "handler"))
		check_frame(VECTOR_NMI, 0, (uptr)l2_nops);
	check_bits(BLOCKING_BY_NMI, BLOCKING_BY_NMI, vm_get(VMCS_guest_interruptibility_state),
		   "blocking by NMI");
	nmi_unblock();
}

/* The handler returns where the event came in, and the rest runs. */
static void returns(void)
{
	inject(INTR_TYPE_HARDWARE_EXCEPTION, VECTOR_GP, 0x10, 0);
	check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "handler");
	check_exit(vm_skip(), EXIT_REASON_VMCALL, "after IRET");
	check_eq((uptr)l2_nops + 4, vm_get(VMCS_guest_rip), "RIP: the program's own VMCALL");
	check_eq((uptr)vm_self()->stack_top, vm_get(VMCS_guest_rsp), "RSP");
}

/* In user mode the stack is switched to the TSS's. */
static void from_user_mode(void)
{
	vm_set(VMCS_guest_cs_selector, SELECTOR_USER_CODE);
	vm_set(VMCS_guest_cs_access_rights, gdt_view(SELECTOR_USER_CODE).rights);
	vm_set(VMCS_guest_ss_selector, SELECTOR_USER_DATA);
	vm_set(VMCS_guest_ss_access_rights, gdt_view(SELECTOR_USER_DATA).rights);
	inject(INTR_TYPE_HARDWARE_EXCEPTION, VECTOR_PF, 4, 0);
	check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "handler");
	check_eq(VECTOR_PF, l2_stack()[SLOT_VECTOR], "vector");
	check_eq(4, l2_stack()[SLOT_ERROR], "error code");
	check_eq(SELECTOR_USER_CODE, l2_stack()[SLOT_CS] & 0xffff, "CS");
	check_eq((uptr)vm_self()->stack_top, l2_stack()[5], "user RSP");
	check_eq(SELECTOR_CODE, vm_get(VMCS_guest_cs_selector), "CS in the handler");
}

/* One event whose delivery meets an EPT violation on the stack, re-injected afterwards. */
struct vectoring_row {
	const char *name;
	u32 type, vector, length;
	const u8 *program; /* NULL: injected */
};

static const struct vectoring_row vectoring_rows[] = {
	{ "gp", INTR_TYPE_HARDWARE_EXCEPTION, VECTOR_GP, 0, NULL },
	{ "pf", INTR_TYPE_HARDWARE_EXCEPTION, VECTOR_PF, 0, NULL },
	{ "ud", INTR_TYPE_HARDWARE_EXCEPTION, VECTOR_UD, 0, NULL },
	{ "ud-executed", INTR_TYPE_HARDWARE_EXCEPTION, VECTOR_UD, 0, l2_ud2 },
	{ "int3-executed", INTR_TYPE_SOFTWARE_EXCEPTION, VECTOR_BP, 1, l2_int3 },
	{ "int-n-executed", INTR_TYPE_SOFTWARE_INTERRUPT, 0x80, 2, l2_int_0x80 },
	{ "int-n", INTR_TYPE_SOFTWARE_INTERRUPT, 0x80, 2, NULL },
	{ "int3", INTR_TYPE_SOFTWARE_EXCEPTION, VECTOR_BP, 1, NULL },
	{ "icebp", INTR_TYPE_PRIVILEGED_SOFTWARE, VECTOR_DB, 1, NULL },
	{ "external", INTR_TYPE_EXTERNAL, 0x33, 0, NULL },
	{ "nmi", INTR_TYPE_NMI, VECTOR_NMI, 0, NULL },
};

static const char *vectoring_name(unsigned int row)
{
	return vectoring_rows[row].name;
}

static void prepare_vectoring(const struct vectoring_row *r, const struct ept_map *map)
{
	vm_set(VMCS_eptp, map->eptp);
	vm_set(VMCS_exception_bitmap, 0);
	vm_set(VMCS_guest_rsp, EPT_FREE_BASE + PAGE_SIZE - 64);
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | RFLAGS_IF);
	if (!r->program)
		inject(r->type, r->vector, 0x28, r->length);
}

static void check_vectoring(const struct vectoring_row *r)
{
	bool code = r->type == INTR_TYPE_HARDWARE_EXCEPTION && pushes_code(r->vector);

	check_eq(VALID | r->type << 8 | r->vector | (code ? INTR_INFO_ERROR_CODE : 0),
		 vm_get(VMCS_idt_vectoring_information), "IDT-vectoring information");
	if (code)
		check_eq(0x28, vm_get(VMCS_idt_vectoring_error_code), "IDT-vectoring error code");
	if (r->length)
		check_eq(r->length, vm_get(VMCS_exit_instruction_length), "instruction length");
	check_eq((uptr)(r->program ? r->program : l2_nops), vm_get(VMCS_guest_rip), "RIP");
	check_bits(EPT_VIOLATION_WRITE, 7, vm_get(VMCS_exit_qualification), "a write");
	check_bits(r->type == INTR_TYPE_NMI ? BLOCKING_BY_NMI : 0, BLOCKING_BY_NMI,
		   vm_get(VMCS_guest_interruptibility_state), "blocking by NMI");
}

static void violation_in_delivery(unsigned int row)
{
	const struct vectoring_row *r = &vectoring_rows[row];
	struct ept_map *map = ept_map_fresh();
	const uptr *s;

	prepare_vectoring(r, map);
	ept_flush(map);
	if (!check_exit(vm_run(r->program ? r->program : l2_nops), EXIT_REASON_EPT_VIOLATION,
			"stack absent"))
		return;
	check_vectoring(r);
	ept_map_4k(map, (uptr)stack_page | EPT_RWX | WB);
	ept_flush(map);
	vm_set(VMCS_guest_interruptibility_state, 0); /* else the NMI could not be injected */
	vm_set(VMCS_entry_interruption_information, vm_get(VMCS_idt_vectoring_information));
	vm_set(VMCS_entry_exception_error_code, vm_get(VMCS_idt_vectoring_error_code));
	vm_set(VMCS_entry_instruction_length, vm_get(VMCS_exit_instruction_length));
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "re-injected: handler");
	s = (const uptr *)(uptr)((vm_get(VMCS_guest_rsp) & (PAGE_SIZE - 1)) + (uptr)stack_page);
	check_eq(r->vector, s[SLOT_VECTOR], "vector");
	check_eq((uptr)(r->program ? r->program : l2_nops) + r->length, s[SLOT_RIP],
		 "return address");
	if (r->program == l2_ud2)
		return; /* returns to UD2 */
	check_exit(vm_skip(), EXIT_REASON_VMCALL, "after IRET");
	check_true(vm_get(VMCS_guest_rip) < (uptr)l2_interrupt_entries ||
			   vm_get(VMCS_guest_rip) > (uptr)l2_interrupt_return,
		   "the handler ran once");
	nmi_unblock();
}

/* Injection of #DF whose delivery fails: the shutdown is a triple-fault exit. */
static void injected_double_fault_fails(void)
{
	vm_set(VMCS_exception_bitmap, 0);
	vm_set(VMCS_guest_idtr_limit, 0);
	vm_set(VMCS_entry_interruption_information,
	       VALID | INTR_INFO_ERROR_CODE | INTR_TYPE_HARDWARE_EXCEPTION << 8 | VECTOR_DF);
	check_exit(vm_run(l2_nops), EXIT_REASON_TRIPLE_FAULT, "triple fault");
}

static const struct lhv_case cases[] = {
	{ .name = "hardware-exceptions", .needs = NEEDS_VMX, .run = hardware_exceptions },
	{ .name = "external-interrupts", .needs = NEEDS_VMX, .run = external_interrupts },
	{ .name = "software", .needs = NEEDS_VMX, .run = software_events },
	{ .name = "nmi", .needs = NEEDS_VMX, .run = nmi },
	{ .name = "returns", .needs = NEEDS_VMX, .run = returns },
	{ .name = "from-user-mode", .needs = NEEDS_VMX, .run = from_user_mode },
	{ .name = "violation-in-delivery",
	  .needs = NEEDS_VMX | NEEDS_EPT,
	  .run_row = violation_in_delivery,
	  .row_name = vectoring_name,
	  .rows = ARRAY_SIZE(vectoring_rows) },
	{ .name = "double-fault-fails", .needs = NEEDS_VMX, .run = injected_double_fault_fails },
};
LHV_TOPIC("injection", cases);
