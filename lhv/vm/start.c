/* SPDX-License-Identifier: BSD-2-Clause */
/* Where an L2 starts: 16-bit programs run from a copy below 1 MiB. */
#include "lhv/vm/vm.h"

#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

extern const u8 l2_code16_start[];

const u8 *vm_vmcall_of(enum l2_mode mode)
{
	if (mode == L2_NATIVE)
		return l2_vmcall;
	return mode == L2_REAL || mode == L2_V86 ? l2_vmcall16 : l2_vmcall32;
}

void vm_start_at(enum l2_mode mode, const u8 *program)
{
	if (mode != L2_REAL && mode != L2_V86) {
		vm_set(VMCS_guest_rip, (uptr)program);
		return;
	}
	memcpy((void *)LOW_PAGE, l2_code16_start, (size_t)(l2_code16_end - l2_code16_start));
	vm_set(VMCS_guest_cs_selector, LOW_PAGE >> 4);
	vm_set(VMCS_guest_cs_base, LOW_PAGE);
	vm_set(VMCS_guest_rip, (u64)(program - l2_code16_start));
}
