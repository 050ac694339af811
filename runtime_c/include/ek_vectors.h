/* Vectors of 128 bit in the kernels of ek_lanes.h, which have them where the core does: results in steps of 1/65536 of
 * a code, four at a time. */
#ifndef EK_VECTORS_H
#define EK_VECTORS_H

#include "ek_lanes.h"

#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE

#include <arm_mve.h>

/* The largest result, counted from the lowest code, and that code. */
static inline int32_t ek_range_most(ek_code_range range)
{
    return 255 - (int32_t)(range.above & 0xFFu);
}

static inline int32_t ek_range_offset(ek_code_range range)
{
    return (int8_t)((range.above + range.offset) & 0xFFu);
}

/* Codes of results, rounded down and clamped; -`zero` stands for the lowest code. */
static inline int32x4_t ek_vector_codes(int32x4_t results, ek_code_range range, int32_t zero)
{
    const int32x4_t least = vdupq_n_s32(-zero), most = vdupq_n_s32(ek_range_most(range) - zero);
    const int32x4_t codes = vminq_s32(vmaxq_s32(vshrq_n_s32(results, 16), least), most);
    return vaddq_n_s32(codes, ek_range_offset(range) + zero);
}

#endif
#endif
