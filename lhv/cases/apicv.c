/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "APIC Virtualization and Virtual Interrupts": the virtual-APIC page, register
 * virtualization, virtual-interrupt delivery, x2APIC mode.  SDM "VMCS Shadowing" and
 * the other controls of later processors.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/apic.h"
#include "lhv/frame/machine.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define WORD(offset) ((offset) / 4)
#define VTPR	     WORD(0x80)
#define VISR	     WORD(0x100)
#define VIRR	     WORD(0x200)
#define WB	     field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB)

extern const u8 l2_read32_bx[], l2_vmread_ax[], l2_vmwrite_ax[];

static u32 *vapic;

/* The APIC-access page is the first page of the free gibibyte. */
static bool use_apic_pages(u32 secondary)
{
	struct ept_map *map = ept_map_fresh();
	void *access_page;

	if (!case_requires(
		    vm_allows(VMX_WORD_PROC1, PROC1_USE_TPR_SHADOW) &&
			    vm_allows(VMX_WORD_PROC2, secondary | PROC2_VIRTUALIZE_APIC_ACCESSES),
		    "no APIC virtualization of this kind"))
		return false;
	if (!vapic)
		vapic = page_alloc(1);
	memset(vapic, 0, PAGE_SIZE);
	access_page = page_alloc(1);
	vm_control(VMX_WORD_PROC1, PROC1_USE_TPR_SHADOW, 0);
	vm_control(VMX_WORD_PROC2, secondary | PROC2_VIRTUALIZE_APIC_ACCESSES, 0);
	vm_set(VMCS_virtual_apic_address, (uptr)vapic);
	vm_set(VMCS_apic_access_address, (uptr)access_page);
	vm_set(VMCS_eptp, map->eptp);
	ept_map_4k(map, (uptr)access_page | EPT_RWX | WB);
	ept_flush(map);
	return true;
}

static struct outcome read_register(u32 offset)
{
	vm_self()->regs.rbx = EPT_FREE_BASE + offset;
	return vm_run(l2_read32_bx);
}

static struct outcome write_register(u32 offset, u32 value)
{
	vm_self()->regs.rbx = EPT_FREE_BASE + offset;
	vm_self()->regs.rax = value;
	return vm_run(l2_write_bx);
}

/* With the TPR shadow alone only the TPR's offset is virtualized. */
static void tpr_only(void)
{
	if (!use_apic_pages(0))
		return;
	vapic[VTPR] = 0x40;
	check_exit(read_register(0x80), EXIT_REASON_VMCALL, "TPR is read");
	check_eq(0x40, (u32)vm_self()->regs.rax, "from the virtual-APIC page");
	check_exit(write_register(0x80, 0x70), EXIT_REASON_VMCALL, "TPR is written");
	check_eq(0x70, vapic[VTPR], "to the virtual-APIC page");
	check_exit(read_register(0x20), EXIT_REASON_APIC_ACCESS, "another register");
}

/* Register virtualization: reads come from the page, writes trap after the store. */
static void registers(void)
{
	struct outcome o;

	if (!use_apic_pages(PROC2_APIC_REGISTER_VIRTUALIZATION))
		return;
	vapic[WORD(0x20)] = 0x12000000;
	check_exit(read_register(0x20), EXIT_REASON_VMCALL, "ID is read");
	check_eq(0x12000000, (u32)vm_self()->regs.rax, "from the page");
	o = write_register(0xd0, 0x34000000);
	check_exit(o, EXIT_REASON_APIC_WRITE, "LDR is written");
	check_eq(0xd0, o.qualification, "offset");
	check_eq(0x34000000, vapic[WORD(0xd0)], "the page has the value");
	check_eq((uptr)l2_write_bx + 2, vm_get(VMCS_guest_rip), "a trap: RIP after the store");
	check_exit(read_register(0x60), EXIT_REASON_APIC_ACCESS, "a reserved offset");
}

/*
 * IDT, handler and stack of L2 are touched, so that the delivery meets no EPT violation
 * of a hypervisor beneath: Bochs 3.0 records no IDT-vectoring information for virtual
 * interrupts, and the event would be lost.
 */
static void warm_up(void)
{
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | RFLAGS_IF);
	vm_set(VMCS_entry_interruption_information, INTR_INFO_VALID | VECTOR_TEST);
	check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "an injected interrupt");
	vm_set(VMCS_guest_rsp, (uptr)vm_self()->stack_top);
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1);
}

/* A virtual interrupt of RVI is delivered when L2's flag lets it in. */
static void virtual_interrupt(void)
{
	if (!use_apic_pages(PROC2_VIRTUAL_INTERRUPT_DELIVERY))
		return;
	warm_up();
	vapic[VIRR + 4 * (VECTOR_TEST / 32)] = BIT32(VECTOR_TEST % 32);
	vm_set(VMCS_guest_interrupt_status, VECTOR_TEST);
	check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "IF = 0");
	check_eq((uptr)l2_nops + 4, vm_get(VMCS_guest_rip), "is not delivered");
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | RFLAGS_IF);
	check_exit(vm_run(l2_nops), EXIT_REASON_VMCALL, "IF = 1");
	check_eq(VECTOR_TEST, *(uptr *)(uptr)vm_get(VMCS_guest_rsp), "vector in L2's handler");
	check_eq(VECTOR_TEST << 8, vm_get(VMCS_guest_interrupt_status), "SVI, RVI");
	check_eq(0, vapic[VIRR + 4 * (VECTOR_TEST / 32)], "VIRR");
	check_eq(BIT32(VECTOR_TEST % 32), vapic[VISR + 4 * (VECTOR_TEST / 32)], "VISR");
}

/*
 * SDM "Posted-Interrupt Processing": the notification vector does not exit; ON is cleared,
 * PIR goes to VIRR, the highest vector to RVI, and is delivered.
 */
#define DESCRIPTOR_ON WORD(32) /* bit 0 of the word after the 256 bits of PIR */

static void posted_interrupt(void)
{
	u32 *descriptor = page_alloc(1);
	unsigned int pir = VECTOR_TEST_HIGH / 32;

	if (!case_requires(vm_allows(VMX_WORD_PIN, PIN_PROCESS_POSTED_INTERRUPTS),
			   "no posted interrupts") ||
	    !use_apic_pages(PROC2_VIRTUAL_INTERRUPT_DELIVERY))
		return;
	warm_up();
	vm_control(VMX_WORD_PIN, PIN_PROCESS_POSTED_INTERRUPTS, 0);
	vm_control(VMX_WORD_EXIT, EXIT_ACKNOWLEDGE_INTERRUPT, 0);
	vm_set(VMCS_posted_interrupt_notification_vector, VECTOR_CALL);
	vm_set(VMCS_posted_interrupt_descriptor_address, (uptr)descriptor);
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | RFLAGS_IF);
	descriptor[pir] = BIT32(VECTOR_TEST_HIGH % 32);
	descriptor[DESCRIPTOR_ON] = 1;
	disable_interrupts();
	apic_send_self(VECTOR_CALL);
	check_exit(vm_run(l2_spin), EXIT_REASON_VMCALL, "no exit but that of L2's handler");
	check_eq(VECTOR_TEST_HIGH, *(uptr *)(uptr)vm_get(VMCS_guest_rsp), "vector");
	check_eq(0, descriptor[DESCRIPTOR_ON], "ON");
	check_eq(0, descriptor[pir], "PIR");
	check_eq(VECTOR_TEST_HIGH << 8, vm_get(VMCS_guest_interrupt_status), "SVI, RVI");
	check_true(!apic_is_pending(VECTOR_CALL), "the notification is gone");
	enable_interrupts();
}

/* L2's EOI: virtualized, and an exit only if the EOI-exit bitmap says so. */
static void end_of_interrupt(unsigned int exits)
{
	struct outcome o;

	if (!use_apic_pages(PROC2_VIRTUAL_INTERRUPT_DELIVERY | PROC2_APIC_REGISTER_VIRTUALIZATION))
		return;
	vapic[VISR + 4 * (VECTOR_TEST / 32)] = BIT32(VECTOR_TEST % 32);
	vm_set(VMCS_guest_interrupt_status, VECTOR_TEST << 8);
	vm_set(VMCS_eoi_exit_bitmap1, exits ? BIT(VECTOR_TEST % 64) : 0);
	o = write_register(0xb0, 0);
	check_exit(o, exits ? EXIT_REASON_VIRTUALIZED_EOI : EXIT_REASON_VMCALL, "EOI");
	if (exits)
		check_eq(VECTOR_TEST, o.qualification, "vector");
	check_eq(0, vapic[VISR + 4 * (VECTOR_TEST / 32)], "VISR");
	check_eq(0, vm_get(VMCS_guest_interrupt_status), "SVI");
}

static const char *eoi_name(unsigned int exits)
{
	return exits ? "exits" : "silent";
}

/* x2APIC mode: MSR 0x808 is the virtual TPR, other MSRs are themselves. */
static void x2apic_tpr(void)
{
	if (!case_requires(vm_allows(VMX_WORD_PROC1, PROC1_USE_TPR_SHADOW) &&
				   vm_allows(VMX_WORD_PROC2, PROC2_VIRTUALIZE_X2APIC_MODE),
			   "no virtualized x2APIC mode"))
		return;
	if (!vapic)
		vapic = page_alloc(1);
	memset(vapic, 0, PAGE_SIZE);
	vm_control(VMX_WORD_PROC1, PROC1_USE_TPR_SHADOW, 0);
	vm_control(VMX_WORD_PROC2, PROC2_VIRTUALIZE_X2APIC_MODE, 0);
	vm_set(VMCS_virtual_apic_address, (uptr)vapic);
	vapic[VTPR] = 0x30;
	vm_self()->regs.rcx = MSR_IA32_X2APIC_TPR;
	check_exit(vm_run(l2_rdmsr), EXIT_REASON_VMCALL, "RDMSR");
	check_eq(0x30, (u32)vm_self()->regs.rax, "virtual TPR");
	vm_self()->regs.rcx = MSR_IA32_X2APIC_TPR;
	vm_self()->regs.rax = 0x50;
	vm_self()->regs.rdx = 0;
	check_exit(vm_run(l2_wrmsr), EXIT_REASON_VMCALL, "WRMSR");
	check_eq(0x50, vapic[VTPR], "virtual TPR written");
}

/* VMCS shadowing: L2's VMREAD and VMWRITE go to the shadow VMCS unless the bitmap exits. */
static void shadowing(void)
{
	u32 *shadow = page_alloc(1);
	u8 *bitmaps = page_alloc(2);
	struct vm *vm = vm_self();

	if (!case_requires(vm_allows(VMX_WORD_PROC2, PROC2_VMCS_SHADOWING), "no VMCS shadowing"))
		return;
	*shadow = (u32)field_get(facts.basic, VMX_BASIC_REVISION);
	vmclear((uptr)shadow);
	vmptrld((uptr)shadow);
	vmwrite_checked(VMCS_guest_ia32_sysenter_eip, 0x7777);
	vmclear((uptr)shadow);
	*shadow |= BIT32(31);
	vm_load(vm);
	vm_control(VMX_WORD_PROC2, PROC2_VMCS_SHADOWING, 0);
	vm_set(VMCS_vmread_bitmap_address, (uptr)bitmaps);
	vm_set(VMCS_vmwrite_bitmap_address, (uptr)bitmaps + PAGE_SIZE);
	vm_set(VMCS_vmcs_link_pointer, (uptr)shadow);
	vm->regs.rbx = VMCS_guest_ia32_sysenter_eip;
	check_exit(vm_run(l2_vmread_ax), EXIT_REASON_VMCALL, "VMREAD does not exit");
	check_eq(0x7777, vm->regs.rax, "the shadow's value");
	vm->regs.rax = 0x8888;
	check_exit(vm_run(l2_vmwrite_ax), EXIT_REASON_VMCALL, "VMWRITE does not exit");
	check_exit(vm_run(l2_vmread_ax), EXIT_REASON_VMCALL, "VMREAD again");
	check_eq(0x8888, vm->regs.rax, "the value written");
	bitmaps[VMCS_guest_ia32_sysenter_eip / 8] |= 1 << (VMCS_guest_ia32_sysenter_eip % 8);
	check_exit(vm_run(l2_vmread_ax), EXIT_REASON_VMREAD, "its bit in the bitmap");
	check_exit(vm_run(l2_vmwrite_ax), EXIT_REASON_VMCALL, "the other bitmap's is 0");
	check_true(vm_get(VMCS_guest_ia32_sysenter_eip) != 0x8888, "the ordinary VMCS has its own");
}

/* With a wrong link pointer shadowing refuses the entry. */
static void shadowing_link(void)
{
	struct vm *other = vm_new();
	u8 *bitmaps = page_alloc(2);

	if (!case_requires(vm_allows(VMX_WORD_PROC2, PROC2_VMCS_SHADOWING), "no VMCS shadowing"))
		return;
	vm_control(VMX_WORD_PROC2, PROC2_VMCS_SHADOWING, 0);
	vm_set(VMCS_vmread_bitmap_address, (uptr)bitmaps);
	vm_set(VMCS_vmwrite_bitmap_address, (uptr)bitmaps + PAGE_SIZE);
	vm_set(VMCS_vmcs_link_pointer, (uptr)other->region);
	check_entry_failure(vm_run(l2_vmcall), EXIT_REASON_ENTRY_FAILURE_GUEST,
			    ENTRY_FAILURE_LINK_POINTER, "not a shadow VMCS");
	*(u32 *)other->region |= BIT32(31);
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "a shadow VMCS");
	vm_set(VMCS_vmcs_link_pointer, ~0ULL);
	vm_self()->regs.rbx = VMCS_guest_rip;
	check_exit(vm_run(l2_vmread_ax), EXIT_REASON_VMCALL, "no link: VMREAD is VMfailInvalid");
}

/* A loop of PAUSE in ring 0 exits when it is longer than the window. */
static void pause_loop(void)
{
	static const u8 loop[] = { 0xf3, 0x90, 0xeb, 0xfc };
	u8 *code = page_alloc(1);

	if (!case_requires(vm_allows(VMX_WORD_PROC2, PROC2_PAUSE_LOOP_EXITING),
			   "no pause-loop exiting"))
		return;
	memcpy(code, loop, sizeof(loop));
	vm_control(VMX_WORD_PROC1, 0, PROC1_PAUSE_EXITING);
	vm_control(VMX_WORD_PROC2, PROC2_PAUSE_LOOP_EXITING, 0);
	vm_set(VMCS_ple_gap, 100);
	vm_set(VMCS_ple_window, 2000);
	check_exit(vm_run(code), EXIT_REASON_PAUSE, "exits");
}

static const struct lhv_case cases[] = {
	{ .name = "tpr-only", .needs = NEEDS_VMX | NEEDS_EPT, .run = tpr_only },
	{ .name = "registers", .needs = NEEDS_VMX | NEEDS_EPT, .run = registers },
	{ .name = "virtual-interrupt", .needs = NEEDS_VMX | NEEDS_EPT, .run = virtual_interrupt },
	{ .name = "posted-interrupt", .needs = NEEDS_VMX | NEEDS_EPT, .run = posted_interrupt },
	{ .name = "eoi",
	  .needs = NEEDS_VMX | NEEDS_EPT,
	  .run_row = end_of_interrupt,
	  .row_name = eoi_name,
	  .rows = 2 },
	{ .name = "x2apic-tpr", .needs = NEEDS_VMX, .run = x2apic_tpr },
	{ .name = "shadowing", .needs = NEEDS_VMX, .run = shadowing },
	{ .name = "shadowing-link", .needs = NEEDS_VMX, .run = shadowing_link },
	{ .name = "pause-loop", .needs = NEEDS_VMX, .run = pause_loop },
};
LHV_TOPIC("apic", cases);
