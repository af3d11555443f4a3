/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions in VMX root operation, and instructions that may fault. */
#include "xmhf/cpu/exception.h"

#include "xmhf/cpu/percpu.h"
#include "xmhf/device/log.h"
#include "xmhf/lib/format.h"
#include "xmhf/x86/insn.h"

_Static_assert(offsetof(struct cpu, nmi_count) == 16, "exception.S knows this offset");

extern const struct exception_fixup fixups_start[], fixups_end[];

#define FIXUP(at, go_on) ".pushsection .fixups, \"a\"\n\t.quad " at ", " go_on "\n\t.popsection\n\t"

static bool fix_up(struct exception_frame *frame)
{
	for (const struct exception_fixup *f = fixups_start; f < fixups_end; f++) {
		if (f->at == frame->rip) {
			frame->rip = f->go_on;
			return true;
		}
	}
	return false;
}

void exception_handle(struct exception_frame *frame)
{
	char text[128];

	if (fix_up(frame))
		return;
	format_text(text, sizeof(text),
		    "exception %u in L0, error code 0x%x, rip 0x%llx, cr2 0x%llx",
		    (u32)frame->vector, (u32)frame->error_code, frame->rip, (u64)read_cr2());
	panic(text, frame->rip, frame->rsp);
}

bool rdmsr_safe(u32 index, u64 *value)
{
	u32 low = 0, high = 0, done = 0;

	__asm__ volatile("1:\trdmsr\n\t"
			 "mov $1, %2\n"
			 "2:\n\t" FIXUP("1b", "2b")
			 : "+a"(low), "+d"(high), "+r"(done)
			 : "c"(index));
	*value = (u64)high << 32 | low;
	return done;
}

bool wrmsr_safe(u32 index, u64 value)
{
	u32 done = 0;

	__asm__ volatile("1:\twrmsr\n\t"
			 "mov $1, %0\n"
			 "2:\n\t" FIXUP("1b", "2b")
			 : "+r"(done)
			 : "c"(index), "a"((u32)value), "d"((u32)(value >> 32))
			 : "memory");
	return done;
}

bool xsetbv_safe(u32 index, u64 value)
{
	u32 done = 0;

	__asm__ volatile("1:\txsetbv\n\t"
			 "mov $1, %0\n"
			 "2:\n\t" FIXUP("1b", "2b")
			 : "+r"(done)
			 : "c"(index), "a"((u32)value), "d"((u32)(value >> 32))
			 : "memory");
	return done;
}
