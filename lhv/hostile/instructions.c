/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX instructions of L1 with operands of any kind. */
#include "lhv/hostile/hostile.h"

#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "xmhf/lib/string.h"

#define SIGNATURE     0x584d4846u
#define FUNCTION_DUMP 3
#define NO_POINTER    (~0ULL)
#define RFLAGS_FAILS  (RFLAGS_CF | RFLAGS_ZF)

enum {
	KIND_VMWRITE = 2,
	KIND_VMREAD,
	KIND_POINTER,
	KIND_INVALIDATE,
	KIND_VMXON_OFF,
	KIND_VMCALL,
	KIND_USER,
};

/* Where an operand is read: anywhere. */
static void *any_operand(struct hostile *h)
{
	u64 r = random_64(h);

	switch (r & 7) {
	case 0:
		return (void *)(uptr)(hostile_hidden_base + (r >> 8 & 0xfffff));
	case 1:
		return (void *)(uptr)(BIT(47) | r >> 17); /* not canonical */
	case 2:
		return (void *)(uptr)(BIT(33) + (r >> 30)); /* no page */
	case 3:
		return (void *)(uptr)(hostile_hidden_base - (r >> 8 & 15));
	case 4: /* across a page boundary */
		return (void *)(uptr)(world_page(h, PLAY_DATA + 1) - (r >> 8 & 15));
	default:
		return (void *)(uptr)(world_page(h, PLAY_DATA) + (r >> 8 & 0x3fff));
	}
}

static void load_strange(struct hostile *h, u64 pointer)
{
	static struct vm *strange[MAX_CPUS];
	struct vm *vm = NULL;

	for (unsigned int i = 0; i < HOSTILE_VMS; i++)
		if ((uptr)h->vms[i]->region == pointer)
			vm = h->vms[i];
	if (!strange[h->cpu])
		strange[h->cpu] = vm_new();
	if (!vm) {
		vm = strange[h->cpu];
		vm->exit_area = h->vms[0]->exit_area;
		vm->region = (void *)(uptr)pointer;
	}
	vm_forget(vm);
	vm_use(vm);
	h->vm = vm;
	h->vm_is_new = true;
}

static void repair(struct vm *vm)
{
	u64 pointer = (uptr)vm->region;

	*(u32 *)vm->region = (u32)field_get(facts.basic, VMX_BASIC_REVISION);
	raw_vmclear(&pointer);
	vm->launched = false;
}

bool instructions_load(struct hostile *h, struct vm *vm)
{
	u64 pointer = (uptr)vm->region;

	hostile_count(h, KIND_POINTER, "vmptrld");
	h->vm = NULL;
	if (raw_vmptrld(&pointer) & RFLAGS_FAILS) {
		repair(vm);
		if (raw_vmptrld(&pointer) & RFLAGS_FAILS)
			return false;
	}
	load_strange(h, pointer);
	return true;
}

static void pointer_instruction(struct hostile *h)
{
	u64 pointer = random_once_in(h, 3) ? (uptr)h->vms[random_below(h, HOSTILE_VMS)]->region
					   : world_wild_address(h);
	u64 *operand = random_once_in(h, 4) ? any_operand(h) : &pointer;
	u64 now = NO_POINTER;

	switch (random_below(h, 4)) {
	case 0:
		hostile_count(h, KIND_POINTER, "vmptrst");
		raw_vmptrst(any_operand(h));
		return;
	case 1:
		hostile_count(h, KIND_POINTER, "vmclear");
		raw_vmclear(operand);
		break;
	case 2:
		hostile_count(h, KIND_VMXON_OFF, "vmxon in VMX operation");
		raw_vmxon(operand);
		return;
	default:
		hostile_count(h, KIND_POINTER, "vmptrld");
		raw_vmptrld(operand);
		break;
	}
	/* operands in memory are anything: ask what is current */
	vmptrst(&now);
	if (now == NO_POINTER)
		h->vm = NULL;
	else if (!h->vm || (uptr)h->vm->region != now)
		load_strange(h, now);
}

static void write_instruction(struct hostile *h)
{
	enum vmcs_index i = (enum vmcs_index)random_below(h, VMCS_FIELD_COUNT);

	hostile_count(h, KIND_VMWRITE, vmcs_fields[i].name);
	field_write(h, i, field_choose(h, i));
}

/* VMWRITE that names no field, or whose operand cannot be read. */
static void bad_write(struct hostile *h)
{
	u64 encoding = random_shape(h);
	enum vmcs_index i = vmcs_index_of((u32)encoding);

	if (i != VMCS_FIELD_COUNT && !(encoding >> 32))
		encoding |= VMCS_ENCODING_RESERVED & (random_64(h) | BIT(31));
	hostile_count(h, KIND_VMWRITE, "vmwrite of no field");
	if (random_once_in(h, 2))
		vmwrite_checked((uptr)encoding, (uptr)random_64(h));
	else
		raw_vmwrite((uptr)encoding, any_operand(h));
}

static void memory_write(struct hostile *h)
{
	enum vmcs_index i = (enum vmcs_index)random_below(h, VMCS_FIELD_COUNT);
	u32 encoding = vmcs_fields[i].encoding;

	/* the value is anything: only where L1 and its timer do not depend on it */
	if (vmcs_encoding_type(encoding) != VMCS_TYPE_READ_ONLY &&
	    (vmcs_encoding_type(encoding) != VMCS_TYPE_GUEST ||
	     encoding == VMCS_guest_activity_state || encoding == VMCS_vmcs_link_pointer))
		return;
	hostile_count(h, KIND_VMWRITE, "vmwrite from memory");
	if (h->vm)
		h->vm->known[i] = false;
	raw_vmwrite(encoding | (random_64(h) & 1), any_operand(h));
}

static void read_instruction(struct hostile *h)
{
	u64 r = random_64(h);
	u64 encoding =
		r & 3 ? vmcs_fields[random_below(h, VMCS_FIELD_COUNT)].encoding | (r >> 2 & 1)
		      : random_shape(h);
	uptr value;

	hostile_count(h, KIND_VMREAD, "vmread");
	if (r & 8)
		vmread_checked((uptr)encoding, &value);
	else
		raw_vmread((uptr)encoding, any_operand(h));
}

static void invalidate_instruction(struct hostile *h)
{
	u64 descriptor[2] = { random_shape(h), random_shape(h) };
	u64 type = random_once_in(h, 8) ? random_shape(h) : random_below(h, 5);
	const void *operand = random_once_in(h, 4) ? any_operand(h) : descriptor;
	bool ept = random_once_in(h, 2);

	if (random_once_in(h, 2))
		descriptor[1] = 0;
	if (!random_once_in(h, 4))
		descriptor[0] = ept ? world_eptp(h) : random_below(h, 20);
	hostile_count(h, KIND_INVALIDATE, ept ? "invept" : "invvpid");
	if (ept)
		raw_invept((uptr)type, operand);
	else
		raw_invvpid((uptr)type, operand);
}

static void call_instruction(struct hostile *h)
{
	u32 function = (u32)random_below(h, 10);

	hostile_count(h, KIND_VMCALL, "vmcall");
	if (!hostile_hidden_size)
		return; /* Bochs 3.0 stops at VMCALL in VMX root operation */
	if (function == FUNCTION_DUMP)
		function = (u32)random_shape(h) | BIT32(12);
	hypercall_make(random_once_in(h, 2) ? SIGNATURE : (u32)random_shape(h), function,
		       (u32)random_shape(h));
}

static void user_instruction(struct hostile *h)
{
	static const u8 code[][8] = {
		{ 0x0f, 0x01, 0xc2, 0xcd, VECTOR_USER_RETURN }, /* vmlaunch */
		{ 0x0f, 0x01, 0xc4, 0xcd, VECTOR_USER_RETURN }, /* vmxoff */
		{ 0x0f, 0xc7, 0x33, 0xcd, VECTOR_USER_RETURN }, /* vmptrld (%rbx) */
		{ 0x0f, 0x78, 0xc3, 0xcd, VECTOR_USER_RETURN }, /* vmread %rax, %rbx */
		{ 0x0f, 0x79, 0xc3, 0xcd, VECTOR_USER_RETURN }, /* vmwrite %rbx, %rax */
		{ 0x0f, 0x01, 0xc1, 0xcd, VECTOR_USER_RETURN }, /* vmcall */
	};

	hostile_count(h, KIND_USER, "user");
	user_try(code[random_below(h, ARRAY_SIZE(code) - (hostile_hidden_size ? 0 : 1))]);
}

void instructions_vmx_on(struct hostile *h)
{
	u64 pointer = world_page(h, PLAY_REGIONS);
	u64 wild = world_wild_address(h);
	bool on = false;

	/* the CPU may come from a reset */
	write_cr0((read_cr0() | (uptr)facts.cr0_fixed0) & (uptr)facts.cr0_fixed1);
	write_cr4((read_cr4() | (uptr)facts.cr4_fixed0) & (uptr)facts.cr4_fixed1);
	h->vm = NULL;
	if (random_once_in(h, 2)) {
		hostile_count(h, KIND_VMXON_OFF, "vmxon, wild");
		on = !(raw_vmxon(&wild) & RFLAGS_FAILS); /* if it was one of the regions */
	}
	/* the other CPU may spoil the region in between */
	while (!on) {
		*(volatile u32 *)(uptr)pointer = (u32)field_get(facts.basic, VMX_BASIC_REVISION);
		hostile_count(h, KIND_VMXON_OFF, "vmxon");
		on = !(raw_vmxon(&pointer) & RFLAGS_FAILS);
	}
	h->on = true;
	h->off_window = false;
	vmx_note_on(true);
}

static void vmx_instruction_outside(void *argument)
{
	struct hostile *h = argument;
	u64 pointer = world_wild_address(h);

	hostile_count(h, KIND_VMXON_OFF, "outside VMX operation");
	raw_vmptrld(&pointer);
}

void instructions_vmx_off(struct hostile *h)
{
	h->off_window = true;
	h->vm = NULL;
	hostile_count(h, KIND_VMXON_OFF, "vmxoff");
	vmxoff();
	h->on = false;
	vmx_note_on(false);
	if (random_once_in(h, 2))
		fault_try(vmx_instruction_outside, h);
}

void instructions_one(struct hostile *h)
{
	u64 r = random_below(h, 64);

	if (r < 20)
		write_instruction(h);
	else if (r < 32)
		read_instruction(h);
	else if (r < 36)
		bad_write(h);
	else if (r < 41)
		memory_write(h);
	else if (r < 50)
		pointer_instruction(h);
	else if (r < 60)
		invalidate_instruction(h);
	else if (r < 62)
		call_instruction(h);
	else
		user_instruction(h);
}
