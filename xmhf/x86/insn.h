/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One function per privileged or special instruction; the only C header with inline
 * assembly.  Nothing here decides anything.
 */
#pragma once

#include "xmhf/x86/cpu.h"

static inline u64 rdmsr(u32 index)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
	return (u64)high << 32 | low;
}

static inline void wrmsr(u32 index, u64 value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(index), "a"((u32)value), "d"((u32)(value >> 32))
			 : "memory");
}

static inline struct cpuid_result cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid_result r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

static inline u64 rdtsc(void)
{
	u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (u64)high << 32 | low;
}

#define INSN_CR(n)                                                             \
	static inline uptr read_cr##n(void)                                    \
	{                                                                      \
		uptr v;                                                        \
                                                                               \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v) : : "memory"); \
		return v;                                                      \
	}                                                                      \
	static inline void write_cr##n(uptr v)                                 \
	{                                                                      \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory");     \
	}
INSN_CR(0)
INSN_CR(2)
INSN_CR(3)
INSN_CR(4)
#undef INSN_CR

#define INSN_DR(n)                                                             \
	static inline uptr read_dr##n(void)                                    \
	{                                                                      \
		uptr v;                                                        \
                                                                               \
		__asm__ volatile("mov %%dr" #n ", %0" : "=r"(v) : : "memory"); \
		return v;                                                      \
	}                                                                      \
	static inline void write_dr##n(uptr v)                                 \
	{                                                                      \
		__asm__ volatile("mov %0, %%dr" #n : : "r"(v) : "memory");     \
	}
INSN_DR(0)
INSN_DR(1)
INSN_DR(2)
INSN_DR(3)
INSN_DR(6)
INSN_DR(7)
#undef INSN_DR

static inline void outb(u16 port, u8 v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outw(u16 port, u16 v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void outl(u16 port, u32 v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline u8 inb(u16 port)
{
	u8 v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline u16 inw(u16 port)
{
	u16 v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline u32 inl(u16 port)
{
	u32 v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline void halt(void)
{
	__asm__ volatile("hlt" : : : "memory");
}

static inline void disable_interrupts(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void enable_interrupts(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void wbinvd(void)
{
	__asm__ volatile("wbinvd" : : : "memory");
}

static inline void xsetbv(u32 index, u64 value)
{
	__asm__ volatile("xsetbv"
			 :
			 : "c"(index), "a"((u32)value), "d"((u32)(value >> 32))
			 : "memory");
}

static inline u64 xgetbv(u32 index)
{
	u32 low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
	return (u64)high << 32 | low;
}

static inline u32 rdpkru(void)
{
	u32 v, high;

	__asm__ volatile("rdpkru" : "=a"(v), "=d"(high) : "c"(0));
	return v;
}

static inline void invlpg(uptr address)
{
	__asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/** An SDM pseudo-descriptor as LGDT and LIDT take it. */
struct __attribute__((packed)) descriptor_table_pointer {
	u16 limit;
	uptr base;
};

static inline void lgdt(const struct descriptor_table_pointer *p)
{
	__asm__ volatile("lgdt %0" : : "m"(*p) : "memory");
}

static inline void lidt(const struct descriptor_table_pointer *p)
{
	__asm__ volatile("lidt %0" : : "m"(*p) : "memory");
}

static inline void sgdt(struct descriptor_table_pointer *p)
{
	__asm__ volatile("sgdt %0" : "=m"(*p) : : "memory");
}

static inline void sidt(struct descriptor_table_pointer *p)
{
	__asm__ volatile("sidt %0" : "=m"(*p) : : "memory");
}

static inline void ltr(u16 selector)
{
	__asm__ volatile("ltr %0" : : "r"(selector) : "memory");
}

static inline uptr read_flags(void)
{
	uptr v;

	__asm__ volatile("pushf; pop %0" : "=r"(v) : : "memory");
	return v;
}

#ifdef __x86_64__
#define INSN_WORD "q"
#else
#define INSN_WORD "l"
#endif

/** Copies @n bytes upwards by string instructions, machine words first. */
static inline void copy_up(void *to, const void *from, size_t n)
{
	size_t count = n / sizeof(uptr), rest = n % sizeof(uptr);

	__asm__ volatile("rep movs" INSN_WORD : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
}

/** Sets @n bytes to @byte by string instructions, machine words first. */
static inline void fill_up(void *to, u8 byte, size_t n)
{
	size_t count = n / sizeof(uptr), rest = n % sizeof(uptr);
	uptr word = (uptr)0x0101010101010101ULL * byte;

	__asm__ volatile("rep stos" INSN_WORD : "+D"(to), "+c"(count) : "a"(word) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(word) : "memory");
}

/** The first word of the structure GS points to: its own address. */
static inline void *read_gs_self(void)
{
	void *v;

	__asm__("mov %%gs:0, %0" : "=r"(v));
	return v;
}

/* VMX instructions.  Each returns how it ended: SDM "Conventions" of "VMX Instruction Reference".
 */
enum vmx_result {
	VMX_SUCCEED = 0,
	VMX_FAIL_VALID = 1,   /* ZF = 1; the number is in the VM-instruction error field */
	VMX_FAIL_INVALID = 2, /* CF = 1; there is no current VMCS */
};

#define INSN_VMX_RESULT(fail_invalid, fail_valid) \
	((fail_invalid) ? VMX_FAIL_INVALID : (fail_valid) ? VMX_FAIL_VALID : VMX_SUCCEED)

#define INSN_VMX_POINTER(name)                                                                    \
	/** @address is host-physical. */                                                         \
	static inline enum vmx_result name(u64 address)                                           \
	{                                                                                         \
		bool c, z;                                                                        \
                                                                                                  \
		__asm__ volatile(#name " %2" : "=@ccc"(c), "=@ccz"(z) : "m"(address) : "memory"); \
		return INSN_VMX_RESULT(c, z);                                                     \
	}
INSN_VMX_POINTER(vmxon)
INSN_VMX_POINTER(vmclear)
INSN_VMX_POINTER(vmptrld)
#undef INSN_VMX_POINTER

static inline enum vmx_result vmptrst(u64 *address)
{
	bool c, z;

	__asm__ volatile("vmptrst %2" : "=@ccc"(c), "=@ccz"(z), "=m"(*address) : : "memory");
	return INSN_VMX_RESULT(c, z);
}

static inline enum vmx_result vmxoff(void)
{
	bool c, z;

	__asm__ volatile("vmxoff" : "=@ccc"(c), "=@ccz"(z) : : "memory");
	return INSN_VMX_RESULT(c, z);
}

/** VMREAD of a field that exists in a current VMCS that exists: cannot fail. */
static inline uptr vmread(uptr encoding)
{
	uptr v;

	__asm__ volatile("vmread %1, %0" : "=r"(v) : "r"(encoding) : "cc", "memory");
	return v;
}

/** VMWRITE of a field that exists in a current VMCS that exists: cannot fail. */
static inline void vmwrite(uptr encoding, uptr value)
{
	__asm__ volatile("vmwrite %1, %0" : : "r"(encoding), "r"(value) : "cc", "memory");
}

static inline enum vmx_result vmread_checked(uptr encoding, uptr *value)
{
	bool c, z;
	uptr v = 0;

	__asm__ volatile("vmread %3, %2"
			 : "=@ccc"(c), "=@ccz"(z), "+r"(v)
			 : "r"(encoding)
			 : "memory");
	*value = v;
	return INSN_VMX_RESULT(c, z);
}

static inline enum vmx_result vmwrite_checked(uptr encoding, uptr value)
{
	bool c, z;

	__asm__ volatile("vmwrite %3, %2"
			 : "=@ccc"(c), "=@ccz"(z)
			 : "r"(encoding), "r"(value)
			 : "memory");
	return INSN_VMX_RESULT(c, z);
}

static inline enum vmx_result invept(uptr type, u64 eptp)
{
	u64 descriptor[2] = { eptp, 0 };
	bool c, z;

	__asm__ volatile("invept %2, %3"
			 : "=@ccc"(c), "=@ccz"(z)
			 : "m"(descriptor), "r"(type)
			 : "memory");
	return INSN_VMX_RESULT(c, z);
}

static inline enum vmx_result invvpid(uptr type, u16 vpid, u64 linear_address)
{
	u64 descriptor[2] = { vpid, linear_address };
	bool c, z;

	__asm__ volatile("invvpid %2, %3"
			 : "=@ccc"(c), "=@ccz"(z)
			 : "m"(descriptor), "r"(type)
			 : "memory");
	return INSN_VMX_RESULT(c, z);
}
