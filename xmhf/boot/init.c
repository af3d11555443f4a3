/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the boot loader's hand-over to L1's first instruction.  The only file that may
 * call anything.  docs/architecture.md, "Boot", tells the story.
 */
#include "nested/nested.h"
#include "xmhf/boot/cmdline.h"
#include "xmhf/boot/cpu_area.h"
#include "xmhf/boot/init_hw.h"
#include "xmhf/cpu/apic_hw.h"
#include "xmhf/cpu/descriptor_tables.h"
#include "xmhf/cpu/exception.h"
#include "xmhf/cpu/smp_hw.h"
#include "xmhf/device/acpi.h"
#include "xmhf/device/log.h"
#include "xmhf/device/multiboot.h"
#include "xmhf/device/serial_hw.h"
#include "xmhf/hypapp/hypapp.h"
#include "xmhf/lib/string.h"
#include "xmhf/memory/physmap.h"
#include "xmhf/vmexit/bios_stub.h"
#include "xmhf/vmexit/cpuid.h"
#include "xmhf/vmx/caps_hw.h"
#include "xmhf/vmx/intercepts.h"
#include "xmhf/vmx/vmcs01.h"

#define LOW_MEMORY_END	0xa0000
#define FIRST_HARD_DISK 0x80
#define FIRST_CDROM	0xe0
#define FOUR_GIB	(4 * GIB)
/* The loader's information and modules lie low; L0 moves above all of that. */
#define LEAST_HIDDEN_BASE (16 * MIB)

extern u8 image_start[], image_text_end[], image_rodata_end[], image_end[];

struct machine machine;

/* The boot CPU's identity until it has an area of its own. */
static struct cpu early_cpu;
static u8 early_interrupt_stacks[IST_COUNT * IST_SIZE];
static struct boot_info boot_info;
static struct cmdline cmdline;
static struct cpu_list cpu_list;
static struct host_paging paging;
static u64 start_tsc, nested_base;

u32 hypapp_option(const char *name, u64 *numbers, u32 count)
{
	return cmdline_hypapp_numbers(&cmdline, name, numbers, count);
}

static void start_log(const char *multiboot_error)
{
	unsigned int sinks = 0;

	if (cmdline.serial)
		serial_init(cmdline.serial_port, cmdline.serial_baud);
	if (cmdline.log_serial && cmdline.serial)
		sinks |= LOG_TO_SERIAL;
	if (cmdline.log_vga)
		sinks |= LOG_TO_VGA;
	if (cmdline.log_ring)
		sinks |= LOG_TO_RING;
	log_set_sinks(sinks);
	log_line("xmhf-nest %u.%u.%u, hypapp %u, loaded by %s (Multiboot %u)", XMHF_VERSION_MAJOR,
		 XMHF_VERSION_MINOR, XMHF_VERSION_PATCH, hypapp_id,
		 boot_info.loader_name[0] ? boot_info.loader_name : "?",
		 boot_info.multiboot_version);
	log_line("command line: %s", boot_info.cmdline);
	if (multiboot_error)
		log_line("boot information: %s", multiboot_error);
	for (unsigned int i = 0; i < cmdline.warning_count && i < CMDLINE_WARNINGS_MAX; i++)
		log_line("warning: command line: '%s': %s", cmdline.warnings[i].word,
			 cmdline.warnings[i].reason);
	if (cmdline.warning_count > CMDLINE_WARNINGS_MAX)
		log_line("warning: command line: %u more warnings",
			 cmdline.warning_count - CMDLINE_WARNINGS_MAX);
}

static u8 l1_boot_drive(void)
{
	if (cmdline.boot_drive >= 0)
		return (u8)cmdline.boot_drive;
	if (boot_info.boot_drive >= FIRST_HARD_DISK && boot_info.boot_drive < FIRST_CDROM)
		return (u8)(boot_info.boot_drive + 1);
	return FIRST_HARD_DISK;
}

/* Starts the OS without L0, saying why. */
static _Noreturn void boot_natively(const char *reason)
{
	u16 segment;

	log_line("no hypervisor: %s", reason);
	log_line("starting the boot sector of drive 0x%02x natively", l1_boot_drive());
	segment = bios_stub_install(l1_boot_drive(), cmdline.serial ? cmdline.serial_port : 0);
	native_boot(segment, segment * 16U + bios_stub_offset(bios_stub_to_real_mode));
}

static void check_vmx(void)
{
	struct vmcs01_controls controls;
	const char *lack = vmx_enable();

	if (!lack) {
		vmx_caps_read(&machine.caps);
		lack = vmcs01_choose_controls(&machine.caps, &controls);
	}
	if (lack)
		boot_natively(lack);
}

static void find_cpus(void)
{
	const char *problem = acpi_find_cpus(boot_info.rsdp, &cpu_list);
	u32 own = apic_own_id();

	if (problem) {
		log_line("warning: ACPI: %s; using the boot CPU only", problem);
		cpu_list.count = cpu_list.found = 1;
		cpu_list.apic_id[0] = own;
	}
	if (cpu_list.found > MAX_CPUS) {
		log_line("the machine has %u CPUs, L0 has room for %u", cpu_list.found, MAX_CPUS);
		boot_natively("too many CPUs: those left out would escape it");
	}
	/* The boot CPU is number 0. */
	for (unsigned int i = 0; i < cpu_list.count; i++) {
		if (cpu_list.apic_id[i] == own) {
			cpu_list.apic_id[i] = cpu_list.apic_id[0];
			cpu_list.apic_id[0] = own;
			return;
		}
	}
	boot_natively("the boot CPU is not in the ACPI MADT");
}

static bool has_1g_pages(void)
{
	return cpuid(0x80000001, 0).edx & CPUID_80000001_EDX_1G;
}

static void read_mtrrs(struct mtrr_state *mtrr)
{
	memset(mtrr, 0, sizeof(*mtrr));
	mtrr->physical_address_width = machine.caps.physical_address_width;
	if (!(cpuid(1, 0).edx & CPUID_1_EDX_MTRR))
		return;
	mtrr->cap = rdmsr(MSR_IA32_MTRRCAP);
	mtrr->def_type = rdmsr(MSR_IA32_MTRR_DEF_TYPE);
	for (unsigned int i = 0; i < MTRR_FIXED_COUNT && (mtrr->cap & MTRRCAP_FIX); i++)
		mtrr->fixed[i] = rdmsr(mtrr_fixed_msr(i));
	for (unsigned int i = 0; i < mtrr_variable_count(mtrr); i++) {
		mtrr->variable[i].base = rdmsr(MSR_IA32_MTRR_PHYSBASE0 + 2 * i);
		mtrr->variable[i].mask = rdmsr(MSR_IA32_MTRR_PHYSMASK0 + 2 * i);
	}
}

static struct ept01_settings ept_settings(void)
{
	return (struct ept01_settings){
		.top_of_ram = machine.top_of_ram,
		.ept_vpid = machine.caps.ept_vpid,
		.use_accessed_dirty = machine.vmx_for_l1, /* nested/ept02/tracker.c */
		.physical_address_width = machine.caps.physical_address_width,
		.hidden_count = 1,
		.hidden = { { machine.hidden_base, machine.hidden_size } },
	};
}

/* How many pages of tables and per-CPU memory L0 needs. */
static u64 pool_pages(const struct mtrr_state *mtrr)
{
	struct ept01_settings settings = ept_settings();

	return ept01_pool_pages(&settings, mtrr) +
	       host_paging_pages_needed(machine.top_of_ram, has_1g_pages()) +
	       cpu_list.count * cpu_area_pages() + intercepts_pages() +
	       5; /* MSR bitmap, nested's four pages */
}

/* Chooses L0's place: the top of RAM below 4 GiB. */
static void choose_hidden_memory(const struct mtrr_state *mtrr)
{
	u64 image_size = (u64)(image_end - image_start), pages = pool_pages(mtrr);
	u64 nested_size = machine.vmx_for_l1 ? cpu_list.count * nested_cpu_memory() : 0;

	machine.hidden_size = image_size + nested_size + pages * PAGE_SIZE;
	if (!memory_map_find_top(&boot_info.map, machine.hidden_size, PAGE_SIZE, FOUR_GIB,
				 &machine.hidden_base) ||
	    machine.hidden_base < LEAST_HIDDEN_BASE)
		boot_natively("too little memory below 4 GiB");
	log_line("hidden memory: 0x%llx-0x%llx, %llu KiB (image %llu, tables and CPUs %llu, nested "
		 "%llu)",
		 machine.hidden_base, machine.hidden_base + machine.hidden_size - 1,
		 machine.hidden_size / KIB, image_size / KIB, pages * PAGE_SIZE / KIB,
		 nested_size / KIB);
	nested_base = machine.hidden_base + image_size;
	page_pool_init(&machine.pool, hpa(nested_base + nested_size), (unsigned int)pages);
}

static bool map_image(void)
{
	u64 base = machine.hidden_base, start = (uptr)image_start;
	u64 text = (u64)(image_text_end - image_start);
	u64 rodata = (u64)(image_rodata_end - image_start);
	u64 end = (u64)(image_end - image_start);

	return host_paging_map(&paging, start, hpa(base), text, HOST_READ_EXECUTE) &&
	       host_paging_map(&paging, start + text, hpa(base + text), rodata - text,
			       HOST_READ_ONLY) &&
	       host_paging_map(&paging, start + rodata, hpa(base + rodata), end - rodata,
			       HOST_READ_WRITE);
}

/* The window on physical memory leaves out the image, whose code must not be writable. */
static bool map_physical_memory(void)
{
	u64 top = align_up(max_u64(machine.top_of_ram, FOUR_GIB), GIB);
	u64 image = machine.hidden_base;
	u64 behind = image + (u64)(image_end - image_start);

	return host_paging_map(&paging, PHYSMAP_BASE, hpa(0), image, HOST_READ_WRITE) &&
	       host_paging_map(&paging, PHYSMAP_BASE + behind, hpa(behind), top - behind,
			       HOST_READ_WRITE);
}

static void relocate(void)
{
	u64 size = (u64)(image_end - image_start);

	if (!host_paging_init(&paging, &machine.pool, has_1g_pages()) || !map_image() ||
	    !map_physical_memory())
		boot_natively("too few page tables were planned");
	relocate_image(hpa_to_pointer(hpa(machine.hidden_base)), image_start, size, paging.root.v);
	machine.physmap_end = align_up(max_u64(machine.top_of_ram, FOUR_GIB), GIB);
	physmap_set_end(machine.physmap_end);
}

static void build_ept(const struct mtrr_state *mtrr)
{
	struct ept01_settings settings = ept_settings();

	ept01_build(&machine.ept, &settings, mtrr, &machine.pool);
	page_pool_alloc(&machine.pool, &machine.msr_bitmap);
	intercepts_create();
	vmcs01_build_msr_bitmap(hpa_to_pointer(machine.msr_bitmap));
}

static void create_nested(struct vcpu *vcpu, u32 number)
{
	hpa_t memory = hpa(nested_base + number * nested_cpu_memory());

	memset(hpa_to_pointer(memory), 0, nested_cpu_memory());
	nested_create(vcpu, memory);
}

static void build_cpus(void)
{
	if (machine.vmx_for_l1)
		nested_init();
	hypapp_init(cpu_list.count);
	for (u32 i = 0; i < cpu_list.count; i++) {
		machine.vcpus[i] = cpu_area_build(&paging, i, cpu_list.apic_id[i]);
		if (machine.vmx_for_l1)
			create_nested(machine.vcpus[i], i);
		machine.vcpus[i]->parked = cmdline.cpus && i >= cmdline.cpus;
		machine.vcpus[i]->l1_feature_control =
			FEATURE_CONTROL_LOCK | (machine.vmx_for_l1 ? FEATURE_CONTROL_VMXON : 0);
	}
	machine.cpu_count = cpu_list.count;
}

/* On an application processor, on its own stack: waits for L1's SIPI in VMX operation. */
static void ap_main(void *argument)
{
	struct vcpu *vcpu = argument;

	cpu_set_control_registers();
	descriptor_tables_load(&vcpu->cpu);
	if (vmx_enable() || !vmx_start(vcpu))
		panic("VMX does not start on an application processor", 0, 0);
	vmcs01_setup(vcpu);
	vmcs01_set_init_state(vcpu, ACTIVITY_WAIT_FOR_SIPI);
	vcpu->waits_for_sipi = true;
	vcpu->started = true;
	vmx_launch(vcpu);
}

static void start_cpus(void)
{
	u64 page;

	if (machine.cpu_count == 1)
		return;
	if (!memory_map_find_top(&boot_info.map, PAGE_SIZE, PAGE_SIZE, LOW_MEMORY_END, &page))
		panic("no page below 640 KiB to start the other CPUs from", 0, 0);
	host_paging_map(&paging, page, hpa(page), PAGE_SIZE, HOST_READ_EXECUTE);
	smp_install_trampoline(page);
	for (u32 i = 1; i < machine.cpu_count; i++) {
		struct vcpu *vcpu = machine.vcpus[i];
		struct smp_start start = {
			.cr3 = paging.root.v,
			.stack = (uptr)vcpu,
			.argument = vcpu,
			.entry = ap_main,
			.started = &vcpu->started,
		};

		if (!smp_start(vcpu->cpu.apic_id, &start))
			log_line("warning: the CPU with APIC id %u does not start",
				 vcpu->cpu.apic_id);
	}
	smp_remove_trampoline();
	host_paging_unmap_page(&paging, page);
	write_cr3(read_cr3());
}

/* The map that L1 sees, and the 16-bit code that shows it. */
static u16 prepare_bios(void)
{
	u16 segment = bios_stub_install(l1_boot_drive(), cmdline.serial ? cmdline.serial_port : 0);

	machine.int15_stub = segment * 16U;
	machine.l1_map = boot_info.map;
	memory_map_reserve(&machine.l1_map, machine.hidden_base, machine.hidden_size);
	memory_map_reserve(&machine.l1_map, machine.int15_stub, BIOS_STUB_SIZE);
	bios_stub_hook_int15(segment);
	return segment;
}

/* On the boot CPU, on its own stack. */
static void start_l1(void *argument)
{
	struct vcpu *vcpu = argument;
	u16 segment;

	descriptor_tables_load(&vcpu->cpu);
	start_cpus();
	segment = prepare_bios();
	if (!vmx_start(vcpu))
		panic("VMXON fails on the boot CPU", 0, 0);
	vmcs01_setup(vcpu);
	vmcs01_set_real_mode_rip(segment, bios_stub_offset(bios_stub_boot));
	log_line("%u CPUs; L1 starts with drive 0x%02x, %llu ticks after the hand-over",
		 machine.cpu_count, l1_boot_drive(), rdtsc() - start_tsc);
	log_release_vga();
	vmx_launch(vcpu);
}

/** Called by entry.S with what the boot loader left in EAX and EBX. */
_Noreturn void boot_main(u32 magic, u32 information);
_Noreturn void boot_main(u32 magic, u32 information)
{
	struct mtrr_state mtrr;
	const char *multiboot_error;

	start_tsc = rdtsc();
	early_cpu.ist_stacks = early_interrupt_stacks;
	descriptor_tables_build(&early_cpu);
	descriptor_tables_load(&early_cpu);
	multiboot_error = multiboot_parse(magic, information, &boot_info);
	cmdline_parse(boot_info.cmdline, boot_info.cmdline_truncated, &cmdline);
	start_log(multiboot_error);
	cpu_set_control_registers();
	if (multiboot_error)
		boot_natively("the boot loader gave no usable information");
	check_vmx();
	find_cpus();
	machine.top_of_ram = memory_map_top_of_ram(&boot_info.map);
	machine.nesting_depth = 1 + nesting_depth_below();
	machine.vmxcap = cmdline.vmxcap;
	machine.vmx_for_l1 = cmdline.vmx;
	machine.has_1g_pages = has_1g_pages();
	read_mtrrs(&mtrr);
	choose_hidden_memory(&mtrr);
	relocate();
	build_ept(&mtrr);
	build_cpus();
	vmexit_prepare_cpuid();
	switch_stack(machine.vcpus[0], start_l1, machine.vcpus[0]);
}
