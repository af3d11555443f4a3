/* SPDX-License-Identifier: BSD-2-Clause */
/* VMCS access with memory, and VM entry. */
#include "lhv/vm/vm.h"

#include "lhv/frame/apic.h"
#include "lhv/frame/asm_hw.h"
#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/watchdog.h"
#include "xmhf/lib/bug.h"
#include "xmhf/lib/string.h"

#define EXIT_STACK_SIZE PAGE_SIZE
#define EXIT_AREA_BYTES 64
#define RFLAGS_FAILS	(RFLAGS_CF | RFLAGS_ZF)

u32 vm_enter_hw(struct l2_registers *regs, uptr *exit_area, u32 launched);

static struct vm *current[MAX_CPUS];

struct vm *vm_self(void)
{
	unsigned int i = cpu_self()->index;

	if (!current[i])
		current[i] = vm_new();
	return current[i];
}

void vm_use(struct vm *vm)
{
	current[cpu_self()->index] = vm;
}

struct vm *vm_new(void)
{
	struct vm *vm = page_alloc(1);
	u8 *stack = page_alloc(2);

	_Static_assert(sizeof(struct vm) <= PAGE_SIZE, "struct vm fits a page");
	vm->region = page_alloc(1);
	vm->exit_area = (uptr *)(void *)(stack + EXIT_STACK_SIZE - EXIT_AREA_BYTES);
	vm->stack_top = stack + 2 * PAGE_SIZE - 64;
	*(u32 *)vm->region = (u32)field_get(facts.basic, VMX_BASIC_REVISION);
	return vm;
}

void vm_forget(struct vm *vm)
{
	memset(vm->known, 0, sizeof(vm->known));
}

static void find_fields(void)
{
	uptr ignored;

	if (facts.field_exists[VMCS_INDEX_guest_rip])
		return;
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		facts.field_exists[i] =
			vmread_checked(vmcs_fields[i].encoding, &ignored) == VMX_SUCCEED;
}

void vm_load(struct vm *vm)
{
	enum vmx_result r = vmptrld((uptr)vm->region);

	bug_if(r != VMX_SUCCEED);
	vm_use(vm);
}

void vm_prepare(struct vm *vm)
{
	bug_if(!vmx_on());
	*(u32 *)vm->region = (u32)field_get(facts.basic, VMX_BASIC_REVISION);
	vmclear((uptr)vm->region);
	vm->launched = false;
	vm_load(vm);
	vm_forget(vm);
	memset(&vm->regs, 0, sizeof(vm->regs));
	find_fields();
}

bool vm_has(u32 encoding)
{
	return facts.field_exists[vmcs_index_of(encoding)];
}

enum vmx_result vm_write_raw(u32 encoding, u64 value)
{
	enum vmx_result r = vmwrite_checked(encoding, (uptr)value);

	if (r == VMX_SUCCEED && !IS_64BIT && vmcs_encoding_width(encoding) == VMCS_WIDTH_64)
		r = vmwrite_checked(encoding | VMCS_ENCODING_HIGH, (uptr)(value >> 32));
	return r;
}

void vm_set(u32 encoding, u64 value)
{
	struct vm *vm = vm_self();
	enum vmcs_index i = vmcs_index_of(encoding);

	if (vm->known[i] && vm->value[i] == value)
		return;
	vm->known[i] = vm_write_raw(encoding, value) == VMX_SUCCEED;
	vm->value[i] = value;
}

u64 vm_get(u32 encoding)
{
	uptr low = 0, high = 0;

	if (vmread_checked(encoding, &low) != VMX_SUCCEED)
		return ~0ULL;
	if (!IS_64BIT && vmcs_encoding_width(encoding) == VMCS_WIDTH_64)
		vmread_checked(encoding | VMCS_ENCODING_HIGH, &high);
	return IS_64BIT ? low : (u64)high << 32 | low;
}

u32 vm_control_encoding(enum vmx_control_word word)
{
	static const u32 encoding[VMX_WORD_COUNT] = {
		[VMX_WORD_PIN] = VMCS_pin_based_controls,
		[VMX_WORD_PROC1] = VMCS_processor_based_controls,
		[VMX_WORD_PROC2] = VMCS_secondary_processor_based_controls,
		[VMX_WORD_PROC3] = VMCS_tertiary_processor_based_controls,
		[VMX_WORD_EXIT] = VMCS_exit_controls,
		[VMX_WORD_ENTRY] = VMCS_entry_controls,
	};

	return encoding[word];
}

void vm_control(enum vmx_control_word word, u32 set, u32 clear)
{
	u32 encoding = vm_control_encoding(word);

	vm_set(encoding, (vm_get(encoding) | set) & ~(u64)clear);
}

/* An exit writes the guest-state area, and clears the valid bit of an injected event. */
static void forget_saved(struct vm *vm)
{
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		if (vmcs_encoding_type(vmcs_fields[i].encoding) == VMCS_TYPE_GUEST &&
		    i != VMCS_INDEX_vmcs_link_pointer)
			vm->known[i] = false;
	vm->known[VMCS_INDEX_entry_interruption_information] = false;
}

static struct outcome failed(u32 flags)
{
	struct outcome o = { 0 };

	o.result = flags & RFLAGS_CF   ? VMX_FAIL_INVALID
		   : flags & RFLAGS_ZF ? VMX_FAIL_VALID
				       : VMX_SUCCEED;
	if (o.result == VMX_FAIL_VALID)
		o.error = (u32)vm_get(VMCS_vm_instruction_error);
	return o;
}

static void bite_if_watchdog(u32 reason)
{
	if (watchdog_has_expired())
		watchdog_bite("L2", vm_get(VMCS_guest_rip));
	if (reason != EXIT_REASON_EXTERNAL_INTERRUPT)
		return;
	if (vm_get(VMCS_exit_controls) & EXIT_ACKNOWLEDGE_INTERRUPT) {
		if ((vm_get(VMCS_exit_interruption_information) & 0xff) != VECTOR_WATCHDOG)
			return;
		apic_eoi();
		watchdog_bite("L2", vm_get(VMCS_guest_rip));
	}
	if (apic_is_pending(VECTOR_WATCHDOG))
		interrupts_through();
}

u32 vm_enter_bare(void)
{
	struct vm *vm = vm_self();

	return vm_enter_hw(&vm->regs, vm->exit_area, vm->launched);
}

struct outcome vm_enter(void)
{
	struct vm *vm = vm_self();
	u32 flags = vm_enter_hw(&vm->regs, vm->exit_area, vm->launched);
	struct outcome o = { 0 };

	if (flags)
		return failed(flags);
	o.reason = (u32)vm_get(VMCS_exit_reason);
	o.qualification = vm_get(VMCS_exit_qualification);
	if (o.reason & EXIT_REASON_ENTRY_FAILURE)
		return o;
	vm->launched = true;
	forget_saved(vm);
	bite_if_watchdog(o.reason);
	return o;
}

struct outcome vm_run(const void *program)
{
	vm_set(VMCS_guest_rip, (uptr)program);
	return vm_enter();
}

void vm_skip_instruction(void)
{
	vm_set(VMCS_guest_rip, vm_get(VMCS_guest_rip) + vm_get(VMCS_exit_instruction_length));
}

struct outcome vm_skip(void)
{
	vm_skip_instruction();
	return vm_enter();
}
