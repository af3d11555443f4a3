/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The owner of every VM exit, for every VMCS12 and every state of L2, against the SDM's
 * "Instructions That Cause VM Exits" and "Other Causes of VM Exits" written down again: numbers of
 * exit reasons and of control bits, no names of the code under proof.
 */
/* sources: nested/exit/owner.c nested/exit/owner_access.c nested/vmcs02/controls.c
 * nested/vmcs02/msr_bitmap.c nested/vmcs02/cr.c */
#include "nested/test/prove.h"

#include "nested/exit/owner.h"

/* VMCS12's controls by the number of the bit; a word that is not activated is 0. */
struct controls {
	u32 pin, proc1, proc2;
	u64 proc3;
};

static struct controls controls_in_effect(const struct vmcs12 *v)
{
	struct controls c = { v->pin_based_controls, v->processor_based_controls, 0, 0 };

	if (c.proc1 >> 31)
		c.proc2 = v->secondary_processor_based_controls;
	if (c.proc1 >> 17 & 1)
		c.proc3 = v->tertiary_processor_based_controls;
	return c;
}

/* "Exceptions", "Nonmaskable interrupts". */
static bool exception(const struct vmcs12 *v, struct controls c, const struct owner_exit *e)
{
	u32 vector = e->interruption_information & 255;
	bool bit = v->exception_bitmap & 1U << vector;

	if ((e->interruption_information >> 8 & 7) == 2)
		return c.pin >> 3 & 1;
	if (vector == 14 && ((e->interruption_error_code & v->page_fault_error_code_mask) !=
			     v->page_fault_error_code_match))
		bit = !bit;
	return bit;
}

static u64 gpr(const struct owner_exit *e, u64 number)
{
	return e->l2_is_64bit_code ? e->registers[number] : (u32)e->registers[number];
}

static bool cr3_is_target(const struct vmcs12 *v, u64 value)
{
	u32 n = v->cr3_target_count;

	return (n > 0 && value == v->cr3_target_value0) ||
	       (n > 1 && value == v->cr3_target_value1) ||
	       (n > 2 && value == v->cr3_target_value2) || (n > 3 && value == v->cr3_target_value3);
}

/* "Exit Qualification for Control-Register Accesses"; MOV to CR, MOV from CR, CLTS, LMSW. */
static bool cr_access(const struct vmcs12 *v, struct controls c, const struct owner_exit *e)
{
	u32 number = e->qualification & 15, kind = e->qualification >> 4 & 3;
	u64 source = e->qualification >> 16 & 0xffff;
	u64 value = gpr(e, e->qualification >> 8 & 15);
	u64 mask = v->cr0_guest_host_mask, differs = mask & (source ^ v->cr0_read_shadow);

	if (kind == 2)
		return (mask & 8) && (v->cr0_read_shadow & 8);
	if (kind == 3) /* PE: only if it would be set */
		return (differs & 0xe) || ((differs & 1) && (source & 1));
	if (kind == 1)
		return number == 3 ? c.proc1 >> 16 & 1 : c.proc1 >> 20 & 1;
	switch (number) {
	case 0:
		return mask & (value ^ v->cr0_read_shadow);
	case 4:
		return v->cr4_guest_host_mask & (value ^ v->cr4_read_shadow);
	case 3:
		return (c.proc1 >> 15 & 1) && !cr3_is_target(v, value);
	default:
		return c.proc1 >> 19 & 1;
	}
}

/* Bit @n of a page; all bits of one that is not L1's are set. */
static bool bit_of_page(const volatile u8 *page, u64 n)
{
	return !page || page[n >> 3] >> (n & 7) & 1;
}

/* "I/O bitmaps" are looked at for each of the ports; a wrap of the I/O space exits. */
static bool io(struct controls c, const struct owner_pages *p, const struct owner_exit *e)
{
	u64 size = (e->qualification & 7) + 1, port = e->qualification >> 16 & 0xffff;

	if (!(c.proc1 >> 25 & 1))
		return c.proc1 >> 24 & 1;
	if (port + size > 0x10000)
		return true;
	for (u64 i = port; i < port + size; i++)
		if (bit_of_page(i >> 15 ? p->io_bitmap_b : p->io_bitmap_a, i & 0x7fff))
			return true;
	return false;
}

/* "MSR-Bitmap Address". */
static bool msr(struct controls c, const struct owner_pages *p, const struct owner_exit *e,
		bool write)
{
	u32 index = (u32)e->registers[1], start = write ? 2048 : 0;

	if (!(c.proc1 >> 28 & 1))
		return true;
	if (index <= 0x1fff)
		return bit_of_page(p->msr_bitmap, start * 8 + index);
	if (index >= 0xc0000000 && index <= 0xc0001fff)
		return bit_of_page(p->msr_bitmap, (start + 1024) * 8 + (index - 0xc0000000));
	return true;
}

/* "VMREAD", "VMWRITE" with VMCS shadowing. */
static bool shadowed(struct controls c, const volatile u8 *page, const struct owner_exit *e)
{
	u64 encoding = gpr(e, e->instruction_information >> 28);

	if (!(c.proc2 >> 14 & 1))
		return true;
	return encoding > 0x7fff || bit_of_page(page, encoding);
}

static bool leaf(u64 bitmap, const struct owner_exit *e)
{
	u32 eax = (u32)e->registers[0];

	return eax < 63 ? bitmap >> eax & 1 : bitmap >> 63;
}

static bool xsaves(const struct vmcs12 *v, struct controls c, const struct owner_exit *e)
{
	u64 low = v->xss_exiting_bitmap & e->ia32_xss & e->registers[0] & 0xffffffff;
	u64 high = (v->xss_exiting_bitmap & e->ia32_xss) >> 32 & e->registers[2];

	return (c.proc2 >> 20 & 1) && (low || (u32)high);
}

/* What exits whatever the controls say. */
static bool always_exits(u32 reason)
{
	switch (reason) {
	case 2:		/* triple fault */
	case 4:		/* SIPI */
	case 9:		/* task switch */
	case 10:	/* CPUID */
	case 11:	/* GETSEC */
	case 13:	/* INVD */
	case 18 ... 22: /* VMCALL, VMCLEAR, VMLAUNCH, VMPTRLD, VMPTRST */
	case 24:	/* VMRESUME */
	case 26:	/* VMXOFF */
	case 27:	/* VMXON */
	case 50:	/* INVEPT */
	case 53:	/* INVVPID */
	case 55:	/* XSETBV */
		return true;
	default:
		return false;
	}
}

/* Exits under one control. */
static bool one_control(u32 reason, struct controls c)
{
	switch (reason) {
	case 1: /* external interrupt */
		return c.pin & 1;
	case 7: /* interrupt window */
		return c.proc1 >> 2 & 1;
	case 8: /* NMI window */
		return c.proc1 >> 22 & 1;
	case 12: /* HLT */
		return c.proc1 >> 7 & 1;
	case 14: /* INVLPG */
	case 58: /* INVPCID */
		return c.proc1 >> 9 & 1;
	case 15: /* RDPMC */
		return c.proc1 >> 11 & 1;
	case 16: /* RDTSC */
	case 51: /* RDTSCP */
	case 67: /* UMWAIT */
	case 68: /* TPAUSE */
		return c.proc1 >> 12 & 1;
	case 29: /* MOV DR */
		return c.proc1 >> 23 & 1;
	case 36: /* MWAIT */
		return c.proc1 >> 10 & 1;
	case 39: /* MONITOR */
		return c.proc1 >> 29 & 1;
	case 40: /* PAUSE, by itself or in a loop */
		return (c.proc1 >> 30 & 1) || (c.proc2 >> 10 & 1);
	case 43: /* TPR below threshold */
		return c.proc1 >> 21 & 1;
	case 44: /* APIC access */
		return c.proc2 & 1;
	case 45: /* virtualized EOI */
		return c.proc2 >> 9 & 1;
	case 46: /* LGDT, LIDT, SGDT, SIDT */
	case 47: /* LLDT, LTR, SLDT, STR */
		return c.proc2 >> 2 & 1;
	case 52: /* preemption timer */
		return c.pin >> 6 & 1;
	case 54: /* WBINVD */
		return c.proc2 >> 6 & 1;
	case 57: /* RDRAND */
		return c.proc2 >> 11 & 1;
	case 61: /* RDSEED */
		return c.proc2 >> 16 & 1;
	case 62: /* page-modification log full */
		return c.proc2 >> 17 & 1;
	case 66: /* SPP */
		return c.proc2 >> 23 & 1;
	case 69: /* LOADIWKEY */
		return c.proc3 & 1;
	case 72: /* ENQCMD, ENQCMDS: PASID translation */
	case 73:
		return c.proc2 >> 21 & 1;
	case 74: /* bus lock */
		return c.proc2 >> 30 & 1;
	case 75: /* instruction timeout */
		return c.proc2 >> 31;
	default:
		/* SMIs, RSM, failed entries, EPT, what is not defined: not by VMCS12's controls. */
		return false;
	}
}

/* The processor, with VMCS12 current, would have exited. */
static bool processor_exits(const struct vmcs12 *v, const struct owner_pages *p,
			    const struct owner_exit *e, u32 reason)
{
	struct controls c = controls_in_effect(v);
	u32 function = (u32)e->registers[0];

	switch (reason) {
	case 0:
		return exception(v, c, e);
	case 3:
		return !e->init_is_l0_kick;
	case 23:
		return shadowed(c, p->vmread_bitmap, e);
	case 25:
		return shadowed(c, p->vmwrite_bitmap, e);
	case 28:
		return cr_access(v, c, e);
	case 30:
		return io(c, p, e);
	case 31:
		return msr(c, p, e, false);
	case 32:
		return msr(c, p, e, true);
	case 37:
		return (c.proc1 >> 27 & 1) || e->mtf_was_injected;
	case 56: /* needs one of the two, and they need the TPR shadow */
		return (c.proc2 >> 8 & 1) || (c.proc2 >> 9 & 1);
	case 59:
		return (c.proc2 >> 13 & 1) &&
		       (function > 63 || !(v->vm_function_controls >> function & 1));
	case 60:
		return (c.proc2 >> 15 & 1) && leaf(v->encls_exiting_bitmap, e);
	case 63:
	case 64:
		return xsaves(v, c, e);
	case 65:
		return (c.proc2 >> 27 & 1) && leaf(v->pconfig_exiting_bitmap, e);
	case 70:
		return (c.proc2 >> 28 & 1) && leaf(v->enclv_exiting_bitmap, e);
	default:
		return always_exits(reason) || one_control(reason, c);
	}
}

static void any_exit(struct owner_exit *e)
{
	any_memory(e, sizeof(*e), "exit");
	e->l2_is_64bit_code = any_bool("64-bit code");
	e->init_is_l0_kick = any_bool("INIT of L0");
	e->mtf_was_injected = any_bool("MTF injected");
}

/* What a processor can report, and what a checked VMCS12 can hold. */
static void given_sense(const struct vmcs12 *v, const struct owner_exit *e, u32 reason)
{
	u64 kind = e->qualification >> 4 & 3, number = e->qualification & 15;
	struct controls c = controls_in_effect(v);

	if (reason == 0)
		given((e->interruption_information & 255) < 32);
	if (reason == 30) /* 1, 2 or 4 bytes */
		given((number & 7) == 0 || (number & 7) == 1 || (number & 7) == 3);
	if (reason == 28 && kind == 0)
		given(number == 0 || number == 3 || number == 4 || number == 8);
	if (reason == 28 && kind == 1)
		given(number == 3 || number == 8);
	if (reason == 56) { /* the controls are VMCS12's own, and the entry checks have been here */
		given((c.proc2 >> 8 & 1) || (c.proc2 >> 9 & 1));
		given(c.proc1 >> 21 & 1);
	}
}

static void prove_reason(u32 reason)
{
	struct vmcs12 v;
	struct owner_exit e;
	struct owner_pages p = { any_page("MSR bitmap"), any_page("I/O bitmap A"),
				 any_page("I/O bitmap B"), any_page("VMREAD bitmap"),
				 any_page("VMWRITE bitmap") };

	any_memory(&v, sizeof(v), "VMCS12");
	any_exit(&e);
	e.exit_reason = reason | (any_u32("flags") & 0x7fff0000);
	given_sense(&v, &e, reason);
	must((owner_of_exit(&v, &p, &e) == OWNER_L1) == processor_exits(&v, &p, &e, reason),
	     "an exit is L1's exactly if the processor had exited under VMCS12");
}

/* Exits with an operand to look at have proofs of their own. */
static bool has_operand(u32 reason)
{
	return reason == 23 || reason == 25 || reason == 28 || (reason >= 30 && reason <= 32);
}

void prove_without_operand(void)
{
	u32 reason = each_u32("reason", 80);

	given(!has_operand(reason));
	prove_reason(reason);
}

void prove_vmread(void)
{
	prove_reason(23);
}

void prove_vmwrite(void)
{
	prove_reason(25);
}

void prove_control_register(void)
{
	prove_reason(28);
}

void prove_io(void)
{
	prove_reason(30);
}

void prove_rdmsr(void)
{
	prove_reason(31);
}

void prove_wrmsr(void)
{
	prove_reason(32);
}

/* Bitmaps that are not L1's memory read as ones. */
void prove_owner_without_pages(void)
{
	struct vmcs12 v;
	struct owner_exit e;
	static const struct owner_pages none;
	u32 reason = each_u32("reason", 80);

	given(reason == 23 || reason == 25 || (reason >= 30 && reason <= 32));
	any_memory(&v, sizeof(v), "VMCS12");
	any_exit(&e);
	e.exit_reason = reason;
	given_sense(&v, &e, reason);
	must((owner_of_exit(&v, &none, &e) == OWNER_L1) == processor_exits(&v, &none, &e, reason),
	     "likewise without bitmaps");
}

/* What no table of the SDM has at this time. */
void prove_unknown_reason(void)
{
	struct vmcs12 v;
	struct owner_exit e;
	static const struct owner_pages none;

	any_memory(&v, sizeof(v), "VMCS12");
	any_exit(&e);
	given((e.exit_reason & 0xffff) >= 80);
	must(owner_of_exit(&v, &none, &e) == OWNER_L0, "a reason that VMCS12 cannot ask for");
}

void prove_failed_entry(void)
{
	struct vmcs12 v;
	struct owner_exit e;
	static const struct owner_pages none;

	any_memory(&v, sizeof(v), "VMCS12");
	any_exit(&e);
	given(e.exit_reason >> 31);
	must(owner_of_exit(&v, &none, &e) == OWNER_L0, "a failed entry of VMCS02 is L0's");
}
