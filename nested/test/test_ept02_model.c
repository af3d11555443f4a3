/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fuzzer's model of L1, L2 and the processor, driven by a fixed sequence of random bytes.
 */
/* sources: nested/ept02/ept12.c nested/ept02/ept02.c nested/ept02/tables.c
 * nested/ept02/violation.c nested/ept02/resync.c nested/ept02/memory_type.c */
#include "nested/test/fuzz_ept12.c"

static struct ept02_statistics total;

static void add_statistics(void)
{
	total.fixed += ept.statistics.fixed;
	total.reflected += ept.statistics.reflected;
	total.l0_owned += ept.statistics.l0_owned;
	total.retried += ept.statistics.retried;
	total.prefetched += ept.statistics.prefetched;
	total.trims += ept.statistics.trims;
	total.contexts_evicted += ept.statistics.contexts_evicted;
	total.entries_dropped += ept.statistics.entries_dropped;
	total.entries_narrowed += ept.statistics.entries_narrowed;
	total.flushes += ept.statistics.flushes;
}

int main(void)
{
	static unsigned char bytes[3000];
	unsigned int round, i;

	for (round = 0; round < 300; round++) {
		for (i = 0; i < sizeof(bytes); i++)
			bytes[i] = (unsigned char)world_random(256);
		LLVMFuzzerTestOneInput(bytes, sizeof(bytes));
		world_check_pool(&ept);
		add_statistics();
	}
	printf("# fixed %llu reflected %llu L0's %llu retried %llu prefetched %llu evicted %llu "
	       "trims %llu dropped %llu narrowed %llu flushes %llu\n",
	       total.fixed, total.reflected, total.l0_owned, total.retried, total.prefetched,
	       total.contexts_evicted, total.trims, total.entries_dropped, total.entries_narrowed,
	       total.flushes);
	ok(total.fixed && total.reflected && total.l0_owned && total.retried && total.prefetched &&
		   total.contexts_evicted && total.trims && total.entries_dropped &&
		   total.entries_narrowed && total.flushes,
	   "every kind of event was seen");
	world_agreements("tables after each sequence");
	return tap_end();
}
