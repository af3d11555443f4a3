/* SPDX-License-Identifier: BSD-2-Clause */
/* The common memory operand of a VMX instruction, straight from VMCS01. */
#include "nested/insn/fast_operand.h"

#include "nested/insn/l1_cpu_state.h"
#include "nested/state.h"
#include "xmhf/memory/l1_memory.h"
#include "xmhf/vmx/machine.h"
#include "xmhf/vmx/vmcs_hw.h"
#include "xmhf/x86/cpu.h"
#include "xmhf/x86/msr.h"

/* VM-exit instruction information of the VMX instructions. */
#define INFO_SCALE	  FIELD(1, 0)
#define INFO_ADDRESS_SIZE FIELD(9, 7)
#define INFO_SEGMENT	  FIELD(17, 15)
#define INFO_INDEX	  FIELD(21, 18)
#define INFO_NO_INDEX	  BIT32(22)
#define INFO_BASE	  FIELD(26, 23)
#define INFO_NO_BASE	  BIT32(27)
#define ADDRESS_SIZE_64	  2

static u64 register_value(const struct vcpu *vcpu, u64 number)
{
	return number == GPR_RSP ? vmcs_read(VMCS_guest_rsp) : vcpu->regs[number];
}

static u64 linear_address(const struct vcpu *vcpu, u32 info)
{
	u64 linear = vmcs_read(VMCS_exit_qualification); /* the displacement */

	if (!(info & INFO_NO_BASE))
		linear += register_value(vcpu, field_get(info, INFO_BASE));
	if (!(info & INFO_NO_INDEX))
		linear += register_value(vcpu, field_get(info, INFO_INDEX))
			  << field_get(info, INFO_SCALE);
	return linear;
}

static bool is_common(const struct vcpu *vcpu, u32 info, u64 cr4)
{
	return field_get(info, INFO_ADDRESS_SIZE) == ADDRESS_SIZE_64 &&
	       field_get(info, INFO_SEGMENT) < SEGMENT_FS && !(cr4 & (CR4_LA57 | CR4_PKS)) &&
	       vcpu->nested->l1_in_ia32e_mode &&
	       (vmcs_read(VMCS_guest_cs_access_rights) & ACCESS_RIGHTS_L);
}

/* In each caller a copy: with a shared one VMPTRLD, INVEPT and their like take 14 to 36 ticks more.
 */
static inline __attribute__((always_inline)) bool find(struct vcpu *vcpu, u32 info, u32 size,
						       bool write, l1pa_t *address)
{
	u64 cr4 = vmcs_read(VMCS_guest_cr4), linear;
	struct fast_paging paging;

	if (!is_common(vcpu, info, cr4))
		return false;
	linear = linear_address(vcpu, info);
	if ((linear & (PAGE_SIZE - 1)) + size > PAGE_SIZE ||
	    (u64)((s64)(linear << 16) >> 16) != linear)
		return false;
	paging = fast_paging_of(vmcs_read(VMCS_guest_cr3), cr4, vmcs_read(VMCS_guest_ia32_efer),
				machine.caps.physical_address_width);
	return fast_translate(&paging, linear, write, address);
}

__attribute__((flatten)) const volatile void *fast_operand(struct vcpu *vcpu, u32 info, u32 size)
{
	l1pa_t address;

	return find(vcpu, info, size, false, &address) ? l1_memory_view(address, size) : NULL;
}

__attribute__((noinline)) bool fast_operand_read(struct vcpu *vcpu, u32 info, u64 *value)
{
	const volatile u64 *at;
	l1pa_t address;

	if (!find(vcpu, info, sizeof(*value), false, &address))
		return false;
	at = l1_memory_view(address, sizeof(*value));
	if (at)
		*value = *at;
	return at != NULL;
}

__attribute__((noinline)) bool fast_operand_write(struct vcpu *vcpu, u32 info, u64 value)
{
	l1pa_t address;

	if (!find(vcpu, info, sizeof(value), true, &address))
		return false;
	l1_memory_write(address, &value, sizeof(value));
	return true;
}
