/* What the assembly of DSP kernels shares. Each such function has a twin in C beside it, for the host. */
#ifndef EK_ASSEMBLY_H
#define EK_ASSEMBLY_H

#include "ek_requantize.h"

#define EK_FUNCTION(name)                                                                                              \
    ".syntax unified\n"                                                                                                \
    ".section .text." #name ",\"ax\",%progbits\n"                                                                      \
    ".p2align 2\n"                                                                                                     \
    ".global " #name "\n"                                                                                              \
    ".thumb\n"                                                                                                         \
    ".thumb_func\n"                                                                                                    \
    ".type " #name ", %function\n" #name ":\n"

#define EK_END(name)                                                                                                   \
    ".size " #name ", . - " #name "\n"                                                                                 \
    ".text\n"

/* From an accumulator to a code of the full int8 range; registers hold the multiplier, the right shift less one, and
 * the offset (twice the zero point plus one) shifted left by that. Left shifts are 1 for two roundings, 0 for one.
 *
 * The offset is added before the shift, which is the same; and with it what halves of negative numbers need to be
 * rounded away from zero: -1, which changes nothing where the first rounding made zero of a negative number. */
#define EK_TWICE(acc, multiplier, shift, offset, temporary)                                                            \
    "add " #temporary ", " #offset ", " #acc ", asr #31\n"                                                             \
    "lsl " #acc ", " #acc ", #1\n"                                                                                     \
    "smmlar " #acc ", " #acc ", " #multiplier ", " #temporary "\n"                                                     \
    "asr " #acc ", " #acc ", " #shift "\n"                                                                             \
    "ssat " #acc ", #8, " #acc ", asr #1\n"

#define EK_ONCE(acc, multiplier, shift, offset, temporary)                                                             \
    "smmla " #acc ", " #acc ", " #multiplier ", " #offset "\n"                                                         \
    "asr " #acc ", " #acc ", " #shift "\n"                                                                             \
    "ssat " #acc ", #8, " #acc ", asr #1\n"

/* The same up to the shift for two accumulators of one channel, side by side so that neither waits for the other one;
 * with two roundings the offset's register is used up. */
#define EK_SCALE_TWICE(first, second, multiplier, offset, temporary)                                                   \
    "add " #temporary ", " #offset ", " #first ", asr #31\n"                                                           \
    "lsl " #first ", " #first ", #1\n"                                                                                 \
    "smmlar " #first ", " #first ", " #multiplier ", " #temporary "\n"                                                 \
    "add " #offset ", " #offset ", " #second ", asr #31\n"                                                             \
    "lsl " #second ", " #second ", #1\n"                                                                               \
    "smmlar " #second ", " #second ", " #multiplier ", " #offset "\n"

#define EK_SCALE_ONCE(first, second, multiplier, offset, temporary)                                                    \
    "smmla " #first ", " #first ", " #multiplier ", " #offset "\n"                                                     \
    "smmla " #second ", " #second ", " #multiplier ", " #offset "\n"

/* The twin of both; constants: multiplier, shift, offset. */
static inline int8_t ek_code_of(int32_t acc, const uint32_t *constants, int32_t twice)
{
    const int32_t multiplier = (int32_t)constants[0], offset = (int32_t)constants[2];
    int32_t y;
    if (twice) {
        y = ek_smmulr(2 * acc, multiplier) + (acc >> 31) + offset;
    } else {
        y = ek_smmul(acc, multiplier) + offset;
    }
    return (int8_t)ek_clamp(y >> constants[1] >> 1, -128, 127);
}

#endif
