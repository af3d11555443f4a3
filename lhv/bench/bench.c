/* SPDX-License-Identifier: BSD-2-Clause */
/* placeholder */
#include "lhv/bench/bench.h"
#include "lhv/frame/machine.h"
_Noreturn void bench_run(void)
{
	machine_stop(false, 0, 0);
}
