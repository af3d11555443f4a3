/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX instructions whose operands nobody has checked; they may fault. */
#include "lhv/hostile/hostile.h"

#include "lhv/frame/asm_hw.h"

#define RAW_POINTER(name, insn, type)                        \
	uptr name(type pointer)                              \
	{                                                    \
		uptr v;                                      \
                                                             \
		__asm__ volatile(insn " (%1); pushf; pop %0" \
				 : "=r"(v)                   \
				 : "r"(pointer)              \
				 : "memory", "cc");          \
		return v;                                    \
	}
RAW_POINTER(raw_vmxon, "vmxon", const void *)
RAW_POINTER(raw_vmclear, "vmclear", const void *)
RAW_POINTER(raw_vmptrld, "vmptrld", const void *)
RAW_POINTER(raw_vmptrst, "vmptrst", void *)

uptr raw_vmread(uptr encoding, void *value)
{
	uptr v;

	__asm__ volatile("vmread %1, (%2); pushf; pop %0"
			 : "=r"(v)
			 : "r"(encoding), "r"(value)
			 : "memory", "cc");
	return v;
}

uptr raw_vmwrite(uptr encoding, const void *value)
{
	uptr v;

	__asm__ volatile("vmwrite (%2), %1; pushf; pop %0"
			 : "=r"(v)
			 : "r"(encoding), "r"(value)
			 : "memory", "cc");
	return v;
}

uptr raw_invept(uptr type, const void *descriptor)
{
	uptr v;

	__asm__ volatile("invept (%2), %1; pushf; pop %0"
			 : "=r"(v)
			 : "r"(type), "r"(descriptor)
			 : "memory", "cc");
	return v;
}

uptr raw_invvpid(uptr type, const void *descriptor)
{
	uptr v;

	__asm__ volatile("invvpid (%2), %1; pushf; pop %0"
			 : "=r"(v)
			 : "r"(type), "r"(descriptor)
			 : "memory", "cc");
	return v;
}

struct hypercall hypercall_make(u32 magic, u32 function, u32 argument)
{
	uptr a = magic, b = function, c = argument, d = 0;

	__asm__ volatile("vmcall" : "+a"(a), "+b"(b), "+c"(c), "+d"(d) : : "memory", "cc");
	return (struct hypercall){ a, b, c, d };
}
