/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/vmexit/cpuid.c */
/* What CPUID tells L1: only the bits that L0 answers for differ from the processor's. */
#include "xmhf/vmexit/cpuid.h"

#include <string.h>

#include "xmhf/test/tap.h"

static const struct cpuid_policy with_vmx = { true, 0x010203, 2 };
static const struct cpuid_policy without_vmx = { false, 0x010203, 2 };

static struct cpuid_result ask(const struct cpuid_policy *policy, u32 leaf, u32 subleaf, u64 cr4,
			       u32 fill)
{
	struct cpuid_result r = { fill, fill, fill, fill };

	cpuid_for_l1(policy, leaf, subleaf, &(struct cpuid_asker){ cr4, true }, &r);
	return r;
}

static void test_leaf_1(void)
{
	struct cpuid_result r = ask(&with_vmx, 1, 0, 0, ~0U);

	const u32 never = CPUID_1_ECX_SMX | CPUID_1_ECX_DTES64 | CPUID_1_ECX_DS_CPL;

	is_u64(r.ecx, ~(never | CPUID_1_ECX_OSXSAVE), "leaf 1 ECX, CR4 = 0");
	is_u64(r.edx, ~CPUID_1_EDX_DS, "leaf 1 EDX: no debug store");
	is_u64(r.eax, ~0U, "leaf 1 EAX");
	is_u64(r.ebx, ~0U, "leaf 1 EBX");
	r = ask(&with_vmx, 1, 0, CR4_OSXSAVE, ~0U);
	is_u64(r.ecx, ~never, "leaf 1 ECX, CR4.OSXSAVE");
	r = ask(&without_vmx, 1, 0, CR4_OSXSAVE, ~0U);
	is_u64(r.ecx, ~(never | CPUID_1_ECX_VMX), "leaf 1 ECX without VMX");
	r = ask(&with_vmx, 1, 0, CR4_OSXSAVE, 0);
	is_u64(r.ecx, CPUID_1_ECX_OSXSAVE, "OSXSAVE comes from CR4 alone");
	is_u64(ask(&with_vmx, 1, 0, 0, 0).ecx, 0, "a processor without VMX does not get it");
}

static void test_leaf_7(void)
{
	struct cpuid_result r = ask(&with_vmx, 7, 0, 0, ~0U);

	is_u64(r.ebx, ~BIT32(25), "leaf 7 EBX: no processor trace");
	is_u64(r.ecx, ~CPUID_7_ECX_OSPKE, "leaf 7 ECX: OSPKE clear");
	is_u64(ask(&with_vmx, 7, 0, CR4_PKE, 0).ecx, CPUID_7_ECX_OSPKE, "OSPKE follows CR4.PKE");
	r = ask(&with_vmx, 7, 1, 0, ~0U);
	is_u64(r.ebx, ~0U, "leaf 7.1 is not changed");
}

static void test_own_leaves(void)
{
	struct cpuid_result r = ask(&with_vmx, 0x40000000, 0, 0, ~0U);
	char name[13] = { 0 };

	memcpy(name, &r.ebx, 4);
	memcpy(name + 4, &r.ecx, 4);
	memcpy(name + 8, &r.edx, 4);
	ok(!strcmp(name, "xmhf-nest"), "signature is '%s'", name);
	is_u64(r.eax, 0x40000001, "last leaf");
	r = ask(&with_vmx, 0x40000001, 0, 0, ~0U);
	is_u64(r.eax, 0x010203, "version");
	is_u64(r.ebx, 2, "depth");
	is_u64(r.ecx | r.edx, 0, "rest");
	r = ask(&with_vmx, 0x14, 0, 0, ~0U);
	is_u64(r.eax | r.ebx | r.ecx | r.edx, 0, "processor trace leaf");
}

static void test_extended_leaf(void)
{
	struct cpuid_result r = ask(&with_vmx, 0x80000001, 0, 0, ~0U);

	is_u64(r.edx, ~0U, "64-bit code is told of SYSCALL");
	cpuid_for_l1(&with_vmx, 0x80000001, 0, &(struct cpuid_asker){ 0, false }, &r);
	is_u64(r.edx, ~BIT32(11), "other code is not");
	is_u64(r.eax & r.ebx & r.ecx, ~0U, "the rest is the processor's");
	r = (struct cpuid_result){ 0 };
	cpuid_for_l1(&with_vmx, 0x80000001, 0, &(struct cpuid_asker){ 0, true }, &r);
	is_u64(r.edx, 0, "a processor without SYSCALL does not get it");
}

static void test_other_leaves(void)
{
	for (u32 leaf = 0; leaf < 0x20; leaf++) {
		struct cpuid_result r = ask(&without_vmx, leaf, 0, 0, 0xdeadbeef);
		struct cpuid_result same = { 0xdeadbeef, 0xdeadbeef, 0xdeadbeef, 0xdeadbeef };
		bool changed = memcmp(&r, &same, sizeof(r)) != 0;

		ok(!changed || cpuid_is_changed(leaf), "leaf 0x%x: cpuid_is_changed() knows", leaf);
	}
	ok(!cpuid_is_changed(0x40000002) && !cpuid_is_changed(0x80000002) && !cpuid_is_changed(0),
	   "other leaves are the processor's");
	ok(cpuid_is_changed(0x40000000) && cpuid_is_changed(0x40000001), "our own are not");
}

int main(void)
{
	test_leaf_1();
	test_leaf_7();
	test_own_leaves();
	test_extended_leaf();
	test_other_leaves();
	return tap_end();
}
