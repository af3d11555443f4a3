/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A memory slot that is taken away and put back with other memory behind it: what that costs, and
 * that a running guest sees neither old pages nor writes to them.
 */
#include "guests.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "vmm.h"

#define SLOT	     1
#define SLOT_SIZE    (SLOT_PAGES * 4096ull)
#define PAGE_WORDS   1024
#define ROUNDS	     32u
#define WATCH_ROUNDS 24u
#define ABSENT	     0xffffffffu

extern const char guest_rounds[], guest_rounds_end[], guest_watch[], guest_watch_end[];

static u32 *backing[2];
static struct vm vm;

/* Two pieces of memory of 4 KiB pages: with large ones a slot would be few translations. */
static void make_backing(void)
{
	for (u32 i = 0; i < 2; i++) {
		backing[i] = mmap(NULL, SLOT_SIZE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (backing[i] == MAP_FAILED)
			die("memory for a slot");
		madvise(backing[i], SLOT_SIZE, MADV_NOHUGEPAGE);
	}
}

/* The first word of every page is @value, the second 0. */
static void fill(u32 *memory, u32 value)
{
	for (u32 page = 0; page < SLOT_PAGES; page++) {
		memory[page * PAGE_WORDS] = value;
		memory[page * PAGE_WORDS + 1] = 0;
	}
}

static bool is_untouched(const u32 *memory)
{
	for (u32 page = 0; page < SLOT_PAGES; page++)
		if (memory[page * PAGE_WORDS + 1] != 0)
			return false;
	return true;
}

static void put_slot(u32 *memory)
{
	vm_set_slot(&vm, SLOT, SLOT_ADDRESS, memory, SLOT_SIZE);
}

/* ---- what it costs ---- */

static struct {
	u32 rounds, wrong;
	u64 first, last;
} measured;

/* The guest went through all pages: the slot goes and comes back with the other memory. */
static bool on_round(struct vm *ignored, struct kvm_run *run, int *status)
{
	u32 sum, which = measured.rounds & 1;

	(void)ignored;
	memcpy(&sum, (u8 *)run + run->io.data_offset, sizeof(sum));
	measured.wrong += run->io.port != PORT_ROUND || sum != SLOT_PAGES * (which + 1);
	measured.last = __rdtsc();
	if (measured.rounds++ == 0)
		measured.first = measured.last;
	*status = 0;
	put_slot(NULL);
	put_slot(backing[!which]);
	return measured.rounds > ROUNDS;
}

static void no_mmio(struct kvm_run *run)
{
	(void)run;
	measured.wrong++;
}

bool churn_measure(void)
{
	bool good;

	make_backing();
	fill(backing[0], 1);
	fill(backing[1], 2);
	vm.on_port = on_round;
	vm.on_mmio = no_mmio;
	guest_create(&vm, 1, guest_rounds, guest_rounds_end);
	put_slot(backing[0]);
	guest_start(&vm, 0, 64);
	good = check(vm_run(&vm) == 0 && measured.wrong == 0,
		     "a slot of %u pages replaced %u times: the guest sees what is there",
		     SLOT_PAGES, ROUNDS);
	printf("PROBE churn rounds=%u pages=%u ticks=%llu\n", ROUNDS, SLOT_PAGES,
	       (unsigned long long)(measured.last - measured.first));
	return good;
}

/* ---- while the guest runs ---- */

static atomic_uint absent_reads;

static bool on_end(struct vm *ignored, struct kvm_run *run, int *status)
{
	(void)ignored;
	*status = run->io.port != PORT_DONE;
	return true;
}

static void on_absent(struct kvm_run *run)
{
	u32 ones = ABSENT;

	if (run->mmio.is_write)
		return;
	memcpy(run->mmio.data, &ones, sizeof(ones));
	atomic_fetch_add(&absent_reads, 1);
}

static volatile u32 *shared(u32 at)
{
	return (volatile u32 *)(vm.memory + at);
}

/* Until the guest has looked at every page once more, or at least found one gone. */
static void wait_for_guest(bool is_absent)
{
	u32 passes = *shared(WORD_PASSES), reads = atomic_load(&absent_reads);

	while (is_absent ? atomic_load(&absent_reads) == reads : *shared(WORD_PASSES) - passes < 2)
		usleep(200);
}

/* Memory that was taken away is filled at once: later writes of the guest to it would show. */
static void *exchange(void *late_writes)
{
	for (u32 epoch = 1; epoch <= WATCH_ROUNDS; epoch++) {
		u32 *old = backing[(epoch - 1) & 1], *new = backing[epoch & 1];

		wait_for_guest(false);
		put_slot(NULL);
		fill(old, epoch - 1);
		if (epoch % 4 == 0)
			wait_for_guest(true);
		*(u32 *)late_writes += epoch > 1 && !is_untouched(new);
		fill(new, epoch);
		put_slot(new);
		*shared(WORD_EPOCH) = epoch;
	}
	wait_for_guest(false);
	*shared(WORD_STOP) = 1;
	return NULL;
}

bool churn_watch(void)
{
	u32 late_writes = 0;
	pthread_t thread;
	bool good;

	make_backing();
	fill(backing[0], 0);
	vm.on_port = on_end;
	vm.on_mmio = on_absent;
	guest_create(&vm, 1, guest_watch, guest_watch_end);
	put_slot(backing[0]);
	guest_start(&vm, 0, 64);
	if (pthread_create(&thread, NULL, exchange, &late_writes) != 0)
		die("a thread");
	good = check(vm_run(&vm) == 0, "a slot replaced %u times while the guest runs: it ends",
		     WATCH_ROUNDS);
	pthread_join(thread, NULL);
	printf("PROBE churn-watch rounds=%u passes=%u absent=%u\n", WATCH_ROUNDS,
	       *shared(WORD_PASSES), atomic_load(&absent_reads));
	good &= check(atomic_load(&absent_reads) > 0, "the guest finds the slot gone");
	good &= check(*shared(WORD_STALE) == 0, "no page is older than the slot");
	return check(late_writes == 0, "nothing is written to pages that were taken away") && good;
}
