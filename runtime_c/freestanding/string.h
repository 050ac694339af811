/* The memory functions of <string.h> for freestanding builds, where compilers treat a plain memcpy as an unknown call:
 * through the built-ins a copy of known size becomes loads and stores. memory.c defines the functions themselves. */
#ifndef EK_FREESTANDING_STRING_H
#define EK_FREESTANDING_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *left, const void *right, size_t size);

#define memcpy(to, from, size) __builtin_memcpy((to), (from), (size))
#define memmove(to, from, size) __builtin_memmove((to), (from), (size))
#define memset(to, value, size) __builtin_memset((to), (value), (size))
#define memcmp(left, right, size) __builtin_memcmp((left), (right), (size))

#endif
