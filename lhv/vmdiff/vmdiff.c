/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs numbered cases and prints their outcomes. */
#include "lhv/vmdiff/vmdiff.h"

#include "lhv/frame/apic.h"
#include "lhv/frame/asm_hw.h"
#include "lhv/frame/cmdline.h"
#include "lhv/frame/console.h"
#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/frame/watchdog.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/host_state.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define WATCHDOG_COUNT 20000000u
#define PRIMARY_RANDOM                                                                     \
	(PROC1_HLT_EXITING | PROC1_INVLPG_EXITING | PROC1_CR3_LOAD_EXITING |               \
	 PROC1_CR3_STORE_EXITING | PROC1_MOV_DR_EXITING | PROC1_UNCONDITIONAL_IO_EXITING | \
	 PROC1_USE_IO_BITMAPS | PROC1_MONITOR_TRAP_FLAG | PROC1_USE_MSR_BITMAPS |          \
	 PROC1_PAUSE_EXITING)
#define SECONDARY_RANDOM                                                               \
	(PROC2_DESCRIPTOR_TABLE_EXITING | PROC2_WBINVD_EXITING | PROC2_ENABLE_RDTSCP | \
	 PROC2_ENABLE_INVPCID)
#define FNV_OFFSET 0xcbf29ce484222325ULL
#define FNV_PRIME  0x100000001b3ULL

static const char *const kind_names[] = { "flip", "rule", "mode", "program" };

static struct {
	u64 number, seed, mask;
	struct vmdiff_case c;
	struct outcome o;
} run;

static u8 *bitmaps; /* MSR, I/O A, I/O B */

static void apply_program(const struct vmdiff_case *c)
{
	if (!bitmaps)
		bitmaps = page_alloc(3);
	memset(bitmaps, c->bitmap, 3 * PAGE_SIZE);
	vm_set(VMCS_msr_bitmap_address, (uptr)bitmaps);
	vm_set(VMCS_io_bitmap_a_address, (uptr)bitmaps + PAGE_SIZE);
	vm_set(VMCS_io_bitmap_b_address, (uptr)bitmaps + 2 * PAGE_SIZE);
	vm_control(VMX_WORD_PROC1, c->primary & PRIMARY_RANDOM,
		   ~c->primary & PRIMARY_RANDOM & ~facts.word[VMX_WORD_PROC1].must);
	vm_control(VMX_WORD_PROC2, c->secondary & SECONDARY_RANDOM & facts.word[VMX_WORD_PROC2].may,
		   ~c->secondary & SECONDARY_RANDOM);
	vm_set(VMCS_exception_bitmap, c->secondary);
	vm_set(VMCS_cr0_guest_host_mask, c->primary & 0x1f ? 0 : 0xffffffff);
	vm_set(VMCS_cr0_read_shadow, vm_get(VMCS_guest_cr0));
	vm_set(VMCS_guest_rip, (uptr)vmdiff_code(c->program));
	vm_self()->regs.rcx = c->primary & BIT32(5) ? MSR_IA32_SYSENTER_CS : MSR_IA32_LSTAR;
}

/* The processor has the mode, the fields and the controls of the case. */
static bool is_available(const struct vmdiff_case *c)
{
	if (!vm_can_run(c->mode))
		return false;
	for (unsigned int i = 0; i < c->changes; i++)
		if (!vm_has(c->change[i].encoding))
			return false;
	return c->kind != VMDIFF_PROGRAM ||
	       (vm_allows(VMX_WORD_PROC1, c->primary & PRIMARY_RANDOM) &&
		vm_allows(VMX_WORD_PROC2, c->secondary & SECONDARY_RANDOM));
}

static const u8 *start_of(enum l2_mode mode)
{
	return mode == L2_REAL || mode == L2_V86 ? vm_vmcall_of(mode) : vmdiff_vmcall();
}

static void prepare(void)
{
	struct l2_registers *r = &vm_self()->regs;
	const struct vmdiff_case *c = &run.c;

	l2_pdptes_repair();
	vm_reset(c->mode);
	memset(r, 0, sizeof(*r));
	r->rbx = 0x1000;
	vm_set(VMCS_eptp, vmdiff_ept());
	vm_start_at(c->mode, start_of(c->mode));
	if (c->kind == VMDIFF_PROGRAM)
		apply_program(c);
	for (unsigned int i = 0; i < c->changes; i++)
		if (run.mask & BIT(i))
			vm_set(c->change[i].encoding,
			       vm_get(c->change[i].encoding) ^ c->change[i].flip);
}

/* L1 as it was: a flipped host field may have been loaded. */
static void restore(const struct host_state *s)
{
	write_cr0((uptr)s->value[0]);
	write_cr4((uptr)s->value[2]);
	wrmsr(MSR_IA32_SYSENTER_CS, s->value[25]);
	wrmsr(MSR_IA32_SYSENTER_ESP, s->value[26]);
	wrmsr(MSR_IA32_SYSENTER_EIP, s->value[27]);
	wrmsr(MSR_IA32_PAT, s->value[28]);
	wrmsr(MSR_IA32_EFER, s->value[29]);
	wrmsr(MSR_IA32_FS_BASE, s->value[30]);
	wrmsr(MSR_IA32_GS_BASE, s->value[31]);
	load_ldt(0);
	nmi_unblock();
}

static u64 add_to_hash(u64 hash, u64 value)
{
	for (unsigned int i = 0; i < 8; i++)
		hash = (hash ^ (value >> i * 8 & 0xff)) * FNV_PRIME;
	return hash;
}

/* Fields that all processors have. */
static bool is_universal(const struct vmcs_field_info *f)
{
	return f->exists_if[0].word == VMX_WORD_NONE && f->exists_if[0].mask;
}

/* What an exit saves, and what a failed entry must not have touched. */
static u64 hash_of_guest_state(void)
{
	u64 hash = FNV_OFFSET;

	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		if (is_universal(&vmcs_fields[i]) &&
		    vmcs_encoding_type(vmcs_fields[i].encoding) == VMCS_TYPE_GUEST)
			hash = add_to_hash(hash, vm_get(vmcs_fields[i].encoding));
	return add_to_hash(hash, vm_get(VMCS_entry_interruption_information));
}

static u64 if_valid(u32 encoding)
{
	u64 v = vm_get(encoding);

	return v & INTR_INFO_VALID ? v : 0;
}

static void print_changes(void)
{
	trace("D %llu %s mode%u", run.number, kind_names[run.c.kind], run.c.mode);
	for (unsigned int i = 0; i < run.c.changes; i++)
		if (run.mask & BIT(i))
			trace(" %s^0x%llx",
			      vmcs_fields[vmcs_index_of(run.c.change[i].encoding)].name,
			      run.c.change[i].flip);
	if (run.c.kind == VMDIFF_PROGRAM)
		trace(" program%u primary0x%x secondary0x%x bitmap0x%x", run.c.program,
		      run.c.primary, run.c.secondary, run.c.bitmap);
}

static void print_outcome(const struct vm *vm)
{
	const struct outcome *o = &run.o;

	trace(" | result %u error %u", o->result, o->error);
	if (o->result == VMX_SUCCEED) {
		trace(" reason 0x%x qualification 0x%llx", o->reason, o->qualification);
		if (!(o->reason & EXIT_REASON_ENTRY_FAILURE))
			trace(" info 0x%llx vectoring 0x%llx rip 0x%llx rflags 0x%llx",
			      if_valid(VMCS_exit_interruption_information),
			      if_valid(VMCS_idt_vectoring_information), vm_get(VMCS_guest_rip),
			      vm_get(VMCS_guest_rflags));
	}
	trace(" ax 0x%llx state 0x%llx", (u64)vm->regs.rax, hash_of_guest_state());
}

static void enter(void *argument)
{
	(void)argument;
	apic_timer_once(VECTOR_WATCHDOG, WATCHDOG_COUNT);
	run.o = vm_enter();
	apic_timer_stop();
}

static void one_case(const struct host_state *before)
{
	u64 ticks = rdtsc();
	bool ended;

	vmdiff_make(run.seed, run.number, &run.c);
	print_changes();
	if (!is_available(&run.c)) {
		trace(" | unavailable | %llu\n", ticks);
		return;
	}
	prepare();
	ended = watchdog_call(enter, NULL);
	restore(before);
	if (ended)
		print_outcome(vm_self());
	else
		trace(" | ended by the watchdog");
	trace(" | %llu\n", ticks);
	if (!ended)
		vm_prepare(vm_self());
}

static void print_controls(void)
{
	static const enum vmx_control_word words[] = { VMX_WORD_PIN, VMX_WORD_PROC1, VMX_WORD_PROC2,
						       VMX_WORD_EXIT, VMX_WORD_ENTRY };

	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++)
		trace("C %s 0x%x 0x%x\n",
		      vmcs_fields[vmcs_index_of(vm_control_encoding(words[i]))].name,
		      facts.word[words[i]].must, facts.word[words[i]].may);
}

_Noreturn void vmdiff_run(void)
{
	u64 from = cmdline_number("from", 0), count = cmdline_number("count", 10000);
	struct host_state before;

	if (!IS_64BIT || !facts.vmx || !ept_usable()) {
		report("# vmdiff needs the 64-bit build, VMX and EPT\n");
		machine_stop(false, 0, 1);
	}
	run.seed = cmdline_number("seed", 1);
	run.mask = cmdline_number("mask", ~0ULL);
	disable_interrupts();
	vm_prepare(vm_self());
	vm_reset(L2_LONG);
	host_state_read(&before);
	report("# vmdiff: %llu single-bit cases\n", vmdiff_flip_count());
	print_controls();
	for (u64 i = 0; i < count; i++) {
		run.number = from + i;
		one_case(&before);
	}
	machine_stop(true, (u32)count, (u32)count);
}
