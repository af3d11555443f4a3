/* SPDX-License-Identifier: BSD-2-Clause */
/* Choices made when the image is built; each may be set with -D. */
#pragma once

/** 1: count the VMX instructions that L0 executes, for measuring; costs an instruction each. */
#ifndef CONFIG_COUNT_VMX_INSTRUCTIONS
#define CONFIG_COUNT_VMX_INSTRUCTIONS 0
#endif

/** 1: the hypapp may ask for intercepts, flags.mk in its folder. */
#ifndef CONFIG_HYPAPP_INTERCEPTS
#define CONFIG_HYPAPP_INTERCEPTS 0
#endif
