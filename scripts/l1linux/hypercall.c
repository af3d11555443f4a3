/* SPDX-License-Identifier: BSD-2-Clause */
/* VMCALL from user mode.  On a machine without a hypervisor it takes #UD, in Linux SIGILL. */
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

#include "hypercall.h"

static sigjmp_buf after_undefined;

static void on_undefined(int number)
{
	(void)number;
	siglongjmp(after_undefined, 1);
}

struct hypercall_result vmcall(u32 magic, u32 function, u32 c, u32 d)
{
	struct hypercall_result result = { .undefined = true };
	struct sigaction action = { .sa_handler = on_undefined }, old;
	u64 rax = magic, rbx = function, rcx = c, rdx = d;

	sigaction(SIGILL, &action, &old);
	if (sigsetjmp(after_undefined, 1) == 0) {
		__asm__ volatile("vmcall"
				 : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx)
				 :
				 : "memory");
		result = (struct hypercall_result){ false, (u32)rax, rbx, rcx, rdx };
	}
	sigaction(SIGILL, &old, NULL);
	return result;
}

struct hypercall_result hypercall(u32 function, u32 c, u32 d)
{
	return vmcall(HYPERCALL_MAGIC, function, c, d);
}
