/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of L2's programs that are assembled in L1's own width. */
#pragma once

#ifdef __x86_64__
#define AX   % rax
#define BX   % rbx
#define CX   % rcx
#define DX   % rdx
#define SI   % rsi
#define DI   % rdi
#define IRET iretq
#else
#define AX   % eax
#define BX   % ebx
#define CX   % ecx
#define DX   % edx
#define SI   % esi
#define DI   % edi
#define IRET iret
#endif
