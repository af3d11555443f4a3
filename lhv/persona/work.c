/* SPDX-License-Identifier: BSD-2-Clause */
/* What the personas share. */
#include "lhv/persona/work.h"

#include "lhv/frame/console.h"
#include "lhv/frame/interrupt.h"
#include "lhv/frame/machine.h"
#include "lhv/vm/ept.h"
#include "xmhf/lib/string.h"

#define MMIO_VALUE    0x600df00du
#define CPUID_VALUE   0x1badcafeu
#define PORT_VALUE    0x5au
#define MSR_VALUE     0x12345678u
#define REPORTS_MOST  10
#define VMS_MOST      4
#define DIGEST_START  0xcbf29ce484222325ULL
#define DIGEST_FACTOR 0x100000001b3ULL
#define VALID	      BIT32(31)
#define HAS_ERROR     BIT32(11)
#define WB	      field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB)

static struct {
	u32 done, good, exits;
	u64 digest;
	void (*habit)(void);
} work = { .digest = DIGEST_START };

void work_check(bool good, const char *what)
{
	work.done++;
	work.good += good;
	if (!good && work.done - work.good <= REPORTS_MOST)
		report("# persona: %s, reason 0x%llx qualification 0x%llx RIP 0x%llx error %llu\n",
		       what, vm_get(VMCS_exit_reason), vm_get(VMCS_exit_qualification),
		       vm_get(VMCS_guest_rip), vm_get(VMCS_vm_instruction_error));
}

void work_digest(u64 value)
{
	work.digest = (work.digest ^ value) * DIGEST_FACTOR;
}

/* What the SDM defines for this exit. */
static void digest_exit(u32 reason, u64 qualification)
{
	work_digest(reason);
	switch (reason) {
	case EXIT_REASON_EXCEPTION_OR_NMI:
	case EXIT_REASON_EXTERNAL_INTERRUPT:
		work_digest(vm_get(VMCS_exit_interruption_information));
		break;
	case EXIT_REASON_CR_ACCESS:
	case EXIT_REASON_DR_ACCESS:
	case EXIT_REASON_IO_INSTRUCTION:
		work_digest(vm_get(VMCS_exit_instruction_length));
		work_digest(qualification);
		break;
	case EXIT_REASON_APIC_ACCESS:
	case EXIT_REASON_EPT_VIOLATION:
		work_digest(qualification);
		break;
	case EXIT_REASON_CPUID:
	case EXIT_REASON_HLT:
	case EXIT_REASON_RDMSR:
	case EXIT_REASON_WRMSR:
	case EXIT_REASON_RDTSC:
	case EXIT_REASON_VMCALL:
		work_digest(vm_get(VMCS_exit_instruction_length));
		break;
	default:
		break;
	}
}

bool work_enter(u32 reason)
{
	struct outcome o = vm_enter();
	bool good = o.result == VMX_SUCCEED && o.reason == reason;

	work.exits++;
	work_check(good, exit_reason_name(reason));
	if (!good)
		return false;
	digest_exit(o.reason, o.qualification);
	if (work.habit)
		work.habit();
	return true;
}

void work_at_each_exit(void (*habit)(void))
{
	work.habit = habit;
}

/* The fields at the first exit of each VMCS: a hint for who asks what this persona uses. */
static void dump_once(void)
{
	static const struct vm *dumped[VMS_MOST];
	const struct vm *vm = vm_self();

	for (unsigned int i = 0; i < VMS_MOST; i++) {
		if (dumped[i] == vm)
			return;
		if (dumped[i])
			continue;
		dumped[i] = vm;
		vm_dump("persona");
		return;
	}
}

bool work_script(const struct step *steps, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (steps[i].unless)
			continue;
		if (!work_enter(steps[i].reason))
			return false;
		dump_once();
		if (steps[i].emulate)
			steps[i].emulate();
		else
			work_skip();
	}
	return true;
}

static u32 adjusted(enum vmx_control_word word, u32 wanted)
{
	return (wanted | facts.word[word].must) & facts.word[word].may;
}

void work_set_controls(const struct persona *p, enum l2_mode mode)
{
	u32 guest64 = mode == L2_LONG || mode == L2_COMPAT ? ENTRY_IA32E_MODE_GUEST : 0;
	u32 exit64 = IS_64BIT ? EXIT_HOST_ADDRESS_SPACE_SIZE : 0;
	static u8 *apic; /* virtual-APIC page and APIC-access page */

	if (!apic)
		apic = page_alloc(2);
	vm_set(VMCS_pin_based_controls, adjusted(VMX_WORD_PIN, p->pin));
	vm_set(VMCS_processor_based_controls, adjusted(VMX_WORD_PROC1, p->primary));
	vm_set(VMCS_secondary_processor_based_controls, adjusted(VMX_WORD_PROC2, p->secondary));
	vm_set(VMCS_exit_controls,
	       (adjusted(VMX_WORD_EXIT, p->exit) & ~EXIT_HOST_ADDRESS_SPACE_SIZE) | exit64);
	vm_set(VMCS_entry_controls,
	       (adjusted(VMX_WORD_ENTRY, p->entry) & ~ENTRY_IA32E_MODE_GUEST) | guest64);
	vm_set(VMCS_exception_bitmap, p->exception_bitmap);
	vm_set(VMCS_virtual_apic_address, (uptr)apic);
	vm_set(VMCS_apic_access_address, (uptr)apic + PAGE_SIZE);
	vm_set(VMCS_vpid, work_uses(VMX_WORD_PROC2, PROC2_ENABLE_VPID));
	vm_set(VMCS_tpr_threshold, 0);
}

bool work_uses(enum vmx_control_word word, u32 bits)
{
	return (vm_get(vm_control_encoding(word)) & bits) == bits;
}

struct work_ept work_ept_new(bool gib)
{
	const u64 *identity = (const u64 *)(uptr)(ept_identity() & EPT_ADDRESS);
	const u64 *low = (const u64 *)(uptr)(identity[0] & EPT_ADDRESS);
	u64 *pml4 = page_alloc(1);
	struct work_ept ept = { page_alloc(1), page_alloc(1), page_alloc(1), eptp_of(pml4) };

	pml4[0] = (uptr)ept.pdpt | EPT_RWX;
	for (unsigned int i = 0; i < 3; i++)
		ept.pdpt[i] = gib ? i * GIB | EPT_RWX | WB | EPT_LEAF : low[i];
	/* All of the fourth but its first 2 MiB is there too: devices. */
	memcpy(ept.pd, (const void *)(uptr)(low[3] & EPT_ADDRESS), PAGE_SIZE);
	ept.pdpt[3] = (uptr)ept.pd | EPT_RWX;
	ept.pd[0] = (uptr)ept.pt | EPT_RWX;
	return ept;
}

void work_flush(const struct work_ept *ept)
{
	if (facts.ept_vpid & EPT_CAP_INVEPT_SINGLE)
		invept(INVEPT_SINGLE_CONTEXT, ept->eptp);
	else
		invept(INVEPT_ALL_CONTEXT, 0);
}

u64 work_page(const void *page, u64 rights)
{
	return (uptr)page | rights | WB;
}

u8 *work_msr_bitmap(void)
{
	u8 *bitmap = page_alloc(1);

	memset(bitmap, 0xff, PAGE_SIZE);
	vm_set(VMCS_msr_bitmap_address, (uptr)bitmap);
	return bitmap;
}

void work_msr_pass(u8 *bitmap, u32 msr)
{
	u32 read = msr < 0xc0000000 ? 0 : MSR_BITMAP_READ_HIGH;
	u32 write = msr < 0xc0000000 ? MSR_BITMAP_WRITE_LOW : MSR_BITMAP_WRITE_HIGH;
	u32 byte = (msr & 0x1fff) / 8;
	u8 keep = (u8) ~(1u << (msr & 7));

	bitmap[read + byte] &= keep;
	bitmap[write + byte] &= keep;
}

void work_efer_lists(void)
{
	struct vmx_msr_entry *lists = page_alloc(1);
	u64 l1 = rdmsr(MSR_IA32_EFER);

	lists[0] = (struct vmx_msr_entry){ MSR_IA32_EFER, 0, l1 };
	lists[1] = (struct vmx_msr_entry){ MSR_IA32_EFER, 0, l1 };
	vm_set(VMCS_entry_msr_load_address, (uptr)&lists[0]);
	vm_set(VMCS_entry_msr_load_count, 1);
	vm_set(VMCS_exit_msr_load_address, (uptr)&lists[1]);
	vm_set(VMCS_exit_msr_load_count, 1);
}

void work_skip(void)
{
	vm_skip_instruction();
	vm_set(VMCS_guest_activity_state, ACTIVITY_ACTIVE);
}

void work_cpuid(void)
{
	vm_self()->regs.rcx = CPUID_VALUE;
	work_skip();
}

void work_in(void)
{
	work_check((vm_get(VMCS_exit_qualification) >> 16 & 0xffff) == WORK_PORT, "port");
	vm_self()->regs.rax = PORT_VALUE;
	work_skip();
}

void work_mmio(void)
{
	work_check(vm_get(VMCS_guest_physical_address) == EPT_FREE_BASE, "address of MMIO");
	vm_self()->regs.rax = MMIO_VALUE;
	vm_set(VMCS_guest_rip, vm_get(VMCS_guest_rip) + WORK_MMIO_BYTES);
}

void work_rdmsr(void)
{
	vm_self()->regs.rax = MSR_VALUE;
	vm_self()->regs.rdx = 0;
	work_skip();
}

void work_mov_from_dr7(void)
{
	vm_self()->regs.rax = DR7_FIXED_1;
	work_skip();
}

void work_reflect(void)
{
	u32 information = (u32)vm_get(VMCS_exit_interruption_information);

	vm_set(VMCS_entry_interruption_information,
	       information & (VALID | HAS_ERROR | FIELD(10, 0)));
	if (information & HAS_ERROR)
		vm_set(VMCS_entry_exception_error_code, vm_get(VMCS_exit_interruption_error_code));
	vm_set(VMCS_entry_instruction_length, vm_get(VMCS_exit_instruction_length));
}

void work_inject_ud(void)
{
	vm_set(VMCS_entry_interruption_information,
	       VALID | INTR_TYPE_HARDWARE_EXCEPTION << 8 | VECTOR_UD);
}

/* L2's handler stands at its VMCALL; vector, error code and frame are on the stack. */
static uptr *handler_frame(void)
{
	return (uptr *)(uptr)vm_get(VMCS_guest_rsp);
}

static void return_behind(u32 bytes)
{
	uptr *frame = handler_frame();

	work_digest(frame[0] | frame[1] << 8);
	work_check(frame[0] == VECTOR_UD || frame[0] == VECTOR_GP, "exception in L2's handler");
	frame[2] += bytes;
	work_skip();
}

void work_return_behind_2(void)
{
	return_behind(2);
}

void work_return_behind_3(void)
{
	return_behind(3);
}

void work_inject_interrupt(void)
{
	vm_set(VMCS_entry_interruption_information, VALID | INTR_TYPE_EXTERNAL << 8 | VECTOR_TEST);
}

void work_interrupt_handled(void)
{
	work_check(handler_frame()[0] == VECTOR_TEST, "interrupt in L2's handler");
	vm_self()->regs.rsi = 1;
	work_skip();
}

u32 work_ordinary_start(u32 round)
{
	struct l2_registers *r = &vm_self()->regs;

	r->rbx = EPT_FREE_BASE;
	r->rdx = WORK_PORT;
	r->rsi = 0;
	r->rbp = round;
	return round + CPUID_VALUE + PORT_VALUE + MMIO_VALUE + MSR_VALUE;
}

void work_report(const char *name, u32 rounds, u64 ticks)
{
	report("# persona %s: %u rounds, %u exits, %u checks, %u failed, digest %016llx\n", name,
	       rounds, work.exits, work.done, work.done - work.good, work.digest);
	report("PERSONA %s %llu ticks a round\n", name, rounds ? ticks / rounds : 0);
}

bool work_good(u32 *good, u32 *done)
{
	*good = work.good;
	*done = work.done;
	return work.good == work.done && work.done;
}
