#include "ek_fixed_point.h"
#include "ek_integer.h"

#define SQRT_HALF 1518500250
#define SQRT_SQRT_HALF 1805811301

/* The natural logarithm, Q5.26, of a positive Q12.19: a power of two and a rational function around the fourth root of
 * 1/2. */
static int32_t log_of_sum(int32_t x)
{
    const int32_t zeros = ek_leading_zeros((uint32_t)x);
    const int32_t scaled = ek_doubling_high_mul(x, SQRT_HALF);
    const int32_t headroom = ek_leading_zeros((uint32_t)scaled) - 1;
    const int32_t quarter = 1 << 23;
    const int32_t first =
        ek_shift_left_saturated(ek_doubling_high_mul(ek_shift_left(x, (uint32_t)zeros - 1u), SQRT_HALF), 1);
    const int32_t second = ek_shift_left_saturated(x, headroom);
    const int32_t first_power = (12 - zeros) * (1 << 25) + quarter;
    const int32_t second_power = (12 - headroom) * (1 << 25) - quarter;
    const int32_t r = first < second ? first : second;
    const int32_t power = first_power > second_power ? first_power : second_power;
    const int32_t p = (int32_t)(((int64_t)r + SQRT_SQRT_HALF + 1) / 2);
    const int32_t q = 2 * (r - SQRT_SQRT_HALF);
    const int32_t square = ek_doubling_high_mul(q, q);
    const int32_t numerator =
        ek_doubling_high_mul(q, r) + ek_doubling_high_mul(ek_doubling_high_mul(q, square), 117049297);
    const int32_t denominator = ek_doubling_high_mul(p, 1057819769 + q + ek_doubling_high_mul(127690142, square)) +
                                ek_doubling_high_mul(638450708, q);
    const int32_t fraction = ek_doubling_high_mul(ek_divide_by_pot(numerator, 6), ek_one_over_one_plus(denominator));
    return ek_shift_left_saturated(ek_doubling_high_mul(power, 1488522236) + fraction, 1);
}

void ek_int_log_softmax_s8(const ek_int_log_softmax_params *p, const int8_t *x, const int32_t *differences,
                           const int32_t *exponentials, int8_t *y)
{
    for (int32_t row = 0; row < p->rows; ++row) {
        int32_t best = -128;
        for (int32_t i = 0; i < p->width; ++i) {
            best = x[i] > best ? x[i] : best;
        }
        int32_t sum = 0;
        for (int32_t i = 0; i < p->width; ++i) {
            sum += ek_divide_by_pot(exponentials[best - x[i]], 12);
        }
        const int32_t logarithm = log_of_sum(sum);
        const int32_t reached = ek_rescaled(logarithm + INT32_MIN, &p->back);
        const int32_t least = reached > p->least ? reached : p->least;
        for (int32_t i = 0; i < p->width; ++i) {
            const int64_t share = (int64_t)differences[best - x[i]] - logarithm;
            const int32_t code = (int32_t)((share + (INT64_C(1) << 21) - (share < 0 ? 1 : 0)) >> 22) + 127;
            y[i] = (int8_t)(x[i] - best > least ? ek_clamp(code, -128, 127) : -128);
        }
        x += p->width;
        y += p->width;
    }
}
