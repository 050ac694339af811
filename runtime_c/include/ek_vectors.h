/* Vectors of 128 bit in the kernels of ek_lanes.h, which have them where the core does: results in steps of 1/65536 of
 * a code, four at a time. */
#ifndef EK_VECTORS_H
#define EK_VECTORS_H

#include "ek_lanes.h"

#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE

#include <arm_mve.h>

/* Limits of results, and what makes codes of them. */
typedef struct {
    int32x4_t least, most;
    int32_t offset;
} ek_vector_range;

/* The largest result, counted from the lowest code, and that code. */
static inline int32_t ek_range_most(ek_code_range range)
{
    return 255 - (int32_t)(range.above & 0xFFu);
}

static inline int32_t ek_range_offset(ek_code_range range)
{
    return (int8_t)((range.above + range.offset) & 0xFFu);
}

/* Of results whose `zero` counts as the range's lowest code does with 0. */
static inline ek_vector_range ek_vector_range_of(ek_code_range range, int32_t zero)
{
    const ek_vector_range limits = {vdupq_n_s32(-zero), vdupq_n_s32(ek_range_most(range) - zero),
                                    ek_range_offset(range) + zero};
    return limits;
}

/* Codes of results, rounded down and clamped. */
static inline int32x4_t ek_vector_codes(int32x4_t results, ek_vector_range range)
{
    const int32x4_t codes = vminq_s32(vmaxq_s32(vshrq_n_s32(results, 16), range.least), range.most);
    return vaddq_n_s32(codes, range.offset);
}

#endif
#endif
