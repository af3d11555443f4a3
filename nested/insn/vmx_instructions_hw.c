/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMX instructions of L1, in the order of checks that the SDM gives each of them.
 * SDM "VMX Instruction Reference".
 */
#include "nested/caps/caps.h"
#include "nested/entry/enter.h"
#include "nested/insn/fast_operand.h"
#include "nested/insn/operand.h"
#include "nested/nested.h"
#include "nested/vmcs12/lazy.h"
#include "nested/vmcs12/slots.h"
#include "nested/vpid.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/vmx/guest_event_hw.h"
#include "xmhf/vmx/vmcs01.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

/* VM-exit instruction information of the VMX instructions. */
#define INFO_FIRST_REGISTER  FIELD(6, 3)
#define INFO_IS_REGISTER     BIT32(10)
#define INFO_SECOND_REGISTER FIELD(31, 28)

#define ARITHMETIC_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* --- How an instruction ends: SDM "Conventions" --- */

static void end_with_flags(u64 flags)
{
	u64 old = vmcs_read(VMCS_guest_rflags);
	u64 new = (old & ~(ARITHMETIC_FLAGS | RFLAGS_RF)) | flags;

	if (new != old)
		vmcs_write(VMCS_guest_rflags, new);
	guest_advance_rip(old);
}

static void succeed(void)
{
	end_with_flags(0);
}

static void fail_invalid(void)
{
	end_with_flags(RFLAGS_CF);
}

/* VMfailValid if there is a current VMCS, else VMfailInvalid. */
static void fail(struct vcpu *vcpu, enum vm_instruction_error error)
{
	struct vmcs12_slot *slot = vcpu->nested->current;

	if (!slot) {
		fail_invalid();
		return;
	}
	lazy_override(slot, VMCS_INDEX_vm_instruction_error, error);
	end_with_flags(RFLAGS_ZF);
}

static void deliver(const struct l1_fault *fault)
{
	if (fault->vector == VECTOR_PF)
		write_cr2(fault->cr2);
	guest_inject_fault((enum exception_vector)fault->vector, fault->error_code);
}

/* --- L1's state, as far as an operand needs it --- */

static void read_segment(struct l1_segment *s, unsigned int number)
{
	s->base = vmcs_read(VMCS_guest_es_base + 2 * number);
	s->limit = (u32)vmcs_read(VMCS_guest_es_limit + 2 * number);
	s->access_rights = (u32)vmcs_read(VMCS_guest_es_access_rights + 2 * number);
	s->selector = (u16)vmcs_read(VMCS_guest_es_selector + 2 * number);
}

static u8 current_privilege(void)
{
	return (u8)field_get(vmcs_read(VMCS_guest_ss_access_rights), ACCESS_RIGHTS_DPL);
}

static bool in_ia32e_mode(void)
{
	return vmcs_read(VMCS_entry_controls) & ENTRY_IA32E_MODE_GUEST;
}

static void read_paging(struct l1_cpu_state *state)
{
	state->cr0 = vmcs_read(VMCS_guest_cr0);
	state->cr3 = vmcs_read(VMCS_guest_cr3);
	state->cr4 = vmcs_read(VMCS_guest_cr4);
	state->efer = vmcs_read(VMCS_guest_ia32_efer);
	state->rflags = vmcs_read(VMCS_guest_rflags);
	state->physical_address_width = machine.caps.physical_address_width;
	state->has_1g_pages = machine.has_1g_pages;
	if ((state->cr0 & CR0_PG) && (state->cr4 & CR4_PAE) && !(state->efer & EFER_LMA)) {
		for (unsigned int i = 0; i < 4; i++)
			state->pdptes[i] = vmcs_read(VMCS_guest_pdpte0 + 2 * i);
	}
	if (state->cr4 & CR4_PKE)
		state->pkru = rdpkru();
	if (state->cr4 & CR4_PKS)
		state->pkrs = (u32)rdmsr(MSR_IA32_PKRS);
}

/* @segment: the only one that the operand uses. */
static void read_state(struct vcpu *vcpu, struct l1_cpu_state *state, unsigned int segment)
{
	read_paging(state);
	state->cpl = current_privilege();
	state->segments[SEGMENT_CS].access_rights = (u32)vmcs_read(VMCS_guest_cs_access_rights);
	if (!decode_is_64bit_code(state) || segment >= SEGMENT_FS)
		read_segment(&state->segments[segment], segment);
	for (unsigned int i = 0; i < REGISTER_COUNT; i++)
		state->registers[i] = vcpu->regs[i];
	state->registers[REGISTER_RSP] = vmcs_read(VMCS_guest_rsp);
}

struct memory_operand {
	struct l1_cpu_state state;
	struct vmx_operand operand;
};

static void decode_memory(struct vcpu *vcpu, struct memory_operand *m)
{
	m->state = (struct l1_cpu_state){ 0 };
	decode_memory_operand((u32)vmcs_read(VMCS_exit_instruction_information),
			      vmcs_read(VMCS_exit_qualification), &m->operand);
	read_state(vcpu, &m->state, m->operand.segment);
}

/* Reads the instruction's memory operand; false: L1 got the fault. */
static bool read_operand_slowly(struct vcpu *vcpu, void *out, u32 size, u64 *second)
{
	struct memory_operand m;
	struct l1_fault fault;

	decode_memory(vcpu, &m);
	if (!operand_read(&m.state, &m.operand, out, size, &fault)) {
		deliver(&fault);
		return false;
	}
	if (second)
		*second = decode_register(&m.state, m.operand.second);
	return true;
}

/* The operand of @words 64-bit words. */
static bool read_operand(struct vcpu *vcpu, u64 *out, u32 words, u64 *second)
{
	u32 info = (u32)vmcs_read(VMCS_exit_instruction_information);
	const volatile u64 *at = fast_operand(vcpu, info, words * sizeof(*out), false);

	if (!at)
		return read_operand_slowly(vcpu, out, words * sizeof(*out), second);
	for (u32 i = 0; i < words; i++)
		out[i] = at[i];
	if (second)
		*second = field_get(info, INFO_SECOND_REGISTER) == GPR_RSP
				  ? vmcs_read(VMCS_guest_rsp)
				  : vcpu->regs[field_get(info, INFO_SECOND_REGISTER)];
	return true;
}

static bool is_vmcs_address(u64 address)
{
	u8 width = nested_shared.caps12.physical_address_width;

	if (nested_shared.caps12.basic & VMX_BASIC_32BIT_ADDRESSES)
		width = 32;
	return is_aligned(address, PAGE_SIZE) && !(address >> width);
}

static u32 revision_at(u64 address)
{
	u32 revision;

	l1_memory_read(l1pa(address), &revision, sizeof(revision));
	return revision;
}

/* --- VMXON, VMXOFF --- */

static bool cr_is_allowed(u64 value, const struct vmx_cr_caps *caps)
{
	return !(caps->must_be_1 & ~value) && !(value & ~caps->may_be_1);
}

static bool vmxon_raises_ud(void)
{
	u64 cs = vmcs_read(VMCS_guest_cs_access_rights);

	return !(vmcs_read(VMCS_guest_cr0) & CR0_PE) ||
	       !(vmcs_read(VMCS_cr4_read_shadow) & CR4_VMXE) ||
	       (vmcs_read(VMCS_guest_rflags) & RFLAGS_VM) ||
	       (in_ia32e_mode() && !(cs & ACCESS_RIGHTS_L));
}

/* CR0 and CR4 as L1 sees them. */
static bool vmxon_raises_gp(const struct vcpu *vcpu)
{
	u64 cr0 =
		(vmcs_read(VMCS_guest_cr0) & ~CR0_NE) | (vmcs_read(VMCS_cr0_read_shadow) & CR0_NE);
	u64 wanted = FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON;

	return current_privilege() || !cr_is_allowed(cr0, &nested_shared.caps12.cr0) ||
	       !cr_is_allowed(vmcs_read(VMCS_guest_cr4), &nested_shared.caps12.cr4) ||
	       (vcpu->l1_feature_control & wanted) != wanted;
}

/* In VMX operation L1 cannot clear PE, PG and NE: MOV to CR0 that tries exits. */
static void set_owned_cr0(u64 mask)
{
	vmcs_write(VMCS_cr0_guest_host_mask, mask);
	vmcs_write(VMCS_cr0_read_shadow, vmcs_read(VMCS_guest_cr0));
}

static void vmxon_instruction(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	u64 address;

	if (vmxon_raises_ud()) {
		guest_inject_exception(VECTOR_UD);
		return;
	}
	if (nested->mode != NESTED_OFF) {
		if (current_privilege())
			guest_inject_gp();
		else
			fail(vcpu, VMFAIL_VMXON_IN_ROOT);
		return;
	}
	if (vmxon_raises_gp(vcpu)) {
		guest_inject_gp();
		return;
	}
	if (!read_operand(vcpu, &address, 1, NULL))
		return;
	if (!is_vmcs_address(address) || revision_at(address) != NESTED_VMCS_REVISION) {
		fail_invalid();
		return;
	}
	nested->mode = NESTED_ROOT;
	nested->vmxon_pointer = address;
	nested->current = NULL;
	set_owned_cr0(CR0_NE | CR0_PE | CR0_PG);
	succeed();
}

static void vmxoff_instruction(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;

	for (unsigned int i = 0; i < NESTED_SLOTS; i++) {
		if (nested->slots[i].active)
			slots_write_back(nested, &nested->slots[i]);
	}
	nested->mode = NESTED_OFF;
	nested->current = NULL;
	set_owned_cr0(CR0_NE);
	succeed();
}

/* --- VMCLEAR, VMPTRLD, VMPTRST --- */

static void vmclear_instruction(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	u64 address;

	if (!read_operand(vcpu, &address, 1, NULL))
		return;
	if (!is_vmcs_address(address)) {
		fail(vcpu, VMFAIL_VMCLEAR_INVALID_ADDRESS);
		return;
	}
	if (address == nested->vmxon_pointer) {
		fail(vcpu, VMFAIL_VMCLEAR_VMXON_POINTER);
		return;
	}
	slots_clear(nested, address);
	if (nested->current && nested->current->address == address)
		nested->current = NULL;
	succeed();
}

static void vmptrld_instruction(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	u64 address;

	if (!read_operand(vcpu, &address, 1, NULL))
		return;
	if (!is_vmcs_address(address))
		fail(vcpu, VMFAIL_VMPTRLD_INVALID_ADDRESS);
	else if (address == nested->vmxon_pointer)
		fail(vcpu, VMFAIL_VMPTRLD_VMXON_POINTER);
	else if (revision_at(address) != NESTED_VMCS_REVISION)
		fail(vcpu, VMFAIL_VMPTRLD_REVISION);
	else {
		nested->current = slots_load(nested, address);
		succeed();
	}
}

static void vmptrst_instruction(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	u64 address = nested->current ? nested->current->address : NO_VMCS;
	struct memory_operand m;
	struct l1_fault fault;

	decode_memory(vcpu, &m);
	if (!operand_write(&m.state, &m.operand, &address, sizeof(address), &fault))
		deliver(&fault);
	else
		succeed();
}

/* --- VMREAD, VMWRITE --- */

/* The field that @encoding names; VMCS_FIELD_COUNT if L1 has none such. */
static enum vmcs_index find_field(u64 encoding)
{
	u32 at = nested_encoding_slot(encoding);

	if (at == NESTED_ENCODINGS)
		return VMCS_FIELD_COUNT;
	if ((encoding & VMCS_ENCODING_HIGH) && vmcs_encoding_width((u32)encoding) != VMCS_WIDTH_64)
		return VMCS_FIELD_COUNT;
	return (enum vmcs_index)nested_shared.field_of[at];
}

struct field_access {
	struct memory_operand memory;
	bool is_64bit;
	u64 encoding;
};

static void decode_field_access(struct vcpu *vcpu, struct field_access *a)
{
	struct memory_operand *m = &a->memory;

	decode_vmread_vmwrite((u32)vmcs_read(VMCS_exit_instruction_information),
			      vmcs_read(VMCS_exit_qualification), &m->operand);
	m->state = (struct l1_cpu_state){ 0 };
	if (m->operand.is_register) {
		m->state.efer = in_ia32e_mode() ? EFER_LMA : 0;
		m->state.segments[SEGMENT_CS].access_rights =
			(u32)vmcs_read(VMCS_guest_cs_access_rights);
		m->state.registers[m->operand.second] = vcpu->regs[m->operand.second];
		m->state.registers[m->operand.reg] = vcpu->regs[m->operand.reg];
		if (m->operand.reg == REGISTER_RSP || m->operand.second == REGISTER_RSP)
			m->state.registers[REGISTER_RSP] = vmcs_read(VMCS_guest_rsp);
	} else {
		read_state(vcpu, &m->state, m->operand.segment);
	}
	a->is_64bit = decode_is_64bit_code(&m->state);
	a->encoding = decode_register(&m->state, m->operand.second);
}

static void write_destination(struct vcpu *vcpu, struct field_access *a, u64 value)
{
	struct l1_fault fault;
	u8 reg = a->memory.operand.reg;

	if (!a->memory.operand.is_register) {
		if (operand_write(&a->memory.state, &a->memory.operand, &value, a->is_64bit ? 8 : 4,
				  &fault))
			succeed();
		else
			deliver(&fault);
		return;
	}
	if (!a->is_64bit)
		value = (u32)value;
	if (reg == REGISTER_RSP)
		vmcs_write(VMCS_guest_rsp, value);
	else
		vcpu->regs[reg] = value;
	succeed();
}

static bool is_read_only(u64 encoding)
{
	return vmcs_encoding_type((u32)encoding) == VMCS_TYPE_READ_ONLY &&
	       !(nested_shared.caps12.misc & VMX_MISC_VMWRITE_ANY);
}

/*
 * The common form, in 64-bit code between two registers that are not RSP, for a field that exists,
 * not its high half.  Returns the field, or VMCS_FIELD_COUNT for every other case.
 */
static enum vmcs_index common_field(const struct vcpu *vcpu, u32 info, u64 *reg)
{
	u64 second = field_get(info, INFO_SECOND_REGISTER);
	u64 encoding = vcpu->regs[second];

	*reg = field_get(info, INFO_FIRST_REGISTER);
	if (!(info & INFO_IS_REGISTER) || *reg == GPR_RSP || second == GPR_RSP ||
	    (encoding & VMCS_ENCODING_HIGH) || !in_ia32e_mode() ||
	    !(vmcs_read(VMCS_guest_cs_access_rights) & ACCESS_RIGHTS_L))
		return VMCS_FIELD_COUNT;
	return find_field(encoding);
}

static void vmread_instruction(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	struct field_access a;
	enum vmcs_index field;
	u64 value, reg;

	if (!nested->current) {
		fail_invalid();
		return;
	}
	field = common_field(vcpu, (u32)vmcs_read(VMCS_exit_instruction_information), &reg);
	if (field != VMCS_FIELD_COUNT) {
		vcpu->regs[reg] = lazy_read(nested, nested->current, field);
		succeed();
		return;
	}
	decode_field_access(vcpu, &a);
	field = find_field(a.encoding);
	if (field == VMCS_FIELD_COUNT) {
		fail(vcpu, VMFAIL_UNSUPPORTED_FIELD);
		return;
	}
	value = lazy_read(nested, nested->current, field);
	if (a.encoding & VMCS_ENCODING_HIGH)
		value >>= 32;
	write_destination(vcpu, &a, value);
}

static bool read_source(struct field_access *a, u64 *value)
{
	struct l1_fault fault;

	*value = 0;
	if (a->memory.operand.is_register) {
		*value = decode_register(&a->memory.state, a->memory.operand.reg);
		return true;
	}
	if (operand_read(&a->memory.state, &a->memory.operand, value, a->is_64bit ? 8 : 4, &fault))
		return true;
	deliver(&fault);
	return false;
}

static void vmwrite_instruction(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	struct field_access a;
	enum vmcs_index field;
	u64 value, old, reg;

	if (!nested->current) {
		fail_invalid();
		return;
	}
	field = common_field(vcpu, (u32)vmcs_read(VMCS_exit_instruction_information), &reg);
	if (field != VMCS_FIELD_COUNT && !is_read_only(vmcs_fields[field].encoding)) {
		lazy_write(nested->current, field, vcpu->regs[reg]);
		succeed();
		return;
	}
	decode_field_access(vcpu, &a);
	field = find_field(a.encoding);
	if (field == VMCS_FIELD_COUNT) {
		fail(vcpu, VMFAIL_UNSUPPORTED_FIELD);
		return;
	}
	if (is_read_only(a.encoding)) {
		fail(vcpu, VMFAIL_VMWRITE_READ_ONLY);
		return;
	}
	if (!read_source(&a, &value))
		return;
	if (vmcs_encoding_width((u32)a.encoding) == VMCS_WIDTH_64 &&
	    ((a.encoding & VMCS_ENCODING_HIGH) || !a.is_64bit)) {
		old = lazy_read(nested, nested->current, field);
		value = a.encoding & VMCS_ENCODING_HIGH ? (u32)old | value << 32
							: (old & ~0xffffffffULL) | (u32)value;
	}
	lazy_write(nested->current, field, value);
	succeed();
}

/* --- INVEPT, INVVPID --- */

static bool is_valid_eptp(u64 eptp)
{
	u64 cap = nested_shared.caps12.ept_vpid;
	u64 type = field_get(eptp, EPTP_MEMORY_TYPE);
	u64 known = EPTP_MEMORY_TYPE | EPTP_WALK_LENGTH | EPTP_AD | EPTP_ADDRESS;

	return ((type == MEMORY_TYPE_UC && (cap & EPT_CAP_UC)) ||
		(type == MEMORY_TYPE_WB && (cap & EPT_CAP_WB))) &&
	       field_get(eptp, EPTP_WALK_LENGTH) == 3 && (cap & EPT_CAP_WALK_4) &&
	       IMPLIES(eptp & EPTP_AD, cap & EPT_CAP_AD) && !(eptp & ~known) &&
	       !(eptp >> nested_shared.caps12.physical_address_width);
}

static void invept_instruction(struct vcpu *vcpu)
{
	u64 cap = nested_shared.caps12.ept_vpid, type;
	u64 d[2]; /* struct invept_descriptor */

	if (!(cap & EPT_CAP_INVEPT)) {
		guest_inject_exception(VECTOR_UD);
		return;
	}
	if (!read_operand(vcpu, d, 2, &type))
		return;
	if (type == INVEPT_SINGLE_CONTEXT && (cap & EPT_CAP_INVEPT_SINGLE) && is_valid_eptp(d[0])) {
		ept02_invept_single(&vcpu->nested->ept02, d[0]);
		succeed();
	} else if (type == INVEPT_ALL_CONTEXT && (cap & EPT_CAP_INVEPT_ALL)) {
		ept02_invept_all(&vcpu->nested->ept02);
		succeed();
	} else {
		fail(vcpu, VMFAIL_INVALID_OPERAND);
	}
}

static bool invvpid_type_is_offered(u64 type)
{
	static const u64 bits[] = { EPT_CAP_INVVPID_ADDRESS, EPT_CAP_INVVPID_SINGLE,
				    EPT_CAP_INVVPID_ALL, EPT_CAP_INVVPID_SINGLE_NONGLOBAL };

	return type < ARRAY_SIZE(bits) && (nested_shared.caps12.ept_vpid & bits[type]);
}

static bool is_canonical_address(u64 address)
{
	u8 shift = (u8)(64 - nested_shared.caps12.linear_address_width);

	return (u64)((s64)(address << shift) >> shift) == address;
}

static bool invvpid_operand_is_valid(u64 type, const struct invvpid_descriptor *d)
{
	if (!invvpid_type_is_offered(type) || d->vpid >> 16)
		return false;
	if (type != INVVPID_ALL_CONTEXT && !d->vpid)
		return false;
	return type != INVVPID_INDIVIDUAL_ADDRESS || is_canonical_address(d->linear_address);
}

static void invvpid_instruction(struct vcpu *vcpu)
{
	u64 words[2], type;
	struct invvpid_descriptor d;

	if (!(nested_shared.caps12.ept_vpid & EPT_CAP_INVVPID)) {
		guest_inject_exception(VECTOR_UD);
		return;
	}
	if (!read_operand(vcpu, words, 2, &type))
		return;
	d = (struct invvpid_descriptor){ words[0], words[1] };
	if (!invvpid_operand_is_valid(type, &d)) {
		fail(vcpu, VMFAIL_INVALID_OPERAND);
		return;
	}
	vpid02_invvpid(vcpu->nested, (enum invvpid_type)type, (u16)d.vpid, d.linear_address);
	succeed();
}

/* --- VMLAUNCH, VMRESUME --- */

static void enter_instruction(struct vcpu *vcpu, bool launch)
{
	enum vm_instruction_error error;

	if (!vcpu->nested->current)
		fail_invalid();
	else if (enter_l2(vcpu, vcpu->nested->current, launch, &error) == ENTER_FAIL)
		fail(vcpu, error);
}

void nested_vmx_instruction(struct vcpu *vcpu, u32 reason)
{
	if (reason == EXIT_REASON_VMXON) {
		vmxon_instruction(vcpu);
		return;
	}
	if (vcpu->nested->mode == NESTED_OFF) {
		guest_inject_exception(VECTOR_UD);
		return;
	}
	if (current_privilege()) {
		guest_inject_gp();
		return;
	}
	switch (reason) {
	case EXIT_REASON_VMXOFF:
		vmxoff_instruction(vcpu);
		break;
	case EXIT_REASON_VMCLEAR:
		vmclear_instruction(vcpu);
		break;
	case EXIT_REASON_VMPTRLD:
		vmptrld_instruction(vcpu);
		break;
	case EXIT_REASON_VMPTRST:
		vmptrst_instruction(vcpu);
		break;
	case EXIT_REASON_VMREAD:
		vmread_instruction(vcpu);
		break;
	case EXIT_REASON_VMWRITE:
		vmwrite_instruction(vcpu);
		break;
	case EXIT_REASON_INVEPT:
		invept_instruction(vcpu);
		break;
	case EXIT_REASON_INVVPID:
		invvpid_instruction(vcpu);
		break;
	case EXIT_REASON_VMCALL:
		fail(vcpu, VMFAIL_VMCALL_IN_ROOT);
		break;
	default:
		enter_instruction(vcpu, reason == EXIT_REASON_VMLAUNCH);
		break;
	}
}
