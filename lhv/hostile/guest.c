/* SPDX-License-Identifier: BSD-2-Clause */
/* What L2 executes, and what an entry leads to. */
#include "lhv/hostile/hostile.h"

#include "lhv/frame/apic.h"
#include "lhv/frame/asm_hw.h"
#include "lhv/frame/console.h"
#include "lhv/frame/interrupt.h"
#include "xmhf/lib/string.h"

#define SNIPPET_MAX    9
#define CODE_BYTES     96
#define TIMER_COUNT    3000
#define KIND_ENTRY     0
#define KIND_CANARY    1
#define RFLAGS_FAILS   (RFLAGS_CF | RFLAGS_ZF)
#define POSTED_ALIGNED 0xfffULL
#define COUNTERS       2
#define SIGNATURE      0x584d4846u

u32 vm_enter_hw(struct l2_registers *regs, uptr *exit_area, u32 launched);

struct snippet {
	u8 length;
	u8 bytes[SNIPPET_MAX];
	u8 random; /* how many bytes at the end of these are random */
};

static const struct snippet snippets[] = {
	{ 2, { 0x0f, 0xa2 }, 0 },		       /* cpuid */
	{ 2, { 0x0f, 0x32 }, 0 },		       /* rdmsr */
	{ 2, { 0x0f, 0x30 }, 0 },		       /* wrmsr */
	{ 7, { 0xb9, 0, 0, 0, 0, 0x0f, 0x32 }, 0 },    /* rdmsr of a random index */
	{ 7, { 0xb9, 0, 0, 0, 0, 0x0f, 0x30 }, 0 },    /* wrmsr of a random index */
	{ 2, { 0x0f, 0x08 }, 0 },		       /* invd */
	{ 2, { 0x0f, 0x09 }, 0 },		       /* wbinvd */
	{ 3, { 0x0f, 0x20, 0xc0 }, 1 },		       /* mov %crN, %r */
	{ 3, { 0x0f, 0x22, 0xc0 }, 1 },		       /* mov %r, %crN */
	{ 3, { 0x0f, 0x22, 0xd8 }, 0 },		       /* mov %rax, %cr3 */
	{ 3, { 0x0f, 0x22, 0xe0 }, 0 },		       /* mov %rax, %cr4 */
	{ 3, { 0x0f, 0x21, 0xf8 }, 1 },		       /* mov %drN, %r */
	{ 3, { 0x0f, 0x23, 0xf8 }, 1 },		       /* mov %r, %drN */
	{ 3, { 0x0f, 0x01, 0xf0 }, 1 },		       /* lmsw, smsw, lgdt ... */
	{ 3, { 0x0f, 0x01, 0xc0 }, 1 },		       /* all of group 7 */
	{ 3, { 0x0f, 0x00, 0xc0 }, 1 },		       /* group 6: sldt, ltr ... */
	{ 3, { 0x0f, 0xc7, 0x33 }, 1 },		       /* group 9: vmptrld, rdrand ... */
	{ 4, { 0x66, 0x0f, 0xc7, 0x33 }, 0 },	       /* vmclear (%rbx) */
	{ 4, { 0xf3, 0x0f, 0xc7, 0x33 }, 0 },	       /* vmxon (%rbx) */
	{ 3, { 0x0f, 0xc7, 0x3b }, 0 },		       /* vmptrst (%rbx) */
	{ 3, { 0x0f, 0x78, 0x03 }, 1 },		       /* vmread */
	{ 3, { 0x0f, 0x79, 0x03 }, 1 },		       /* vmwrite */
	{ 3, { 0x0f, 0x01, 0xd4 }, 0 },		       /* vmfunc */
	{ 3, { 0x0f, 0x01, 0xc2 }, 0 },		       /* vmlaunch */
	{ 5, { 0x66, 0x0f, 0x38, 0x80, 0x03 }, 0 },    /* invept (%rbx), %rax */
	{ 5, { 0x66, 0x0f, 0x38, 0x81, 0x03 }, 0 },    /* invvpid (%rbx), %rax */
	{ 5, { 0x66, 0x0f, 0x38, 0x82, 0x03 }, 0 },    /* invpcid (%rbx), %rax */
	{ 2, { 0x0f, 0x37 }, 0 },		       /* getsec */
	{ 3, { 0x0f, 0x01, 0xd1 }, 0 },		       /* xsetbv */
	{ 2, { 0xe4, 0x80 }, 1 },		       /* in */
	{ 2, { 0xe6, 0x80 }, 1 },		       /* out */
	{ 1, { 0xed }, 0 },			       /* in %dx */
	{ 1, { 0x6c }, 0 },			       /* ins */
	{ 1, { 0x6e }, 0 },			       /* outs */
	{ 2, { 0xf3, 0x90 }, 0 },		       /* pause */
	{ 3, { 0x48, 0x8b, 0x03 }, 0 },		       /* mov (%rbx), %rax */
	{ 3, { 0x48, 0x89, 0x03 }, 0 },		       /* mov %rax, (%rbx) */
	{ 3, { 0x48, 0x8b, 0x06 }, 0 },		       /* mov (%rsi), %rax */
	{ 3, { 0x48, 0x89, 0x07 }, 0 },		       /* mov %rax, (%rdi) */
	{ 4, { 0xf0, 0x48, 0x87, 0x07 }, 0 },	       /* lock xchg %rax, (%rdi) */
	{ 7, { 0xb9, 0x20, 0, 0, 0, 0xf3, 0xa4 }, 0 }, /* rep movsb of 32 bytes */
	{ 7, { 0xb9, 0, 4, 0, 0, 0xf3, 0xab }, 0 },    /* rep stosl of a page */
	{ 4, { 0x48, 0x0f, 0xc7, 0x0b }, 0 },	       /* cmpxchg16b (%rbx) */
	{ 2, { 0xff, 0xd3 }, 0 },		       /* call *%rbx */
	{ 2, { 0xff, 0xe3 }, 0 },		       /* jmp *%rbx */
	{ 2, { 0xff, 0x2b }, 0 },		       /* far jmp (%rbx) */
	{ 2, { 0xcd, 0x80 }, 1 },		       /* int n */
	{ 1, { 0xcc }, 0 },			       /* int3 */
	{ 1, { 0xf1 }, 0 },			       /* icebp */
	{ 2, { 0x48, 0xcf }, 0 },		       /* iretq */
	{ 2, { 0x0f, 0x05 }, 0 },		       /* syscall */
	{ 3, { 0x48, 0x0f, 0x07 }, 0 },		       /* sysretq */
	{ 2, { 0x0f, 0x34 }, 0 },		       /* sysenter */
	{ 2, { 0x0f, 0x35 }, 0 },		       /* sysexit */
	{ 2, { 0xfb, 0xf4 }, 0 },		       /* sti; hlt */
	{ 1, { 0xf4 }, 0 },			       /* hlt */
	{ 1, { 0x50 }, 0 },			       /* push %rax */
	{ 1, { 0x58 }, 0 },			       /* pop %rax */
	{ 1, { 0x9c }, 0 },			       /* pushf */
	{ 2, { 0x50, 0x9d }, 0 },		       /* push %rax; popf */
	{ 2, { 0x8e, 0xd0 }, 0 },		       /* mov %eax, %ss */
	{ 1, { 0xfb }, 0 },			       /* sti */
	{ 4, { 0x50, 0x58, 0xeb, 0xfc }, 0 },	       /* spins */
	{ 3, { 0x0f, 0x01, 0xc8 }, 0 },		       /* monitor */
	{ 3, { 0x0f, 0x01, 0xc9 }, 0 },		       /* mwait */
	{ 2, { 0x0f, 0x33 }, 0 },		       /* rdpmc */
	{ 2, { 0x0f, 0x31 }, 0 },		       /* rdtsc */
	{ 3, { 0x0f, 0xae, 0x23 }, 1 },		       /* xsave, fxsave, clflush ... */
	{ 4, { 0x44, 0x0f, 0x22, 0xc0 }, 0 },	       /* mov %rax, %cr8 */
	{ 3, { 0x0f, 0x01, 0xc1 }, 0 },		       /* vmcall */
	{ 3, { 0x0f, 0x01, 0xc1 }, 0 },
};

static const u32 msrs[] = {
	MSR_IA32_APIC_BASE,
	MSR_IA32_FEATURE_CONTROL,
	MSR_IA32_BIOS_UPDT_TRIG,
	MSR_IA32_MTRR_DEF_TYPE,
	MSR_IA32_MTRR_PHYSBASE0,
	MSR_IA32_MTRR_FIX64K_00000,
	MSR_IA32_PAT,
	MSR_IA32_VMX_BASIC,
	MSR_IA32_VMX_EXIT_CTLS2,
	MSR_IA32_RTIT_OUTPUT_BASE,
	MSR_IA32_EFER,
	MSR_IA32_FS_BASE,
	MSR_IA32_LSTAR,
	MSR_IA32_SYSENTER_CS,
	MSR_IA32_DEBUGCTL,
	MSR_IA32_X2APIC_TPR,
	MSR_IA32_XSS,
	MSR_IA32_SPEC_CTRL,
	0x1fff,
	0x2000,
	0xc0001fff,
	0xc0002000,
	0xffffffff,
};

static void put_snippet(struct hostile *h, u8 *at, const struct snippet *s)
{
	u32 index = msrs[random_below(h, ARRAY_SIZE(msrs))];

	memcpy(at, s->bytes, s->length);
	if (s->random)
		at[s->length - 1] = (u8)random_64(h);
	if (s->length == 7 && s->bytes[5] == 0x0f)
		memcpy(at + 1, &index, sizeof(index));
}

/* Time stands still in Bochs 3.0 while one instruction jumps to itself: no interrupt ends that. */
static void no_self_jumps(u8 *code)
{
	for (unsigned int i = 0; i < CODE_BYTES; i++)
		if (code[i] == 0xfe)
			code[i] = 0xfc;
}

static void write_code(struct hostile *h, u8 *code)
{
	static const u8 vmcall[] = { 0x0f, 0x01, 0xc1 };
	unsigned int used = 0;

	if (random_once_in(h, 4)) {
		for (; used < CODE_BYTES; used += 8)
			*(u64 *)(void *)(code + used) = random_64(h);
		no_self_jumps(code);
		return;
	}
	for (u64 n = 1 + random_below(h, 6); n; n--) {
		const struct snippet *s = &snippets[random_below(h, ARRAY_SIZE(snippets))];

		put_snippet(h, code + used, s);
		used += s->length;
	}
	memcpy(code + used, vmcall, sizeof(vmcall));
	code[used + 3] = 0xcc;
}

static u64 random_register(struct hostile *h)
{
	u64 r = random_64(h);

	switch (r & 7) {
	case 0:
		return world_page(h, PLAY_DATA) + (r >> 3 & 0x5fff);
	case 1:
	case 2:
		return HOSTILE_WINDOW + (r >> 3 & 0x1fffff);
	case 3:
		return hostile_hidden_base + (r >> 3 & 0xffff);
	case 4:
		return world_page(h, (unsigned int)random_below(h, PLAY_PAGES));
	case 5:
		return vmcs_fields[random_below(h, VMCS_FIELD_COUNT)].encoding;
	case 6:
		return random_once_in(h, 2) ? SIGNATURE : r >> 3 & 7;
	default:
		return random_shape(h);
	}
}

static void user_mode(struct hostile *h)
{
	field_write(h, VMCS_INDEX_guest_cs_selector, SELECTOR_USER_CODE);
	field_write(h, VMCS_INDEX_guest_cs_access_rights, 0xa0fb);
	field_write(h, VMCS_INDEX_guest_ss_selector, SELECTOR_USER_DATA);
	field_write(h, VMCS_INDEX_guest_ss_access_rights, 0xc0f3);
}

void guest_prepare(struct hostile *h)
{
	uptr *regs = (uptr *)&h->vm->regs;
	u64 offset = random_below(h, PAGE_SIZE);

	write_code(h, h->play + PLAY_CODE * PAGE_SIZE + offset);
	for (unsigned int i = 0; i < sizeof(h->vm->regs) / sizeof(uptr); i++)
		regs[i] = random_register(h);
	field_write(h, VMCS_INDEX_guest_rip,
		    h->vm->mode == L2_REAL ? offset : world_page(h, PLAY_CODE) + offset);
	if (h->vm->mode == L2_LONG && random_once_in(h, 4))
		user_mode(h);
}

/* L1 as it was: a flipped host field may have been loaded. */
static void straighten(struct hostile *h)
{
	const u64 *t = h->templates[L2_LONG];

	write_cr0((uptr)t[VMCS_INDEX_host_cr0]);
	write_cr4((uptr)t[VMCS_INDEX_host_cr4]);
	wrmsr(MSR_IA32_SYSENTER_CS, t[VMCS_INDEX_host_ia32_sysenter_cs]);
	wrmsr(MSR_IA32_SYSENTER_ESP, t[VMCS_INDEX_host_ia32_sysenter_esp]);
	wrmsr(MSR_IA32_SYSENTER_EIP, t[VMCS_INDEX_host_ia32_sysenter_eip]);
	wrmsr(MSR_IA32_PAT, t[VMCS_INDEX_host_ia32_pat]);
	wrmsr(MSR_IA32_EFER, t[VMCS_INDEX_host_ia32_efer]);
	load_ldt(0);
}

static void forget_saved(struct vm *vm)
{
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		if (vmcs_encoding_type(vmcs_fields[i].encoding) == VMCS_TYPE_GUEST &&
		    i != VMCS_INDEX_vmcs_link_pointer)
			vm->known[i] = false;
	vm->known[VMCS_INDEX_entry_interruption_information] = false;
	vm->known[VMCS_INDEX_entry_controls] = false;
	vm->known[VMCS_INDEX_eptp] = false;
	vm->known[VMCS_INDEX_pml_index] = false;
}

static bool has_unaligned_descriptor(const struct vm *vm)
{
	return (vm->value[VMCS_INDEX_pin_based_controls] & PIN_PROCESS_POSTED_INTERRUPTS) &&
	       (vm->value[VMCS_INDEX_posted_interrupt_descriptor_address] & POSTED_ALIGNED);
}

/* How many VMCS02s the processor has refused. */
static u64 count_refused(void)
{
	return hypercall_make(SIGNATURE, COUNTERS, 3).b;
}

/*
 * L0 takes the state that an exit saved for good, and Bochs 3.0 saves some that no VM entry takes,
 * its own neither.  Written by L1, as it is, L0 has to look at it: are its rules complete?
 */
static bool is_refused_by_l0_if_written(struct hostile *h, u64 refused)
{
	struct vm *vm = h->vm;
	u32 flags;

	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++) {
		u32 encoding = vmcs_fields[i].encoding;

		if (vmcs_encoding_type(encoding) == VMCS_TYPE_GUEST && facts.field_exists[i])
			vm_write_raw(encoding, vm_get(encoding));
	}
	flags = vm_enter_hw(&vm->regs, vm->exit_area, vm->launched);
	if (h->host_bent)
		straighten(h);
	return (flags || (vm_get(VMCS_exit_reason) & EXIT_REASON_ENTRY_FAILURE)) &&
	       count_refused() == refused;
}

/* An entry that failed as the processor's checks would have it: was it L0's or the processor? */
static void look_for_refusal(struct hostile *h)
{
	static u64 before[MAX_CPUS];
	u64 refused;

	if (!hostile_hidden_size)
		return;
	refused = count_refused();
	if (refused == before[h->cpu])
		return;
	/* Bochs 3.0 wants these aligned. */
	if (has_unaligned_descriptor(h->vm) || is_refused_by_l0_if_written(h, refused)) {
		before[h->cpu] = refused;
		h->refused_excused++;
		return;
	}
	before[h->cpu] = count_refused();
	h->refused++;
	hostile_violation(h, "VMCS02 refused by the processor", refused, 0);
	vm_dump_differences();
}

static u32 after_exit(struct hostile *h)
{
	u32 reason = (u32)vm_get(VMCS_exit_reason);

	if (h->trace)
		trace("x %u reason 0x%x\n", h->cpu, reason);
	h->reasons[(reason & 0xffff) < HOSTILE_REASONS ? reason & 0xffff : HOSTILE_REASONS - 1]++;
	if (reason & EXIT_REASON_ENTRY_FAILURE) {
		h->failed++;
		look_for_refusal(h);
		return reason;
	}
	h->entered++;
	h->vm->launched = true;
	forget_saved(h->vm);
	if (reason == EXIT_REASON_INIT_SIGNAL)
		h->inits++;
	return reason;
}

static void say_entry(const struct hostile *h)
{
	const u64 *v = h->vm->value;
	const u8 *code = h->play + PLAY_CODE * PAGE_SIZE + (vm_get(VMCS_guest_rip) & 0xfff);

	trace("e mode%u pin 0x%llx proc1 0x%llx proc2 0x%llx exit 0x%llx entry 0x%llx event 0x%llx "
	      "activity %llu rip 0x%llx rflags 0x%llx eptp 0x%llx code",
	      h->vm->mode, v[VMCS_INDEX_pin_based_controls], v[VMCS_INDEX_processor_based_controls],
	      v[VMCS_INDEX_secondary_processor_based_controls], vm_get(VMCS_exit_controls),
	      vm_get(VMCS_entry_controls), vm_get(VMCS_entry_interruption_information),
	      vm_get(VMCS_guest_activity_state), vm_get(VMCS_guest_rip), vm_get(VMCS_guest_rflags),
	      vm_get(VMCS_eptp));
	for (unsigned int i = 0; i < 16; i++)
		trace(" %02x", code[i]);
	trace("\n");
}

u32 guest_enter(struct hostile *h)
{
	struct vm *vm = h->vm;
	bool launch = random_once_in(h, 32) ? vm->launched : !vm->launched;
	u32 flags, reason = NO_EXIT;

	fields_make_safe(h);
	hostile_count(h, KIND_ENTRY, launch ? "vmlaunch" : "vmresume");
	if (h->trace)
		say_entry(h);
	apic_timer_once(HOSTILE_VECTOR, TIMER_COUNT);
	flags = vm_enter_hw(&vm->regs, vm->exit_area, !launch);
	apic_timer_stop();
	if (h->host_bent)
		straighten(h);
	if (flags) {
		h->failed++;
		if (flags & RFLAGS_ZF)
			look_for_refusal(h);
	} else {
		reason = after_exit(h);
	}
	/* in service: acknowledged by the exit, or taken by L2 itself; or still pending */
	apic_eoi();
	nmi_unblock();
	interrupts_through();
	return reason;
}

void guest_canary(struct hostile *h)
{
	static const u8 code[] = { 0x48, 0x8b, 0x0b, 0x48, 0x89, 0x13,
				   0x48, 0x8b, 0x03, 0x0f, 0x01, 0xc1 };
	struct l2_registers *r = &h->vm->regs;
	u64 offset = random_below(h, PAGE_SIZE - 8);
	u64 window = world_window_to_hidden(h);

	fields_restore(h, L2_LONG, RESTORE_ALL);
	if (facts.ept_vpid & EPT_CAP_INVEPT_ALL)
		invept(INVEPT_ALL_CONTEXT, 0);
	memcpy(h->play + PLAY_CODE * PAGE_SIZE, code, sizeof(code));
	field_write(h, VMCS_INDEX_guest_rip, world_page(h, PLAY_CODE));
	r->rbx = window + offset;
	r->rdx = random_64(h);
	hostile_count(h, KIND_CANARY, "canary");
	if (guest_enter(h) != EXIT_REASON_VMCALL || !world_window_stands(h))
		return; /* an NMI, an INIT, the other CPU's changes to EPT */
	h->canaries++;
	if (hostile_hidden_size && (~r->rcx || ~r->rax))
		hostile_violation(h, "L2 reads L0's memory", r->rcx, r->rax);
}
