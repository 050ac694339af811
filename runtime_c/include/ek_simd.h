/* Two-lane 16-bit arithmetic: one instruction each on Cortex-M4, M7 and M33, plain C with the same bits elsewhere,
 * so that the DSP kernels also run (and are checked under sanitizers) on the host. */
#ifndef EK_SIMD_H
#define EK_SIMD_H

#include <stdint.h>
#include <string.h>

/* Any-alignment 32-bit load. */
static inline uint32_t ek_load32(const void *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint32_t ek_pair(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xFFFFu) | ((uint32_t)high << 16);
}

/* The low halves of two words, and the high ones; compilers know the instructions. */
static inline uint32_t ek_pack_low(uint32_t low, uint32_t high)
{
    return (low & 0xFFFFu) | (high << 16);
}

static inline uint32_t ek_pack_high(uint32_t low, uint32_t high)
{
    return (low >> 16) | (high & 0xFFFF0000u);
}

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

/* acc + a.low * b.low + a.high * b.high */
static inline int32_t ek_smlad(uint32_t a, uint32_t b, int32_t acc)
{
    int32_t sum;
    __asm__("smlad %0, %1, %2, %3" : "=r"(sum) : "r"(a), "r"(b), "r"(acc));
    return sum;
}

/* acc + a.low * b.low */
static inline int32_t ek_smlabb(uint32_t a, uint32_t b, int32_t acc)
{
    int32_t sum;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(sum) : "r"(a), "r"(b), "r"(acc));
    return sum;
}

/* acc + a.high * b.high */
static inline int32_t ek_smlatt(uint32_t a, uint32_t b, int32_t acc)
{
    int32_t sum;
    __asm__("smlatt %0, %1, %2, %3" : "=r"(sum) : "r"(a), "r"(b), "r"(acc));
    return sum;
}

/* Bytes 0 and 2, sign-extended, added to the lanes of base. */
static inline uint32_t ek_sxtab16(uint32_t base, uint32_t x)
{
    uint32_t sum;
    __asm__("sxtab16 %0, %1, %2" : "=r"(sum) : "r"(base), "r"(x));
    return sum;
}

/* Bytes 1 and 3, sign-extended, added to the lanes of base. */
static inline uint32_t ek_sxtab16_odd(uint32_t base, uint32_t x)
{
    uint32_t sum;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(sum) : "r"(base), "r"(x));
    return sum;
}

/* Bytes 0 and 2, sign-extended. */
static inline uint32_t ek_sxtb16(uint32_t x)
{
    uint32_t lanes;
    __asm__("sxtb16 %0, %1" : "=r"(lanes) : "r"(x));
    return lanes;
}

/* Bytes 1 and 3, sign-extended. */
static inline uint32_t ek_sxtb16_odd(uint32_t x)
{
    uint32_t lanes;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(lanes) : "r"(x));
    return lanes;
}

/* a * b >> 32 */
static inline int32_t ek_smmul(int32_t a, int32_t b)
{
    int32_t product;
    __asm__("smmul %0, %1, %2" : "=r"(product) : "r"(a), "r"(b));
    return product;
}

/* (a * b + 2^31) >> 32 */
static inline int32_t ek_smmulr(int32_t a, int32_t b)
{
    int32_t product;
    __asm__("smmulr %0, %1, %2" : "=r"(product) : "r"(a), "r"(b));
    return product;
}

#else

static inline int32_t ek_low(uint32_t lanes)
{
    return (int16_t)(lanes & 0xFFFFu);
}

static inline int32_t ek_high(uint32_t lanes)
{
    return (int16_t)(lanes >> 16);
}

static inline int32_t ek_smlad(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + ek_low(a) * ek_low(b) + ek_high(a) * ek_high(b);
}

static inline int32_t ek_smlabb(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + ek_low(a) * ek_low(b);
}

static inline int32_t ek_smlatt(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + ek_high(a) * ek_high(b);
}

static inline uint32_t ek_sxtab16(uint32_t base, uint32_t x)
{
    return ek_pair(ek_low(base) + (int8_t)(x & 0xFFu), ek_high(base) + (int8_t)((x >> 16) & 0xFFu));
}

static inline uint32_t ek_sxtab16_odd(uint32_t base, uint32_t x)
{
    return ek_pair(ek_low(base) + (int8_t)((x >> 8) & 0xFFu), ek_high(base) + (int8_t)(x >> 24));
}

static inline uint32_t ek_sxtb16(uint32_t x)
{
    return ek_sxtab16(0, x);
}

static inline uint32_t ek_sxtb16_odd(uint32_t x)
{
    return ek_sxtab16_odd(0, x);
}

static inline int32_t ek_smmul(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b) >> 32);
}

static inline int32_t ek_smmulr(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + INT64_C(0x80000000)) >> 32);
}

#endif
#endif
