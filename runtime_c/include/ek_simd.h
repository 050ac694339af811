/* Two-lane 16-bit arithmetic: one instruction each on Cortex-M4, M7 and M33, plain C with the same bits elsewhere,
 * so that the DSP kernels also run (and are checked under sanitizers) on the host. */
#ifndef EK_SIMD_H
#define EK_SIMD_H

#include <stdint.h>
#include <string.h>

/* Armv6-M: cores that multiply 32 by 32 bits to 32 and have eight registers for most instructions. */
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M' && __ARM_ARCH_ISA_THUMB == 1
#define EK_V6M 1
#else
#define EK_V6M 0
#endif

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

#if EK_V6M

/* By halves, `last` adding the highest parts. The carry of the shift before it is the bit below them. Functions of
 * run-time libraries that multiply 64 bits, and what compilers make of the same in C, take twice as long. */
#define EK_MULTIPLY_HIGH(a, b, last)                                                                                   \
    int32_t low, part, middle;                                                                                         \
    __asm__(".syntax unified\n"                                                                                        \
            "uxth %2, %0\n"                                                                                            \
            "asrs %0, %0, #16\n"                                                                                       \
            "uxth %3, %1\n"                                                                                            \
            "asrs %1, %1, #16\n"                                                                                       \
            "mov %4, %2\n"                                                                                             \
            "muls %4, %3\n"                                                                                            \
            "lsrs %4, %4, #16\n"                                                                                       \
            "muls %3, %0\n"                                                                                            \
            "adds %4, %4, %3\n"                                                                                        \
            "muls %2, %1\n"                                                                                            \
            "uxth %3, %4\n"                                                                                            \
            "adds %2, %2, %3\n"                                                                                        \
            "muls %0, %1\n"                                                                                            \
            "asrs %4, %4, #16\n"                                                                                       \
            "adds %0, %0, %4\n"                                                                                        \
            "asrs %2, %2, #16\n" last "\n"                                                                             \
            : "+l"(a), "+l"(b), "=&l"(low), "=&l"(part), "=&l"(middle)                                                 \
            :                                                                                                          \
            : "cc")

static inline int32_t ek_smmul(int32_t a, int32_t b)
{
    EK_MULTIPLY_HIGH(a, b, "adds %0, %0, %2");
    return a;
}

static inline int32_t ek_smmulr(int32_t a, int32_t b)
{
    EK_MULTIPLY_HIGH(a, b, "adcs %0, %2");
    return a;
}

#else

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

/* y / 2 rounded down, to int8. */
static inline int32_t ek_saturated_half(int32_t y)
{
    int32_t code;
#if defined(__ARM_FEATURE_SAT) && __ARM_FEATURE_SAT
    __asm__("ssat %0, #8, %1, asr #1" : "=r"(code) : "r"(y));
#elif EK_V6M
    __asm__(".syntax unified\n"
            "asrs %1, %1, #1\n"
            "sxtb %0, %1\n"
            "cmp %0, %1\n"
            "beq 1f\n"
            "asrs %1, %1, #31\n"
            "movs %0, #127\n"
            "eors %0, %1\n"
            "1:\n"
            : "=&l"(code), "+l"(y)
            :
            : "cc");
#else
    const int32_t half = y >> 1;
    code = half < -128 ? -128 : half;
    code = code > 127 ? 127 : code;
#endif
    return code;
}

#endif
