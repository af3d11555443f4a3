/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few C library memory and string functions that freestanding code needs, by
 * their usual names and with their usual meaning.  On the host the C library's own
 * are linked instead.
 */
#pragma once

#include "xmhf/lib/types.h"

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
