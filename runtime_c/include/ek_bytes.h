/* Copying and filling codes: sixteen at a time where there are vectors of 128 bit. */
#ifndef EK_BYTES_H
#define EK_BYTES_H

#include <stdint.h>
#include <string.h>

#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE

#include <arm_mve.h>

/* Returns the end of the copy. */
static inline int8_t *ek_copy_codes(int8_t *to, const int8_t *from, int32_t count)
{
    for (int32_t sixteens = count >> 4; sixteens > 0; --sixteens) {
        vstrbq_s8(to, vldrbq_s8(from));
        to += 16;
        from += 16;
    }
    count &= 15;
    if (count) {
        const mve_pred16_t some = vctp8q((uint32_t)count);
        vstrbq_p_s8(to, vldrbq_z_s8(from, some), some);
    }
    return to + count;
}

/* Returns the end of the filled codes. */
static inline int8_t *ek_fill_codes(int8_t *to, int8_t value, int32_t count)
{
    int8_t *end = to + count;
    const int8x16_t values = vdupq_n_s8(value);
    for (; count > 0; count -= 16) {
        vstrbq_p_s8(to, values, vctp8q((uint32_t)count));
        to += 16;
    }
    return end;
}

#else

static inline int8_t *ek_copy_codes(int8_t *to, const int8_t *from, int32_t count)
{
    memcpy(to, from, (size_t)count);
    return to + count;
}

static inline int8_t *ek_fill_codes(int8_t *to, int8_t value, int32_t count)
{
    memset(to, value, (size_t)count);
    return to + count;
}

#endif
#endif
