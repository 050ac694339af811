/* memcpy, memmove, memset and memcmp for every toolchain alike, so that instruction counts do not hang on which C
 * library was installed. Words where the core allows it, four at a time where they are aligned. */
#include <stddef.h>
#include <stdint.h>

/* No pattern replacement: the compiler would turn these loops into calls of the functions that they define. */
#if defined(__clang__)
#define EK_PLAIN __attribute__((used, no_builtin))
#else
#define EK_PLAIN __attribute__((used, optimize("no-tree-loop-distribute-patterns")))
#endif

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *left, const void *right, size_t size);

/* A word that may alias anything and, where the core can, stand anywhere. */
#if defined(__ARM_FEATURE_UNALIGNED) || !defined(__arm__)
typedef struct __attribute__((packed, may_alias)) {
    uint32_t value;
} ek_word;
#define EK_WORDS(addresses) 1
#else
typedef struct __attribute__((may_alias)) {
    uint32_t value;
} ek_word;
#define EK_WORDS(addresses) (((addresses) & 3u) == 0u)
#endif

#if defined(__arm__)
/* Four words from *from to *to, both aligned; both move on. */
static inline void ek_move_words(uint8_t **to, const uint8_t **from)
{
    __asm__ volatile("ldmia %1!, {r3, r4, r5, r6}\n\tstmia %0!, {r3, r4, r5, r6}"
                     : "+l"(*to), "+l"(*from)
                     :
                     : "r3", "r4", "r5", "r6", "memory");
}
#else
static inline void ek_move_words(uint8_t **to, const uint8_t **from)
{
    for (int i = 0; i < 16; ++i) {
        *(*to)++ = *(*from)++;
    }
}
#endif

EK_PLAIN void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    uint8_t *t = (uint8_t *)to;
    const uint8_t *f = (const uint8_t *)from;
    const uint8_t *const end = f + size;
    if ((((uintptr_t)t | (uintptr_t)f) & 3u) == 0u) {
        for (const uint8_t *const blocks = f + (size & ~(size_t)15); f != blocks;) {
            ek_move_words(&t, &f);
        }
    }
    if (EK_WORDS((uintptr_t)t | (uintptr_t)f)) {
        for (const uint8_t *const words = f + ((size_t)(end - f) & ~(size_t)3); f != words; t += 4, f += 4) {
            ((ek_word *)(void *)t)->value = ((const ek_word *)(const void *)f)->value;
        }
    }
    while (f != end) {
        *t++ = *f++;
    }
    return to;
}

EK_PLAIN void *memmove(void *to, const void *from, size_t size)
{
    uint8_t *t = (uint8_t *)to;
    const uint8_t *f = (const uint8_t *)from;
    const uint32_t words = EK_WORDS((uintptr_t)t | (uintptr_t)f);
    if ((uintptr_t)t - (uintptr_t)f >= size) {
        /* Upwards is safe: the target starts before the source or behind its end. */
        for (; words && size >= 4u; size -= 4u, t += 4, f += 4) {
            ((ek_word *)(void *)t)->value = ((const ek_word *)(const void *)f)->value;
        }
        for (; size > 0u; size--) {
            *t++ = *f++;
        }
        return to;
    }
    for (; size > 0u && (!words || (size & 3u) != 0u); size--) {
        t[size - 1u] = f[size - 1u];
    }
    for (; size > 0u; size -= 4u) {
        ((ek_word *)(void *)(t + size - 4u))->value = ((const ek_word *)(const void *)(f + size - 4u))->value;
    }
    return to;
}

EK_PLAIN void *memset(void *to, int value, size_t size)
{
    uint8_t *t = (uint8_t *)to;
    const uint8_t byte = (uint8_t)value;
    const uint32_t word = byte * 0x01010101u;
    for (; size > 0u && ((uintptr_t)t & 3u) != 0u; size--) {
        *t++ = byte;
    }
    for (; size >= 16u; size -= 16u, t += 16) {
        ek_word *out = (ek_word *)(void *)t;
        out[0].value = word;
        out[1].value = word;
        out[2].value = word;
        out[3].value = word;
    }
    for (; size > 0u; size--) {
        *t++ = byte;
    }
    return to;
}

EK_PLAIN int memcmp(const void *left, const void *right, size_t size)
{
    const uint8_t *l = (const uint8_t *)left;
    const uint8_t *r = (const uint8_t *)right;
    for (; size > 0u; size--, l++, r++) {
        if (*l != *r) {
            return (int)*l - (int)*r;
        }
    }
    return 0;
}
