#include "ek_kernels.h"
#include "ek_vectors.h"

#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE

/* multiplier * code >> 8 */
static inline int32x4_t scale(int32x4_t codes, int32x4_t multiplier)
{
    return vmulhq_s32(vshlq_n_s32(codes, 24), multiplier);
}

static void add_row(const ek_sum_params *p, int32_t count, const int8_t *a, const int8_t *b, int8_t *y)
{
    const int32x4_t a_multiplier = vdupq_n_s32(p->a_multiplier), b_multiplier = vdupq_n_s32(p->b_multiplier);
    const ek_code_range range = p->range;
    const int32_t bias = p->bias;
    for (; count >= 4; count -= 4) {
        const int32x4_t sum =
            vaddq_s32(scale(vldrbq_s32(a), a_multiplier), vaddq_n_s32(scale(vldrbq_s32(b), b_multiplier), bias));
        vstrbq_s32(y, ek_vector_codes(sum, range, 0));
        a += 4;
        b += 4;
        y += 4;
    }
    if (count > 0) {
        const mve_pred16_t some = vctp32q((uint32_t)count);
        const int32x4_t first = scale(vldrbq_z_s32(a, some), a_multiplier);
        const int32x4_t second = scale(vldrbq_z_s32(b, some), b_multiplier);
        vstrbq_p_s32(y, ek_vector_codes(vaddq_n_s32(vaddq_s32(first, second), bias), range, 0), some);
    }
}

/* A row plus one code: what that adds is in the bias. */
static void shift_row(int32_t count, const int8_t *x, int32_t multiplier, int32_t bias, ek_code_range range, int8_t *y)
{
    const int32x4_t factor = vdupq_n_s32(multiplier);
    for (; count >= 4; count -= 4) {
        vstrbq_s32(y, ek_vector_codes(vaddq_n_s32(scale(vldrbq_s32(x), factor), bias), range, 0));
        x += 4;
        y += 4;
    }
    if (count > 0) {
        const mve_pred16_t some = vctp32q((uint32_t)count);
        vstrbq_p_s32(y, ek_vector_codes(vaddq_n_s32(scale(vldrbq_z_s32(x, some), factor), bias), range, 0), some);
    }
}

#else

/* Four results of a line in two codes. */
EK_INLINE uint32_t sums(uint32_t a, uint32_t b, const ek_sum_params *q, int32_t clamps)
{
    const uint32_t a_even = ek_even_codes(a);
    const uint32_t b_even = ek_even_codes(b);
    const int32_t even0 = ek_smlawb(q->b_multiplier, b_even, ek_smlawb(q->a_multiplier, a_even, q->bias));
    const int32_t even1 = ek_smlawt(q->b_multiplier, b_even, ek_smlawt(q->a_multiplier, a_even, q->bias));
    const uint32_t a_odd = ek_odd_codes(a);
    const uint32_t b_odd = ek_odd_codes(b);
    const int32_t odd0 = ek_smlawb(q->b_multiplier, b_odd, ek_smlawb(q->a_multiplier, a_odd, q->bias));
    const int32_t odd1 = ek_smlawt(q->b_multiplier, b_odd, ek_smlawt(q->a_multiplier, a_odd, q->bias));
    return ek_codes_of(even0, odd0, even1, odd1, q->range, clamps);
}

EK_INLINE void add_words(const ek_sum_params *p, int32_t count, const int8_t *a, const int8_t *b, int8_t *y,
                         int32_t clamps)
{
    const ek_sum_params q = *p; /* stores to y may alias anything behind a pointer */
    for (const int8_t *const end = y + (count & ~3); y != end;) {
        const uint32_t first = ek_next_word(&a);
        ek_put_word(&y, sums(first, ek_next_word(&b), &q, clamps));
    }
}

EK_NOINLINE static void add_row(const ek_sum_params *p, int32_t count, const int8_t *a, const int8_t *b, int8_t *y)
{
    const int32_t whole = count & ~3;
    if (p->range.above) {
        add_words(p, count, a, b, y, 1);
    } else {
        add_words(p, count, a, b, y, 0);
    }
    const int32_t rest = count - whole;
    if (rest) {
        const uint32_t first = ek_gather_codes(a + whole, rest);
        ek_scatter_codes(sums(first, ek_gather_codes(b + whole, rest), p, 1), y + whole, rest);
    }
}

/* Four results of a line in one code, from `bias`. */
EK_INLINE uint32_t scaled(uint32_t codes, int32_t multiplier, int32_t bias, ek_code_range range)
{
    const uint32_t even = ek_even_codes(codes);
    const uint32_t odd = ek_odd_codes(codes);
    return ek_codes_of(ek_smlawb(multiplier, even, bias), ek_smlawb(multiplier, odd, bias),
                       ek_smlawt(multiplier, even, bias), ek_smlawt(multiplier, odd, bias), range, 1);
}

/* A row plus one code: what that adds is in the bias. */
EK_NOINLINE static void shift_row(int32_t count, const int8_t *x, int32_t multiplier, int32_t bias, ek_code_range range,
                                  int8_t *y)
{
    for (const int8_t *const end = y + (count & ~3); y != end;) {
        ek_put_word(&y, scaled(ek_next_word(&x), multiplier, bias, range));
    }
    count &= 3;
    if (count) {
        ek_scatter_codes(scaled(ek_gather_codes(x, count), multiplier, bias, range), y, count);
    }
}

#endif

void ek_add_s8_dsp(const ek_sum_params *p, const int8_t *a, const int8_t *b, int8_t *y)
{
    const ek_binary_params *walk = &p->walk;
    int32_t index[EK_MAX_RANK] = {0};
    const int32_t last = walk->rank - 1;
    const int32_t count = walk->shape[last];
    do {
        if (walk->a[last] == walk->b[last]) {
            add_row(p, count, a, b, y);
        } else if (walk->a[last]) {
            const int32_t bias = ek_smlawb(p->b_multiplier, ek_even_codes((uint8_t)*b), p->bias);
            shift_row(count, a, p->a_multiplier, bias, p->range, y);
        } else {
            const int32_t bias = ek_smlawb(p->a_multiplier, ek_even_codes((uint8_t)*a), p->bias);
            shift_row(count, b, p->b_multiplier, bias, p->range, y);
        }
        y += count;
    } while (ek_next_rows(walk, index, &a, &b));
}
