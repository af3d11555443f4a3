/* SPDX-License-Identifier: BSD-2-Clause */
/* Random programs: a few instructions, none of which shows time. */
#include "lhv/vmdiff/vmdiff.h"

#include "lhv/frame/machine.h"
#include "xmhf/lib/string.h"

#define INSTRUCTION_MAX 6
#define PER_PROGRAM	3
#define CODE_BYTES	64

struct instruction {
	u8 length;
	u8 bytes[INSTRUCTION_MAX];
};

static const struct instruction instructions[] = {
	{ 2, { 0x0f, 0xa2 } },	     /* cpuid */
	{ 2, { 0x0f, 0x32 } },	     /* rdmsr of RCX */
	{ 2, { 0x0f, 0x08 } },	     /* invd */
	{ 2, { 0x0f, 0x09 } },	     /* wbinvd */
	{ 3, { 0x0f, 0x20, 0xc0 } }, /* mov %cr0, %rax */
	{ 3, { 0x0f, 0x22, 0xc0 } }, /* mov %rax, %cr0 */
	{ 3, { 0x0f, 0x20, 0xd8 } }, /* mov %cr3, %rax */
	{ 3, { 0x0f, 0x22, 0xd8 } }, /* mov %rax, %cr3 */
	{ 3, { 0x0f, 0x20, 0xe0 } }, /* mov %cr4, %rax */
	{ 3, { 0x0f, 0x22, 0xe0 } }, /* mov %rax, %cr4 */
	{ 3, { 0x0f, 0x21, 0xf8 } }, /* mov %dr7, %rax */
	{ 3, { 0x0f, 0x23, 0xf8 } }, /* mov %rax, %dr7 */
	{ 2, { 0x0f, 0x06 } },	     /* clts */
	{ 3, { 0x0f, 0x01, 0xe0 } }, /* smsw */
	{ 3, { 0x0f, 0x01, 0xf0 } }, /* lmsw */
	{ 3, { 0x0f, 0x01, 0x3b } }, /* invlpg (%rbx) */
	{ 3, { 0x0f, 0x00, 0xc8 } }, /* str */
	{ 3, { 0x0f, 0x00, 0xc0 } }, /* sldt */
	{ 2, { 0xe4, 0xe9 } },	     /* in $0xe9, %al */
	{ 2, { 0xf3, 0x90 } },	     /* pause */
	{ 2, { 0x8b, 0x03 } },	     /* mov (%rbx), %eax */
	{ 2, { 0x89, 0x03 } },	     /* mov %eax, (%rbx) */
	{ 2, { 0x0f, 0x0b } },	     /* ud2 */
	{ 1, { 0xcc } },	     /* int3 */
	{ 2, { 0xcd, 0x80 } },	     /* int $0x80 */
	{ 1, { 0xf1 } },	     /* icebp */
	{ 3, { 0x0f, 0xc7, 0x33 } }, /* vmptrld (%rbx) */
	{ 3, { 0x0f, 0x78, 0xc3 } }, /* vmread %rax, %rbx */
	{ 3, { 0x0f, 0x01, 0xc4 } }, /* vmxoff */
	{ 2, { 0x31, 0xc0 } },	     /* xor %eax, %eax */
	{ 2, { 0x31, 0xdb } },	     /* xor %ebx, %ebx */
	{ 1, { 0x50 } },	     /* push %rax */
	{ 1, { 0x58 } },	     /* pop %rax */
	{ 1, { 0x9c } },	     /* pushf */
	{ 1, { 0x9d } },	     /* popf */
	{ 1, { 0xfa } },	     /* cli */
	{ 3, { 0x0f, 0x01, 0xc1 } }, /* vmcall */
};

unsigned int vmdiff_program_count(void)
{
	return ARRAY_SIZE(instructions) * ARRAY_SIZE(instructions) * ARRAY_SIZE(instructions);
}

static const u8 vmcall[] = { 0x0f, 0x01, 0xc1 };

const u8 *vmdiff_vmcall(void)
{
	static u8 *page;

	if (page)
		return page;
	page = page_alloc(1);
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		page[i] = vmcall[i % sizeof(vmcall)];
	return page;
}

const u8 *vmdiff_code(unsigned int program)
{
	static u8 *code;
	u8 *p;

	if (!code)
		code = page_alloc(1);
	memset(code, 0xcc, CODE_BYTES);
	p = code;
	for (unsigned int i = 0; i < PER_PROGRAM; i++) {
		const struct instruction *in = &instructions[program % ARRAY_SIZE(instructions)];

		memcpy(p, in->bytes, in->length);
		p += in->length;
		program /= ARRAY_SIZE(instructions);
	}
	memcpy(p, vmcall, sizeof(vmcall));
	return code;
}
