/* SPDX-License-Identifier: BSD-2-Clause */
/* Fills a domain's memory with an ELF kernel that has a PVH entry, and makes its CPU start there.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

#include <xen/arch-x86/hvm/start_info.h>
#include <xen/elfnote.h>
#include <xen/hvm/save.h>

#define START_INFO   0x8000ull
#define LOW_MEMORY   0xa0000ull
#define HIGH_MEMORY  0x100000ull
#define CHUNK	     (1ull << 20)
#define CR0_PE	     1u
#define CR0_ET	     0x10u
#define CODE_32	     0xc9bu /* access rights: present, flat, accessed */
#define DATA_32	     0xc93u
#define TSS_32	     0x8bu
#define TSS_LIMIT    0x67u
#define DR6_RESET    0xffff0ff0u
#define DR7_RESET    0x400u
#define MTRR_ON_WB   0x806u
#define CONTEXT_MOST (16 * PAGE)

/* What the kernel finds at START_INFO. */
struct start_page {
	struct hvm_start_info info;
	struct hvm_modlist_entry module;
	struct hvm_memmap_table_entry memory[2];
	char cmdline[3072];
};

/* A file in memory. */
struct file {
	const u8 *at;
	u64 bytes;
};

static struct file open_file(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat status;
	struct file file;

	if (fd < 0 || fstat(fd, &status) != 0)
		die("%s", name);
	file.bytes = (u64)status.st_size;
	file.at = mmap(NULL, file.bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file.at == MAP_FAILED)
		die("%s", name);
	close(fd);
	return file;
}

/* Fresh memory is zero, so what a segment does not bring needs no clearing. */
static void put(const struct domain *domain, u64 address, const void *from, u64 bytes)
{
	if (address + bytes > domain->size || address + bytes < address) {
		errno = ENOMEM;
		die("%llu bytes at %#llx of the domain", (unsigned long long)bytes,
		    (unsigned long long)address);
	}
	while (bytes > 0) {
		u64 offset = address % PAGE;
		u64 part = bytes < CHUNK - offset ? bytes : CHUNK - offset;
		size_t pages = (offset + part + PAGE - 1) / PAGE;
		u8 *at = map_foreign(domain, address / PAGE, pages);

		memcpy(at + offset, from, part);
		unmap_foreign(at, pages);
		address += part;
		from = (const u8 *)from + part;
		bytes -= part;
	}
}

/* The 32-bit entry of the first Xen note of this kind; 0 when there is none. */
static u32 entry_in_notes(const u8 *notes, u64 bytes)
{
	u64 at = 0;

	while (at + sizeof(Elf64_Nhdr) <= bytes) {
		const Elf64_Nhdr *note = (const Elf64_Nhdr *)(notes + at);
		const u8 *name = notes + at + sizeof(*note);
		const u8 *value = name + ((note->n_namesz + 3ull) & ~3ull);
		u32 entry;

		at = (u64)(value - notes) + ((note->n_descsz + 3ull) & ~3ull);
		if (at > bytes || note->n_type != XEN_ELFNOTE_PHYS32_ENTRY ||
		    note->n_namesz != sizeof("Xen") || memcmp(name, "Xen", sizeof("Xen")) != 0)
			continue;
		memcpy(&entry, value, sizeof(entry));
		return entry;
	}
	return 0;
}

/* Loads the segments; gives the end of the highest in @end. */
static u32 load_kernel(const struct domain *domain, const char *name, u64 *end)
{
	struct file file = open_file(name);
	const Elf64_Ehdr *elf = (const Elf64_Ehdr *)file.at;
	const Elf64_Phdr *segment = (const Elf64_Phdr *)(file.at + elf->e_phoff);
	u32 entry = 0;

	*end = 0;
	for (unsigned int i = 0; i < elf->e_phnum; i++, segment++) {
		if (segment->p_type == PT_NOTE && entry == 0)
			entry = entry_in_notes(file.at + segment->p_offset, segment->p_filesz);
		if (segment->p_type != PT_LOAD)
			continue;
		put(domain, segment->p_paddr, file.at + segment->p_offset, segment->p_filesz);
		if (segment->p_paddr + segment->p_memsz > *end)
			*end = segment->p_paddr + segment->p_memsz;
	}
	if (memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 || entry == 0) {
		errno = ENOEXEC;
		die("%s: no ELF file with a PVH entry", name);
	}
	return entry;
}

static void write_start_info(const struct domain *domain, u64 initrd, u64 bytes,
			     const char *cmdline)
{
	static struct start_page page;

	page.info = (struct hvm_start_info){
		.magic = XEN_HVM_START_MAGIC_VALUE,
		.version = 1,
		.nr_modules = 1,
		.modlist_paddr = START_INFO + offsetof(struct start_page, module),
		.cmdline_paddr = START_INFO + offsetof(struct start_page, cmdline),
		.memmap_paddr = START_INFO + offsetof(struct start_page, memory),
		.memmap_entries = 2,
	};
	page.module = (struct hvm_modlist_entry){ .paddr = initrd, .size = bytes };
	page.memory[0] =
		(struct hvm_memmap_table_entry){ 0, LOW_MEMORY, XEN_HVM_MEMMAP_TYPE_RAM, 0 };
	page.memory[1] = (struct hvm_memmap_table_entry){ HIGH_MEMORY, domain->size - HIGH_MEMORY,
							  XEN_HVM_MEMMAP_TYPE_RAM, 0 };
	snprintf(page.cmdline, sizeof(page.cmdline), "%s", cmdline);
	put(domain, START_INFO, &page, sizeof(page));
}

/* Xen's own records of the fresh domain. */
static const u8 *fresh_context(const struct domain *domain, u32 *bytes)
{
	struct xen_domctl *domctl = hypercall_memory(sizeof(*domctl));
	u8 *context = hypercall_memory(CONTEXT_MOST);

	domctl->cmd = XEN_DOMCTL_gethvmcontext;
	domctl->u.hvmcontext.size = CONTEXT_MOST;
	set_xen_guest_handle(domctl->u.hvmcontext.buffer, context);
	must_domctl("the CPU's state", domctl, domain->id);
	*bytes = domctl->u.hvmcontext.size;
	return context;
}

static const void *find_record(const u8 *context, u32 bytes, unsigned int code)
{
	const struct hvm_save_descriptor *record;

	for (u32 at = 0; at + sizeof(*record) <= bytes; at += sizeof(*record) + record->length) {
		record = (const struct hvm_save_descriptor *)(context + at);
		if (record->typecode == code)
			return record + 1;
	}
	errno = ENOENT;
	die("record %u of the CPU's state", code);
}

static void add_record(struct xen_domctl_hvmcontext *context, unsigned int code, const void *from,
		       size_t bytes)
{
	u8 *at = context->buffer.p + context->size;
	struct hvm_save_descriptor record = { .typecode = (uint16_t)code, .length = (u32)bytes };

	memcpy(at, &record, sizeof(record));
	memcpy(at + sizeof(record), from, bytes);
	context->size += (u32)(sizeof(record) + bytes);
}

/* Protected mode without paging, flat segments, RBX = the start info. */
static struct hvm_hw_cpu first_state(u32 entry)
{
	return (struct hvm_hw_cpu){
		.rip = entry,
		.rbx = START_INFO,
		.rflags = 2,
		.cr0 = CR0_PE | CR0_ET,
		.dr6 = DR6_RESET,
		.dr7 = DR7_RESET,
		.cs_limit = UINT32_MAX,
		.ds_limit = UINT32_MAX,
		.es_limit = UINT32_MAX,
		.ss_limit = UINT32_MAX,
		.tr_limit = TSS_LIMIT,
		.cs_arbytes = CODE_32,
		.ds_arbytes = DATA_32,
		.es_arbytes = DATA_32,
		.ss_arbytes = DATA_32,
		.tr_arbytes = TSS_32,
	};
}

static void set_cpu(const struct domain *domain, u32 entry)
{
	struct xen_domctl *domctl = hypercall_memory(sizeof(*domctl));
	struct xen_domctl_hvmcontext *context = &domctl->u.hvmcontext;
	struct hvm_hw_cpu cpu = first_state(entry);
	struct hvm_hw_mtrr mtrr;
	u32 bytes;
	const u8 *fresh = fresh_context(domain, &bytes);

	memcpy(&mtrr, find_record(fresh, bytes, HVM_SAVE_CODE(MTRR)), sizeof(mtrr));
	mtrr.msr_mtrr_def_type = MTRR_ON_WB;
	domctl->cmd = XEN_DOMCTL_sethvmcontext;
	set_xen_guest_handle(context->buffer, hypercall_memory(PAGE));
	add_record(context, HVM_SAVE_CODE(HEADER), find_record(fresh, bytes, HVM_SAVE_CODE(HEADER)),
		   sizeof(struct hvm_save_header));
	add_record(context, HVM_SAVE_CODE(CPU), &cpu, sizeof(cpu));
	add_record(context, HVM_SAVE_CODE(MTRR), &mtrr, sizeof(mtrr));
	add_record(context, HVM_SAVE_CODE(END), NULL, 0);
	must_domctl("setting the CPU's state", domctl, domain->id);
}

void pvh_load(const struct domain *domain, const char *kernel, const char *initrd,
	      const char *cmdline)
{
	struct file module = open_file(initrd);
	u64 end;
	u32 entry = load_kernel(domain, kernel, &end);
	u64 at = (end + LARGE - 1) & ~(LARGE - 1);

	put(domain, at, module.at, module.bytes);
	write_start_info(domain, at, module.bytes, cmdline);
	set_cpu(domain, entry);
}
