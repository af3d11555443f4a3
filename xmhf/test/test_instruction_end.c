/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: */
/* RIP and pending debug exceptions after an instruction that L0 executed. */
#include "xmhf/vmx/instruction_end.h"

#include "xmhf/test/tap.h"

static void test_rip(void)
{
	ok(!instruction_end_crosses(0xfffffffd, 2), "ends below 4 GiB");
	ok(instruction_end_crosses(0xfffffffe, 2), "ends at 4 GiB");
	ok(instruction_end_crosses(0x1fffffffeULL, 3), "and at its multiples");
	ok(!instruction_end_crosses(0x7fffffff, 1), "not at 2 GiB");
	is_u64(instruction_end_rip(0xfffffffe, 2, false), 0, "wraps");
	is_u64(instruction_end_rip(0xffffffff, 3, false), 2, "wraps further");
	is_u64(instruction_end_rip(0xfffffffe, 2, true), 0x100000000ULL, "64-bit code goes on");
	is_u64(instruction_end_rip(0xfffe, 2, false), 0x10000, "16-bit code has EIP too");
}

static void test_pending_debug(void)
{
	is_u64(instruction_end_pending_debug(0, RFLAGS_TF, 0), BIT(14), "single step");
	is_u64(instruction_end_pending_debug(0x1001, RFLAGS_TF, 0), 0x5001, "with a breakpoint");
	is_u64(instruction_end_pending_debug(3, 0, 0), 3, "no trap flag");
	is_u64(instruction_end_pending_debug(3, RFLAGS_TF, 2), 3, "only branches trap");
}

int main(void)
{
	test_rip();
	test_pending_debug();
	return tap_end();
}
