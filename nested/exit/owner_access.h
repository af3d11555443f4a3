/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of owner.h that look at operands and bitmaps.  Each says: would the processor
 * have exited under VMCS12's controls?  Pure.
 */
#pragma once

#include "nested/exit/owner.h"
#include "nested/vmcs02/controls.h"

/** MOV to and from CR, CLTS, LMSW. */
bool owner_cr_access_exits(const struct vmcs12 *vmcs12, const struct control_words *words,
			   const struct owner_exit *exit);

/** IN, OUT, INS, OUTS. */
bool owner_io_exits(const struct control_words *words, const struct owner_pages *pages,
		    const struct owner_exit *exit);

/** RDMSR, WRMSR. */
bool owner_msr_exits(const struct control_words *words, const struct owner_pages *pages,
		     const struct owner_exit *exit, bool is_write);

/** VMREAD, VMWRITE, with their bitmap. */
bool owner_shadowed_access_exits(const struct control_words *words, const volatile u8 *bitmap,
				 const struct owner_exit *exit);

/** XSAVES, XRSTORS. */
bool owner_xsaves_exits(const struct vmcs12 *vmcs12, const struct control_words *words,
			const struct owner_exit *exit);

/** VMFUNC. */
bool owner_vmfunc_exits(const struct vmcs12 *vmcs12, const struct control_words *words,
			const struct owner_exit *exit);

/** ENCLS, ENCLV, PCONFIG: one bit of a bitmap for each leaf function in EAX. */
bool owner_leaf_exits(const struct vmcs12 *vmcs12, const struct control_words *words,
		      const struct owner_exit *exit, u32 reason);
