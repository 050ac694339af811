#include "ek_kernels.h"
#include "ek_vectors.h"

#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE

/* Products of centred a by scaled b, raised where they are not negative so that halves go away from zero. */
static inline int32x4_t products(int32x4_t a, int32x4_t b, int32_t bias, int32x4_t step)
{
    const int32x4_t product = vaddq_n_s32(vmulhq_s32(vshlq_n_s32(a, 23), b), bias);
    return vaddq_s32(product, vbicq_s32(step, vshrq_n_s32(product, 31)));
}

static void multiply_row(const ek_product_params *p, int32_t count, const int8_t *a, const int8_t *b, int8_t *y)
{
    const int32x4_t multiplier = vdupq_n_s32(p->multiplier), step = vdupq_n_s32(p->step);
    const int32_t a_zero = (int16_t)(p->a_zero & 0xFFFFu) / 256, bias = p->bias, correction = p->correction;
    const int32_t zero = (int16_t)(p->zero & 0xFFFFu);
    const ek_code_range range = p->range;
    for (; count >= 4; count -= 4) {
        const int32x4_t scaled = vaddq_n_s32(vmulhq_s32(vshlq_n_s32(vldrbq_s32(b), 24), multiplier), correction);
        const int32x4_t product = products(vsubq_n_s32(vldrbq_s32(a), a_zero), scaled, bias, step);
        vstrbq_s32(y, ek_vector_codes(product, range, zero));
        a += 4;
        b += 4;
        y += 4;
    }
    if (count > 0) {
        const mve_pred16_t some = vctp32q((uint32_t)count);
        const int32x4_t second = vmulhq_s32(vshlq_n_s32(vldrbq_z_s32(b, some), 24), multiplier);
        const int32x4_t first = vsubq_n_s32(vldrbq_z_s32(a, some), a_zero);
        const int32x4_t product = products(first, vaddq_n_s32(second, correction), bias, step);
        vstrbq_p_s32(y, ek_vector_codes(product, range, zero), some);
    }
}

/* A row times one scaled code. */
static void scale_row(const ek_product_params *p, int32_t count, const int8_t *a, int32_t b, int8_t *y)
{
    const int32x4_t scaled = vdupq_n_s32(b), step = vdupq_n_s32(p->step);
    const int32_t a_zero = (int16_t)(p->a_zero & 0xFFFFu) / 256, bias = p->bias;
    const int32_t zero = (int16_t)(p->zero & 0xFFFFu);
    const ek_code_range range = p->range;
    for (; count >= 4; count -= 4) {
        const int32x4_t product = products(vsubq_n_s32(vldrbq_s32(a), a_zero), scaled, bias, step);
        vstrbq_s32(y, ek_vector_codes(product, range, zero));
        a += 4;
        y += 4;
    }
    if (count > 0) {
        const mve_pred16_t some = vctp32q((uint32_t)count);
        const int32x4_t product = products(vsubq_n_s32(vldrbq_z_s32(a, some), a_zero), scaled, bias, step);
        vstrbq_p_s32(y, ek_vector_codes(product, range, zero), some);
    }
}

#else

/* Two products of the lanes of a by scaled b, clamped. Halves go away from zero: what is not negative is raised. */
EK_INLINE uint32_t products(uint32_t a, int32_t b_low, int32_t b_high, const ek_product_params *q)
{
    const int32_t low = ek_smlawb(b_low, a, q->bias);
    const int32_t high = ek_smlawt(b_high, a, q->bias);
    return ek_usat16(ek_qadd16(ek_raised_halves(low, high, q->step), q->zero));
}

EK_INLINE uint32_t products_of_lanes(uint32_t a, uint32_t b, const ek_product_params *q)
{
    const int32_t low = ek_smlawb(q->multiplier, b, q->correction);
    const int32_t high = ek_smlawt(q->multiplier, b, q->correction);
    return products(ek_shsub16(a, q->a_zero), low, high, q);
}

EK_INLINE uint32_t products_of_words(uint32_t a, uint32_t b, const ek_product_params *q, int32_t clamps)
{
    const uint32_t even = products_of_lanes(ek_even_codes(a), ek_even_codes(b), q);
    const uint32_t odd = products_of_lanes(ek_odd_codes(a), ek_odd_codes(b), q);
    return ek_joined_codes(even, odd, q->range, clamps);
}

/* Four products of a by one scaled code. */
EK_INLINE uint32_t scaled(uint32_t a, int32_t b, const ek_product_params *q)
{
    const uint32_t even = products(ek_shsub16(ek_even_codes(a), q->a_zero), b, b, q);
    const uint32_t odd = products(ek_shsub16(ek_odd_codes(a), q->a_zero), b, b, q);
    return ek_joined_codes(even, odd, q->range, 1);
}

EK_INLINE void multiply_words(const ek_product_params *p, int32_t count, const int8_t *a, const int8_t *b, int8_t *y,
                              int32_t clamps)
{
    const ek_product_params q = *p; /* stores to y may alias anything behind a pointer */
    for (const int8_t *const end = y + (count & ~3); y != end;) {
        const uint32_t first = ek_next_word(&a);
        ek_put_word(&y, products_of_words(first, ek_next_word(&b), &q, clamps));
    }
}

EK_NOINLINE static void multiply_row(const ek_product_params *p, int32_t count, const int8_t *a, const int8_t *b,
                                     int8_t *y)
{
    const int32_t whole = count & ~3;
    if (p->range.above) {
        multiply_words(p, count, a, b, y, 1);
    } else {
        multiply_words(p, count, a, b, y, 0);
    }
    const int32_t rest = count - whole;
    if (rest) {
        const uint32_t first = ek_gather_codes(a + whole, rest);
        ek_scatter_codes(products_of_words(first, ek_gather_codes(b + whole, rest), p, 1), y + whole, rest);
    }
}

/* A row times one scaled code. */
EK_NOINLINE static void scale_row(const ek_product_params *p, int32_t count, const int8_t *a, int32_t b, int8_t *y)
{
    const ek_product_params q = *p;
    for (const int8_t *const end = y + (count & ~3); y != end;) {
        ek_put_word(&y, scaled(ek_next_word(&a), b, &q));
    }
    count &= 3;
    if (count) {
        ek_scatter_codes(scaled(ek_gather_codes(a, count), b, &q), y, count);
    }
}

#endif

void ek_mul_s8_dsp(const ek_product_params *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    const ek_binary_params *walk = &p->walk;
    int32_t index[EK_MAX_RANK] = {0};
    const int32_t last = walk->rank - 1;
    const int32_t count = walk->shape[last];
    do {
        if (walk->a[last] == walk->b[last]) {
            multiply_row(p, count, a, b, y);
        } else {
            scale_row(p, count, a, ek_smlawb(p->multiplier, ek_even_codes((uint8_t)*b), p->correction), y);
        }
        y += count;
    } while (ek_next_rows(walk, index, &a, &b));
}
