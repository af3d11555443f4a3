/* SPDX-License-Identifier: BSD-2-Clause */
/* VMREAD and VMWRITE.  SDM "VMREAD", "VMWRITE". */
#include "nested/insn/field_access.h"

#include "nested/caps/caps.h"
#include "nested/insn/fast_operand.h"
#include "nested/insn/operand.h"
#include "nested/vmcs12/lazy.h"
#include "nested/vmcs12/shadow.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

/* VM-exit instruction information. */
#define INFO_FIRST_REGISTER  FIELD(6, 3)
#define INFO_IS_REGISTER     BIT32(10)
#define INFO_SECOND_REGISTER FIELD(31, 28)

enum vmcs_index insn_find_field(u64 encoding)
{
	const struct nested_place *place = &nested_shared.places[nested_place_of(encoding)];
	bool high_half = encoding & VMCS_ENCODING_HIGH;

	if (place->encoding != (encoding & ~(u64)VMCS_ENCODING_HIGH) ||
	    (high_half && vmcs_encoding_width(place->encoding) != VMCS_WIDTH_64))
		return VMCS_FIELD_COUNT;
	return (enum vmcs_index)place->field;
}

void insn_decode_field_access(struct vcpu *vcpu, struct insn_field_access *a)
{
	struct insn_memory_operand *m = &a->memory;

	decode_vmread_vmwrite((u32)vmcs_read(VMCS_exit_instruction_information),
			      vmcs_read(VMCS_exit_qualification), &m->operand);
	m->state = (struct l1_cpu_state){ 0 };
	if (m->operand.is_register) {
		m->state.efer = insn_in_ia32e_mode() ? EFER_LMA : 0;
		m->state.segments[SEGMENT_CS].access_rights =
			(u32)vmcs_read(VMCS_guest_cs_access_rights);
		m->state.registers[m->operand.second] = vcpu->regs[m->operand.second];
		m->state.registers[m->operand.reg] = vcpu->regs[m->operand.reg];
		if (m->operand.reg == REGISTER_RSP || m->operand.second == REGISTER_RSP)
			m->state.registers[REGISTER_RSP] = vmcs_read(VMCS_guest_rsp);
	} else {
		insn_read_state(vcpu, &m->state, m->operand.segment);
	}
	a->is_64bit = decode_is_64bit_code(&m->state);
	a->encoding = decode_register(&m->state, m->operand.second);
}

bool insn_write_destination(struct vcpu *vcpu, const struct insn_field_access *a, u64 value,
			    struct l1_fault *fault)
{
	u8 reg = a->memory.operand.reg;

	if (!a->memory.operand.is_register)
		return operand_write(&a->memory.state, &a->memory.operand, &value,
				     a->is_64bit ? 8 : 4, fault);
	if (!a->is_64bit)
		value = (u32)value;
	if (reg == REGISTER_RSP)
		vmcs_write(VMCS_guest_rsp, value);
	else
		vcpu->regs[reg] = value;
	return true;
}

bool insn_field_is_read_only(u64 encoding)
{
	return vmcs_encoding_type((u32)encoding) == VMCS_TYPE_READ_ONLY &&
	       !(nested_shared.caps12.misc & VMX_MISC_VMWRITE_ANY);
}

/*
 * The common form, in 64-bit code, for a field that exists, not its high half, and without RSP.
 * The other operand is a register (@reg) or memory.  Returns the field, or VMCS_FIELD_COUNT.
 */
static enum vmcs_index common_field(const struct vcpu *vcpu, u32 info, u64 *reg)
{
	u32 second = info >> 28;
	const struct nested_place *place =
		&nested_shared.places[nested_place_of(vcpu->regs[second])];

	*reg = field_get(info, INFO_FIRST_REGISTER);
	if (place->encoding != vcpu->regs[second] || second == GPR_RSP ||
	    ((info & INFO_IS_REGISTER) && *reg == GPR_RSP) || !vcpu->nested->l1_in_ia32e_mode ||
	    !(vmcs_read(VMCS_guest_cs_access_rights) & ACCESS_RIGHTS_L))
		return VMCS_FIELD_COUNT;
	return (enum vmcs_index)place->field;
}

/* The operands of VMREAD or VMWRITE.  False: there is no such field, and the instruction failed. */
static bool decode_field(struct vcpu *vcpu, struct insn_field_access *a, enum vmcs_index *field)
{
	insn_decode_field_access(vcpu, a);
	*field = insn_find_field(a->encoding);
	if (*field == VMCS_FIELD_COUNT)
		insn_fail(vcpu, VMFAIL_UNSUPPORTED_FIELD);
	return *field != VMCS_FIELD_COUNT;
}

/* CR0, CR3 or CR4 of L2: of the three, the fields have neighbouring places in VMCS12. */
static bool is_control_register(enum vmcs_index field)
{
	_Static_assert(VMCS_INDEX_guest_cr4 == VMCS_INDEX_guest_cr0 + 2, "CR0, CR3, CR4");
	return (unsigned int)field - VMCS_INDEX_guest_cr0 <= 2;
}

static __attribute__((noinline)) u64 read_stale(struct nested *nested, enum vmcs_index field)
{
	u64 value = lazy_read(nested, nested->current, field);

	if (is_control_register(field))
		shadow_count_cr_read(nested);
	return value;
}

static __attribute__((noinline)) void vmread_slowly(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	struct insn_field_access a;
	enum vmcs_index field;
	struct l1_fault fault;
	u64 value;

	if (!decode_field(vcpu, &a, &field))
		return;
	value = lazy_read(nested, nested->current, field);
	if (a.encoding & VMCS_ENCODING_HIGH)
		value >>= 32;
	if (insn_write_destination(vcpu, &a, value, &fault))
		insn_succeed();
	else
		insn_deliver(&fault);
}

__attribute__((noinline)) void insn_vmread(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	u32 info = (u32)vmcs_read(VMCS_exit_instruction_information);
	enum vmcs_index field;
	u64 reg, value;

	if (!nested->current) {
		insn_fail_invalid();
		return;
	}
	field = common_field(vcpu, info, &reg);
	if (field == VMCS_FIELD_COUNT) {
		vmread_slowly(vcpu);
		return;
	}
	/* Where the field is in a shadow VMCS, this instruction did not exit. */
	if (field_set_has(&nested->current->stale, field))
		value = read_stale(nested, field);
	else
		value = vmcs12_get(&nested->current->vmcs12, field);
	if (info & INFO_IS_REGISTER) {
		vcpu->regs[reg] = value;
	} else if (!fast_operand_write(vcpu, info, value)) {
		vmread_slowly(vcpu);
		return;
	}
	insn_succeed();
}

bool insn_read_source(const struct insn_field_access *a, u64 *value, struct l1_fault *fault)
{
	*value = 0;
	if (!a->memory.operand.is_register)
		return operand_read(&a->memory.state, &a->memory.operand, value,
				    a->is_64bit ? 8 : 4, fault);
	*value = decode_register(&a->memory.state, a->memory.operand.reg);
	return true;
}

u64 insn_merge_field(const struct insn_field_access *a, u64 old, u64 value)
{
	if (a->encoding & VMCS_ENCODING_HIGH)
		return (u32)old | value << 32;
	if (!a->is_64bit && vmcs_encoding_width((u32)a->encoding) == VMCS_WIDTH_64)
		return (old & ~0xffffffffULL) | (u32)value;
	return value;
}

static __attribute__((noinline)) void vmwrite_slowly(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	struct insn_field_access a;
	enum vmcs_index field;
	struct l1_fault fault;
	u64 value;

	if (!decode_field(vcpu, &a, &field))
		return;
	if (insn_field_is_read_only(a.encoding)) {
		insn_fail(vcpu, VMFAIL_VMWRITE_READ_ONLY);
		return;
	}
	if (!insn_read_source(&a, &value, &fault)) {
		insn_deliver(&fault);
		return;
	}
	if ((a.encoding & VMCS_ENCODING_HIGH) || !a.is_64bit)
		value = insn_merge_field(&a, lazy_read(nested, nested->current, field), value);
	lazy_write(nested->current, field, value);
	shadow_follow(nested->current, field);
	insn_succeed();
}

__attribute__((noinline)) void insn_vmwrite(struct vcpu *vcpu)
{
	struct nested *nested = vcpu->nested;
	u32 info = (u32)vmcs_read(VMCS_exit_instruction_information);
	enum vmcs_index field;
	u64 reg, value;

	if (!nested->current) {
		insn_fail_invalid();
		return;
	}
	field = common_field(vcpu, info, &reg);
	if (field == VMCS_FIELD_COUNT || insn_field_is_read_only(vmcs_fields[field].encoding)) {
		vmwrite_slowly(vcpu);
		return;
	}
	if (info & INFO_IS_REGISTER) {
		value = vcpu->regs[reg];
	} else if (!fast_operand_read(vcpu, info, &value)) {
		vmwrite_slowly(vcpu);
		return;
	}
	lazy_write(nested->current, field, value);
	shadow_follow(nested->current, field);
	insn_succeed();
}
