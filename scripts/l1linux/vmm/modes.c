/* SPDX-License-Identifier: BSD-2-Clause */
/* A CPU in real mode, in 32-bit protected mode with paging, or in 64-bit mode. */
#include <stdint.h>
#include <string.h>

#include "vmm.h"

#define LARGE_PAGE	  0x200000ull
#define LARGE_PAGE_32	  0x400000ull
#define PAGE_TABLES	  0x9000u /* PML4, PDPT, four page directories */
#define PAGE_DIRECTORY	  0xf000u /* of 32-bit mode */
#define GDT		  0x8000u
#define CODE_64		  0x10
#define DATA		  0x18
#define CODE_32		  0x20
#define PTE_PRESENT_WRITE 3ull
#define PDE_LARGE	  0x80ull
#define CR0_PE_ET_NE_PG	  0x80000031ull
#define CR4_PSE		  0x10ull
#define CR4_PAE		  0x20ull
#define EFER_LME_LMA	  0x500ull
#define IDT_SIZE	  0x1000

static void map_for_64_bits(struct vm *vm)
{
	u64 *pml4 = (u64 *)(vm->memory + PAGE_TABLES), *pdpt = pml4 + 512, *pd = pdpt + 512;

	pml4[0] = (PAGE_TABLES + 0x1000) | PTE_PRESENT_WRITE;
	for (u64 i = 0; i < 4; i++)
		pdpt[i] = (PAGE_TABLES + 0x2000 + i * 0x1000) | PTE_PRESENT_WRITE;
	for (u64 i = 0; i < 4 * 512; i++)
		pd[i] = i * LARGE_PAGE | PTE_PRESENT_WRITE | PDE_LARGE;
}

static void map_for_32_bits(struct vm *vm)
{
	u32 *directory = (u32 *)(vm->memory + PAGE_DIRECTORY);

	for (u64 i = 0; i < 1024; i++)
		directory[i] = (u32)(i * LARGE_PAGE_32 | PTE_PRESENT_WRITE | PDE_LARGE);
}

static struct kvm_segment flat_segment(u16 selector)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = selector == DATA ? 3 : 11,
		.present = 1,
		.s = 1,
		.l = selector == CODE_64,
		.db = selector != CODE_64,
		.g = 1,
	};
}

static void enter_real_mode(struct kvm_sregs *sregs)
{
	sregs->cs.base = 0;
	sregs->cs.selector = 0;
}

static void enter_protected_mode(struct vm *vm, struct kvm_sregs *sregs, bool is_64)
{
	static const u64 gdt[5] = { 0, 0, 0x00af9b000000ffffull, 0x00cf93000000ffffull,
				    0x00cf9b000000ffffull };

	memcpy(vm->memory + GDT, gdt, sizeof(gdt));
	sregs->gdt = (struct kvm_dtable){ .base = GDT, .limit = sizeof(gdt) - 1 };
	sregs->idt = (struct kvm_dtable){ .base = IDT, .limit = IDT_SIZE - 1 };
	sregs->cs = flat_segment(is_64 ? CODE_64 : CODE_32);
	sregs->ds = sregs->es = sregs->ss = sregs->fs = sregs->gs = flat_segment(DATA);
	sregs->cr0 = CR0_PE_ET_NE_PG;
	sregs->cr3 = is_64 ? PAGE_TABLES : PAGE_DIRECTORY;
	sregs->cr4 = is_64 ? CR4_PAE : CR4_PSE;
	sregs->efer = is_64 ? EFER_LME_LMA : 0;
	if (is_64)
		map_for_64_bits(vm);
	else
		map_for_32_bits(vm);
}

void vm_start(struct vm *vm, u32 id, u32 bits, const struct kvm_regs *regs, u64 fs_base)
{
	struct kvm_mp_state running = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs = { 0 };
	int fd = vm->vcpu[id].fd;

	must_ioctl(fd, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	if (bits == 16)
		enter_real_mode(&sregs);
	else
		enter_protected_mode(vm, &sregs, bits == 64);
	sregs.fs.base = fs_base;
	if (bits == 16)
		sregs.fs.selector = (u16)(fs_base >> 4);
	must_ioctl(fd, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	must_ioctl(fd, KVM_SET_REGS, regs, "KVM_SET_REGS");
	must_ioctl(fd, KVM_SET_MP_STATE, &running, "KVM_SET_MP_STATE");
}
