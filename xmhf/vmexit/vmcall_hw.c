/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCALL of L1: from the INT 15h stub, and hypercalls (docs/hypercalls.md).  Any other
 * takes #UD, as on a processor without VMX.
 */
#include "nested/nested.h"
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/format.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/physmap.h"
#include "xmhf/vmexit/bios_stub.h"
#include "xmhf/vmexit/int15.h"
#include "xmhf/vmexit/vmexit.h"
#include "xmhf/x86/cpu.h"

extern const u8 image_start[], image_rodata_end[];

#define HYPERCALL_SIGNATURE	0x584d4846U /* in EAX */
#define HYPERCALL_VERSION	0
#define HYPERCALL_HIDDEN_MEMORY 1
#define HYPERCALL_COUNTERS	2
#define HYPERCALL_DUMP		3
#define HYPERCALL_HASH		4
#define HYPERCALL_HYPAPP_FIRST	0x100
#define HYPERCALL_UNKNOWN	0xffffffffU

static void set_low_32(u64 *reg, u32 value)
{
	*reg = (*reg & ~0xffffffffULL) | value;
}

static void answer_int15(struct vcpu *vcpu)
{
	struct bios_stub_data *data =
		(void *)(uptr)physmap_view(machine.int15_stub, BIOS_STUB_SIZE);
	struct int15_registers in = { (u32)vcpu->regs[GPR_RAX], (u32)vcpu->regs[GPR_RBX],
				      (u32)vcpu->regs[GPR_RCX], (u32)vcpu->regs[GPR_RDX] };
	struct int15_answer answer;

	guest_skip_instruction();
	if (!int15_answer(&machine.l1_map, &in, &answer))
		return; /* to the BIOS */
	set_low_32(&vcpu->regs[GPR_RAX], answer.registers.eax);
	set_low_32(&vcpu->regs[GPR_RBX], answer.registers.ebx);
	set_low_32(&vcpu->regs[GPR_RCX], answer.registers.ecx);
	set_low_32(&vcpu->regs[GPR_RDX], answer.registers.edx);
	data->carry = answer.carry;
	data->size = (u16)answer.size;
	memcpy(data->bytes, answer.bytes, sizeof(data->bytes));
	vmcs_write(VMCS_guest_rip,
		   vmcs_read(VMCS_guest_rip) - 3 + (u64)(bios_stub_int15_done - bios_stub_int15));
}

static u64 count_refused_accesses(void)
{
	u64 sum = 0;

	for (u32 i = 0; i < machine.cpu_count; i++)
		sum += machine.vcpus[i]->refused_accesses;
	return sum;
}

static bool read_counter(struct vcpu *vcpu, struct hypapp_hypercall *call)
{
	const struct vmx_counters *c = &vcpu->cpu.counters;

	switch (call->argument1) {
	case 0:
		call->result[0] = c->exits;
		call->result[1] = c->vmread;
		call->result[2] = c->vmwrite;
		return true;
	case 1:
		call->result[0] = c->vmptrld;
		call->result[1] = c->vmclear;
		call->result[2] = vcpu->cpu.nmi_count;
		return true;
	case 6:
		call->result[0] = machine.pool.free;
		call->result[1] = machine.pool.count;
		return true;
	default:
		return nested_read_counters(vcpu, call->argument1 - 2, call->result);
	}
}

/* Dumps are long lines on a slow line: only code at CPL 0 may ask. */
static bool dump(struct vcpu *vcpu, u32 number)
{
	char tag[16];

	if (vmcs_read(VMCS_guest_ss_access_rights) & ACCESS_RIGHTS_DPL)
		return false;
	format_text(tag, sizeof(tag), "%u-", number);
	nested_dump(vcpu, tag);
	return true;
}

/* FNV-1a, by words of 64 bits, of the part of the image that never changes: code and constants. */
static u64 hash_of_image(void)
{
	u64 hash = 0xcbf29ce484222325ULL;

	for (const u64 *word = (const void *)image_start;
	     word < (const u64 *)(const void *)image_rodata_end; word++)
		hash = (hash ^ *word) * 0x100000001b3ULL;
	return hash;
}

static bool hash(struct hypapp_hypercall *call)
{
	if (call->argument1)
		return false;
	call->result[0] = hash_of_image();
	call->result[1] = (u64)(image_rodata_end - image_start);
	call->result[2] = 0;
	return true;
}

static bool core_hypercall(struct vcpu *vcpu, struct hypapp_hypercall *call)
{
	switch (call->function) {
	case HYPERCALL_VERSION:
		call->result[0] = XMHF_VERSION;
		call->result[1] = machine.nesting_depth;
		call->result[2] = hypapp_id;
		return true;
	case HYPERCALL_HIDDEN_MEMORY:
		call->result[0] = machine.hidden_base;
		call->result[1] = machine.hidden_size;
		call->result[2] = count_refused_accesses();
		return true;
	case HYPERCALL_COUNTERS:
		return read_counter(vcpu, call);
	case HYPERCALL_HASH:
		return hash(call);
	case HYPERCALL_DUMP:
		return dump(vcpu, call->argument1);
	default:
		return false;
	}
}

static void hypercall(struct vcpu *vcpu)
{
	struct hypapp_hypercall call = {
		.function = (u32)vcpu->regs[GPR_RBX],
		.argument1 = (u32)vcpu->regs[GPR_RCX],
		.argument2 = (u32)vcpu->regs[GPR_RDX],
		.privilege =
			(u32)field_get(vmcs_read(VMCS_guest_ss_access_rights), ACCESS_RIGHTS_DPL),
	};
	bool known;

	if (call.function >= HYPERCALL_HYPAPP_FIRST)
		known = hypapp_hypercall(vcpu->cpu.id, &call) == HYPAPP_HANDLED;
	else
		known = core_hypercall(vcpu, &call);
	vcpu->regs[GPR_RAX] = known ? 0 : HYPERCALL_UNKNOWN;
	if (known) {
		vcpu->regs[GPR_RBX] = call.result[0];
		vcpu->regs[GPR_RCX] = call.result[1];
		vcpu->regs[GPR_RDX] = call.result[2];
	}
	guest_skip_instruction();
}

/* SDM "VMCALL": virtual-8086 and compatibility mode have none. */
static bool mode_has_vmcall(void)
{
	return !(vmcs_read(VMCS_guest_rflags) & RFLAGS_VM) &&
	       (!(vmcs_read(VMCS_entry_controls) & ENTRY_IA32E_MODE_GUEST) ||
		(vmcs_read(VMCS_guest_cs_access_rights) & ACCESS_RIGHTS_L));
}

void vmexit_vmcall(struct vcpu *vcpu)
{
	u64 linear = vmcs_read(VMCS_guest_cs_base) + vmcs_read(VMCS_guest_rip);

	if (linear == machine.int15_stub + bios_stub_offset(bios_stub_int15))
		answer_int15(vcpu);
	else if ((u32)vcpu->regs[GPR_RAX] == HYPERCALL_SIGNATURE)
		hypercall(vcpu);
	else if (nested_in_vmx_operation(vcpu) && mode_has_vmcall())
		nested_vmx_instruction(vcpu, EXIT_REASON_VMCALL);
	else
		guest_inject_exception(VECTOR_UD);
}
