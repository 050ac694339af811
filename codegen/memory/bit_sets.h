/* Sets of small numbers as bits of 64-bit words: what searches over executed steps keep their states in. */
#ifndef EK_BIT_SETS_H
#define EK_BIT_SETS_H

#include <stdbool.h>
#include <stdint.h>

static bool has(const uint64_t *set, int32_t item)
{
    return set[item >> 6] >> (item & 63) & 1;
}

static void put(uint64_t *set, int32_t item)
{
    set[item >> 6] |= (uint64_t)1 << (item & 63);
}

static void drop(uint64_t *set, int32_t item)
{
    set[item >> 6] &= ~((uint64_t)1 << (item & 63));
}

static void copy_words(uint64_t *to, const uint64_t *from, int32_t words)
{
    for (int32_t i = 0; i < words; i++)
        to[i] = from[i];
}

#endif
