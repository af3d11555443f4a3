/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Xen: a guest without paging runs with paging on and an identity map, its CR3 accesses exit
 * (no unrestricted guest); I/O bitmaps, RDTSC and descriptor-table exiting, PAUSE loops; INVEPT
 * and INVVPID of all contexts only; VMCLEAR when a virtual CPU goes and VMPTRLD when it comes.
 */
#include "lhv/frame/apic.h"
#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/persona/work.h"
#include "lhv/vm/ept.h"
#include "xmhf/lib/string.h"

#define SWITCH_EVERY 8
#define TSC_VALUE    0x7150u
#define CR0_BOOT     0x11u /* as the guest sees it */
#define PLE_GAP	     128
#define PLE_WINDOW   1000
#define TIMER_SOON   300
#define CR_FROM	     0x10u /* MOV from CR, in the exit qualification */
#define CR_TYPE	     0x30u
#define CR3_EXITING  (PROC1_CR3_LOAD_EXITING | PROC1_CR3_STORE_EXITING)

extern const u8 l2_xen[], l2_paging_later[];

static struct {
	const struct persona *p;
	struct vm *boot, *work;
	struct work_ept ept;
	u64 cr3;   /* the guest's while it has no paging */
	u8 *ports; /* I/O bitmaps */
	u8 table[16];
} xen;

static const char *refuses(void)
{
	if (!vm_allows(VMX_WORD_PIN, PERSONA_PIN))
		return "external-interrupt or NMI exiting";
	if (!vm_allows(VMX_WORD_PROC1, PERSONA_PROC1 & ~PROC1_UNCONDITIONAL_IO_EXITING))
		return "a primary control of its minimum";
	if (!vm_allows(VMX_WORD_PROC1,
		       PROC1_USE_IO_BITMAPS | PROC1_RDTSC_EXITING | PROC1_INTERRUPT_WINDOW_EXITING))
		return "I/O bitmaps, RDTSC exiting or interrupt windows";
	if (!vm_allows(VMX_WORD_EXIT, EXIT_ACKNOWLEDGE_INTERRUPT))
		return "acknowledge interrupt on exit";
	if (!(facts.ept_vpid & EPT_CAP_INVEPT_ALL))
		return "INVEPT all-context, without which it uses no EPT";
	return NULL;
}

/* No VPID without INVVPID of all contexts. */
static struct persona words(void)
{
	struct persona p = *xen.p;

	if (!(facts.ept_vpid & EPT_CAP_INVVPID_ALL))
		p.secondary &= ~PROC2_ENABLE_VPID;
	return p;
}

static void flush_all(void)
{
	invept(INVEPT_ALL_CONTEXT, 0);
	if (facts.ept_vpid & EPT_CAP_INVVPID_ALL)
		invvpid(INVVPID_ALL_CONTEXT, 0, 0);
}

static void prepare(const struct persona *p)
{
	struct persona w;

	xen.p = p;
	w = words();
	xen.work = vm_self();
	xen.boot = vm_new();
	xen.ept = work_ept_new(false);
	work_set_controls(&w, L2_NATIVE);
	work_msr_bitmap();
	work_efer_lists();
	xen.ports = page_alloc(2);
	xen.ports[WORK_PORT / 8] |= (u8)(1u << (WORK_PORT % 8));
	vm_set(VMCS_io_bitmap_a_address, (uptr)xen.ports);
	vm_set(VMCS_io_bitmap_b_address, (uptr)xen.ports + PAGE_SIZE);
	vm_set(VMCS_eptp, xen.ept.eptp);
	if (work_uses(VMX_WORD_PROC2, PROC2_PAUSE_LOOP_EXITING)) {
		vm_set(VMCS_ple_gap, PLE_GAP);
		vm_set(VMCS_ple_window, PLE_WINDOW);
	}
}

static void rdtsc_value(void)
{
	vm_self()->regs.rax = TSC_VALUE;
	work_skip();
}

/* The guest's CR3 is only remembered while it has no paging. */
static void cr3_written(void)
{
	work_check((vm_get(VMCS_exit_qualification) & CR_TYPE) == 0, "MOV to CR3");
	xen.cr3 = vm_self()->regs.rcx;
	work_skip();
}

static void cr3_read(void)
{
	work_check((vm_get(VMCS_exit_qualification) & CR_TYPE) == CR_FROM, "MOV from CR3");
	vm_self()->regs.rax = (uptr)xen.cr3;
	work_skip();
}

static void paging_on(void)
{
	vm_set(VMCS_cr0_read_shadow, vm_self()->regs.rbx);
	vm_set(VMCS_guest_cr3, xen.cr3);
	vm_control(VMX_WORD_PROC1, PROC1_INTERRUPT_WINDOW_EXITING,
		   CR3_EXITING & ~facts.word[VMX_WORD_PROC1].must);
	flush_all();
	work_skip();
}

static void window_open_32(void)
{
	vm_control(VMX_WORD_PROC1, 0, PROC1_INTERRUPT_WINDOW_EXITING);
}

static void boot_guest(void)
{
	const struct step steps[] = {
		{ EXIT_REASON_CR_ACCESS, cr3_written, false },
		{ EXIT_REASON_CR_ACCESS, cr3_read, false },
		{ EXIT_REASON_RDTSC, rdtsc_value, false },
		{ EXIT_REASON_CR_ACCESS, paging_on, false },
		{ EXIT_REASON_RDTSC, rdtsc_value, false },
		{ EXIT_REASON_INTERRUPT_WINDOW, window_open_32, false },
		{ EXIT_REASON_CR_ACCESS, cr3_read,
		  vm_allows_0(VMX_WORD_PROC1, PROC1_CR3_STORE_EXITING) },
		{ EXIT_REASON_VMCALL, NULL, false },
	};
	struct persona w = words();

	vm_prepare(xen.boot);
	vm_reset(L2_PLAIN);
	w.primary |= CR3_EXITING;
	w.secondary &= ~PROC2_UNRESTRICTED_GUEST;
	work_set_controls(&w, L2_PLAIN);
	vm_set(VMCS_io_bitmap_a_address, (uptr)xen.ports);
	vm_set(VMCS_io_bitmap_b_address, (uptr)xen.ports + PAGE_SIZE);
	vm_set(VMCS_cr0_guest_host_mask, ~0ULL);
	vm_set(VMCS_cr0_read_shadow, CR0_BOOT);
	vm_self()->regs.rcx = (uptr)l2_cr3_plain();
	vm_self()->regs.rbx = (uptr)(CR0_BOOT | CR0_PG);
	vm_self()->regs.rbp = 0;
	vm_start_at(L2_PLAIN, l2_paging_later);
	if (work_script(steps, ARRAY_SIZE(steps))) {
		work_check(vm_self()->regs.rbp == 2 * TSC_VALUE, "RDTSC while booting");
		work_check(vm_self()->regs.rax == l2_cr3_plain(), "CR3 after booting");
	}
}

static void store_gdtr(void)
{
	struct descriptor_table_pointer p = { (u16)vm_get(VMCS_guest_gdtr_limit),
					      (uptr)vm_get(VMCS_guest_gdtr_base) };

	memcpy(xen.table, &p, sizeof(p));
	work_skip();
}

static void want_window(void)
{
	vm_control(VMX_WORD_PROC1, PROC1_INTERRUPT_WINDOW_EXITING, 0);
	work_skip();
}

static void window_open(void)
{
	vm_control(VMX_WORD_PROC1, 0, PROC1_INTERRUPT_WINDOW_EXITING);
	work_inject_interrupt();
}

/* Without PAUSE-loop exiting it is the host's timer that ends the slice. */
static void interrupt_handled(void)
{
	work_interrupt_handled();
	vm_self()->regs.rsi = 0;
	if (!work_uses(VMX_WORD_PROC2, PROC2_PAUSE_LOOP_EXITING))
		apic_timer_once(VECTOR_TIMER, TIMER_SOON);
}

static void slice_ends(void)
{
	vm_self()->regs.rsi = 1;
}

static void slice_ends_by_timer(void)
{
	work_check(vm_get(VMCS_exit_interruption_information) == (BIT32(31) | VECTOR_TIMER),
		   "vector acknowledged on exit");
	apic_eoi();
	slice_ends();
}

static void work_of(u32 round)
{
	bool ple = work_uses(VMX_WORD_PROC2, PROC2_PAUSE_LOOP_EXITING);
	bool tables = work_uses(VMX_WORD_PROC2, PROC2_DESCRIPTOR_TABLE_EXITING);
	bool caches = work_uses(VMX_WORD_PROC2, PROC2_WBINVD_EXITING);
	const struct step steps[] = {
		{ EXIT_REASON_CPUID, work_cpuid, false },
		{ EXIT_REASON_IO_INSTRUCTION, work_in, false },
		{ EXIT_REASON_EPT_VIOLATION, work_mmio, false },
		{ EXIT_REASON_RDMSR, work_rdmsr, false },
		{ EXIT_REASON_RDTSC, rdtsc_value, false },
		{ EXIT_REASON_WBINVD, NULL, !caches },
		{ EXIT_REASON_GDTR_IDTR_ACCESS, store_gdtr, !tables },
		{ EXIT_REASON_VMCALL, want_window, false },
		{ EXIT_REASON_INTERRUPT_WINDOW, window_open, false },
		{ EXIT_REASON_VMCALL, interrupt_handled, false },
		{ EXIT_REASON_PAUSE, slice_ends, !ple },
		{ EXIT_REASON_EXTERNAL_INTERRUPT, slice_ends_by_timer, ple },
		{ EXIT_REASON_HLT, NULL, false },
		{ EXIT_REASON_VMCALL, NULL, false },
	};
	u32 sum = work_ordinary_start(round) + TSC_VALUE;

	vm_self()->regs.rsi = (uptr)xen.table;
	vm_set(VMCS_guest_rip, (uptr)l2_xen);
	if (work_script(steps, ARRAY_SIZE(steps)))
		work_check((u32)vm_self()->regs.rbp == sum, "the sum of L2");
}

static void xen_round(u32 round)
{
	if (round % SWITCH_EVERY == 0) {
		vmclear((uptr)xen.work->region);
		boot_guest();
		vmclear((uptr)xen.boot->region);
		vm_load(xen.work);
		xen.work->launched = false;
	}
	work_of(round);
}

const struct persona persona_xen = { .name = "xen",
				     .pin = 0x3f,
				     .primary = 0xb7a07dfa,
				     .secondary = 0x4ee,
				     .exit = 0x3efff,
				     .entry = 0x13ff,
				     .exception_bitmap = 0x60042,
				     .refuses = refuses,
				     .prepare = prepare,
				     .round = xen_round };
