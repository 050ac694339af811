/* Elementary functions in float32, the same sequence of single-precision operations as edgekit/ops/math_f32.py, which
 * defines every bit. Needs a compiler that does not fuse multiply-adds (-ffp-contract=off). No library is called. */
#ifndef EK_MATH_F32_H
#define EK_MATH_F32_H

#include <stdint.h>
#include <string.h>

#define EK_NAN_F32 (__builtin_nanf(""))
#define EK_INF_F32 (__builtin_inff())

static inline float ek_float_of(int32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline int32_t ek_bits_of(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float ek_fabs(float x)
{
    return ek_float_of(ek_bits_of(x) & 0x7FFFFFFF);
}

/* y with the sign of x where y is zero, as whole-number functions of negative fractions have it. */
static inline float ek_signed_zero(float y, float x)
{
    return y == 0.0f ? ek_float_of(ek_bits_of(y) | (ek_bits_of(x) & (-2147483647 - 1))) : y;
}

/* From 2^23 on every float is whole; NaN passes too. */
static inline int32_t ek_is_whole(float x)
{
    return !(ek_fabs(x) < 8388608.0f);
}

static inline float ek_trunc(float x)
{
    return ek_is_whole(x) ? x : ek_signed_zero((float)(int32_t)x, x);
}

static inline float ek_floor(float x)
{
    const float t = ek_trunc(x);
    return t > x ? t - 1.0f : t;
}

static inline float ek_ceil(float x)
{
    const float t = ek_trunc(x);
    return t < x ? ek_signed_zero(t + 1.0f, x) : t;
}

static inline float ek_round_half_even(float x)
{
    if (ek_is_whole(x)) {
        return x;
    }
    /* Adding and taking away 2^23 rounds to whole numbers, halves to even; volatile keeps the two steps apart. */
    volatile float big = ek_fabs(x) + 8388608.0f;
    const float y = big - 8388608.0f;
    return ek_signed_zero(x < 0.0f ? -y : y, x);
}

static inline float ek_power_of_two(int32_t n)
{
    return ek_float_of((n + 127) * (1 << 23));
}

static inline float ek_polynomial(float z, const float *terms, int32_t count)
{
    float y = terms[0];
    for (int32_t i = 1; i < count; ++i) {
        y = y * z + terms[i];
    }
    return y;
}

#define EK_POLYNOMIAL(z, terms) ek_polynomial((z), (terms), (int32_t)(sizeof(terms) / sizeof((terms)[0])))

static inline float ek_exp(float x)
{
    static const float terms[] = {0.001383581f, 0.008375635f, 0.04166829f, 0.16666411f, 0.4999999f, 1.0f, 1.0f};
    if (x != x) {
        return x;
    }
    const float t = x < -104.0f ? -104.0f : (x > 89.0f ? 89.0f : x);
    const float n = ek_floor(t * 1.442695f + 0.5f);
    float r = t - n * 0.693359375f;
    r = r - n * -0.00021219444f;
    const int32_t whole = (int32_t)n;
    const int32_t half = whole >> 1;
    return EK_POLYNOMIAL(r, terms) * ek_power_of_two(half) * ek_power_of_two(whole - half);
}

static inline float ek_log(float x)
{
    static const float terms[] = {0.23646213f, 0.285335f, 0.4000041f, 0.6666666f, 2.0f};
    if (x == EK_INF_F32) {
        return x;
    }
    if (x == 0.0f) {
        return -EK_INF_F32;
    }
    if (!(x > 0.0f)) {
        return EK_NAN_F32;
    }
    const int32_t small = x < 1.1754944e-38f;
    const int32_t bits = ek_bits_of(small ? x * 8388608.0f : x);
    const int32_t exponent = (bits - 0x3F3504F3) >> 23;
    const float mantissa = ek_float_of(bits - exponent * (1 << 23));
    const float s = (mantissa - 1.0f) / (mantissa + 1.0f);
    const float e = (float)(exponent - (small ? 23 : 0));
    return e * 0.693359375f + (EK_POLYNOMIAL(s * s, terms) * s + e * -0.00021219444f);
}

static inline float ek_log1p(float x)
{
    const float w = 1.0f + x;
    const float d = w - 1.0f;
    if (d == 0.0f) {
        return x;
    }
    return w == EK_INF_F32 ? w : ek_log(w) * (x / d);
}

static inline float ek_expm1(float x)
{
    const float u = ek_exp(x);
    if (u == 1.0f) {
        return x;
    }
    const float d = u - 1.0f;
    if (u == EK_INF_F32 || d == -1.0f) {
        return d;
    }
    return d * (x / ek_log(u));
}

/* Square root, correctly rounded: the FPU's instruction, or digit by digit without one. */
static inline float ek_sqrt(float x)
{
#if defined(__ARM_FP) && (__ARM_FP & 4) && defined(__arm__)
    float y;
    __asm__("vsqrt.f32 %0, %1" : "=t"(y) : "t"(x));
    return y;
#else
    if (x != x || x == 0.0f || x == EK_INF_F32) {
        return x;
    }
    if (x < 0.0f) {
        return EK_NAN_F32;
    }
    int32_t exponent = 0;
    if (x < 1.1754944e-38f) {
        x *= 8388608.0f * 2.0f;
        exponent = -12;
    }
    const int32_t bits = ek_bits_of(x);
    int32_t power = (bits >> 23) - 127;
    uint64_t mantissa = (uint64_t)((bits & 0x7FFFFF) | 0x800000) << 1;
    if (power & 1) {
        mantissa <<= 1;
        power -= 1;
    }
    /* The root has one bit more than the result, and no float's root lies halfway. */
    mantissa <<= 24;
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 24; bit; bit >>= 1) {
        if ((root + bit) * (root + bit) <= mantissa) {
            root += bit;
        }
    }
    const int32_t rounded = (int32_t)((root + 1) >> 1);
    return (float)rounded * ek_power_of_two(power / 2 + exponent - 23);
#endif
}

static inline float ek_sigmoid(float x)
{
    const float e = ek_exp(-ek_fabs(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

static inline float ek_tanh(float x)
{
    static const float terms[] = {-0.005672422f, 0.020603146f, -0.05372523f, 0.13331185f, -0.33333263f, 1.0f};
    const float a = ek_fabs(x);
    if (a < 0.625f) {
        return x * EK_POLYNOMIAL(x * x, terms);
    }
    const float y = 1.0f - 2.0f / (ek_exp(a + a) + 1.0f);
    return x < 0.0f ? -y : y;
}

static inline float ek_sinh(float x)
{
    const float a = ek_fabs(x);
    float y;
    if (a < 20.0f) {
        const float u = ek_expm1(a);
        y = (u + u / (u + 1.0f)) * 0.5f;
    } else {
        const float half = ek_exp(a * 0.5f);
        y = half * 0.5f * half;
    }
    return x < 0.0f ? -y : y;
}

static inline float ek_cosh(float x)
{
    const float half = ek_exp(ek_fabs(x) * 0.5f);
    return half * 0.5f * half + 0.5f / (half * half);
}

static inline float ek_asinh(float x)
{
    const float a = ek_fabs(x);
    const float y = a < 1e9f ? ek_log1p(a + a * a / (1.0f + ek_sqrt(1.0f + a * a))) : ek_log(a) + 0.6931472f;
    return x < 0.0f ? -y : y;
}

static inline float ek_acosh(float x)
{
    if (x < 1.0f) {
        return EK_NAN_F32;
    }
    const float t = x - 1.0f;
    return x < 1e9f ? ek_log1p(t + ek_sqrt(t * (x + 1.0f))) : ek_log(x) + 0.6931472f;
}

static inline float ek_atanh(float x)
{
    const float a = ek_fabs(x);
    if (a > 1.0f) {
        return EK_NAN_F32;
    }
    const float y = 0.5f * ek_log1p((a + a) / (1.0f - a));
    return x < 0.0f ? -y : y;
}

/* Sine (`want` 0) or cosine (1). */
static inline float ek_sin_cos(float x, int32_t want)
{
    static const float sines[] = {-0.00019497333f, 0.008331985f, -0.1666665f, 1.0f};
    static const float cosines[] = {2.4371564e-05f, -0.0013886528f, 0.041666612f, -0.5f, 1.0f};
    if (!(ek_fabs(x) <= 3.4028235e38f)) {
        return EK_NAN_F32;
    }
    const float t = ek_fabs(x) < 1e8f ? x : 0.0f;
    const float n = ek_floor(t * 0.63661975f + 0.5f);
    float r = t - n * 1.5703125f;
    r = r - n * 0.00048375130f;
    r = r - n * 7.549790e-08f;
    const float z = r * r;
    const int32_t quadrant = (int32_t)n & 3;
    const float y = ((quadrant + want) & 1) ? EK_POLYNOMIAL(z, cosines) : r * EK_POLYNOMIAL(z, sines);
    return ((quadrant + want) & 2) ? -y : y;
}

static inline float ek_sin(float x)
{
    return ek_sin_cos(x, 0);
}

static inline float ek_cos(float x)
{
    return ek_sin_cos(x, 1);
}

static inline float ek_tan(float x)
{
    return ek_sin_cos(x, 0) / ek_sin_cos(x, 1);
}

static inline float ek_atan(float x)
{
    static const float terms[] = {0.07968948f, -0.13847041f, 0.19974044f, -0.3333279f, 1.0f};
    const float a = ek_fabs(x);
    float t = a;
    float base = 0.0f;
    if (a > 2.4142137f) {
        t = -1.0f / a;
        base = 1.5707964f;
    } else if (a > 0.41421357f) {
        t = (a - 1.0f) / (a + 1.0f);
        base = 0.7853982f;
    }
    const float y = base + t * EK_POLYNOMIAL(t * t, terms);
    return x < 0.0f ? -y : y;
}

static inline float ek_asin(float x)
{
    static const float terms[] = {0.04269023f, 0.023823984f, 0.04555768f, 0.07494368f, 0.16666792f, 1.0f};
    const float a = ek_fabs(x);
    if (a > 1.0f) {
        return EK_NAN_F32;
    }
    const int32_t big = a > 0.5f;
    const float z = big ? (1.0f - a) * 0.5f : a * a;
    const float s = big ? ek_sqrt(z) : a;
    float y = s * EK_POLYNOMIAL(z, terms);
    if (big) {
        y = 1.5707964f - (y + y);
    }
    return x < 0.0f ? -y : y;
}

static inline float ek_acos(float x)
{
    if (x > 0.5f) {
        const float y = ek_asin(ek_sqrt((1.0f - x) * 0.5f));
        return y + y;
    }
    return 1.5707964f - ek_asin(x);
}

static inline float ek_erf(float x)
{
    static const float near[] = {7.889119e-05f, -0.0008020841f, 0.005189535f, -0.026854444f,
                                 0.112836f,     -0.37612626f,   1.1283791f};
    static const float far[] = {-0.015002752f, -0.01223686f, 0.2378533f,  -0.49052668f, 0.32298252f,
                                -0.06806389f,  0.22155865f,  0.23832457f, 0.2830178f,   0.2820506f};
    const float a = ek_fabs(x);
    if (a < 1.0f) {
        return x * EK_POLYNOMIAL(x * x, near);
    }
    const float b = a > 4.0f ? 4.0f : a;
    const float t = 1.0f / (1.0f + b * 0.5f);
    const float y = 1.0f - ek_exp(-(b * b)) * (t * EK_POLYNOMIAL(t, far));
    return x < 0.0f ? -y : y;
}

static inline float ek_pow(float x, float y)
{
    if (y == 0.0f || x == 1.0f) {
        return 1.0f;
    }
    const int32_t moderate = ek_fabs(y) < 8388608.0f;
    const int32_t whole = moderate ? (ek_trunc(y) == y) : (y == y);
    if (x < 0.0f && !whole) {
        return EK_NAN_F32;
    }
    const int32_t odd = whole && moderate && ((int32_t)y & 1);
    float magnitude;
    if (whole && ek_fabs(y) <= 16.0f) {
        magnitude = 1.0f;
        float base = ek_fabs(x);
        for (int32_t count = (int32_t)ek_fabs(y); count; count >>= 1) {
            magnitude = (count & 1) ? magnitude * base : magnitude;
            base = base * base;
        }
        magnitude = y < 0.0f ? 1.0f / magnitude : magnitude;
    } else {
        magnitude = ek_exp(y * ek_log(ek_fabs(x)));
    }
    return (x < 0.0f && odd) ? -magnitude : magnitude;
}

/* x less the multiple of y nearest to zero that leaves a remainder of x's sign; exact. */
static inline float ek_fmod(float x, float y)
{
    const float b = ek_fabs(y);
    float r = ek_fabs(x);
    if (!(r <= 3.4028235e38f) || b == 0.0f || y != y) {
        return EK_NAN_F32;
    }
    float step = b;
    while (step <= r * 0.5f) {
        step += step;
    }
    /* Doubling, halving and each difference of numbers within a factor of two are exact. */
    for (; step >= b && r >= b; step *= 0.5f) {
        r -= r >= step ? step : 0.0f;
    }
    return ek_float_of(ek_bits_of(r) | (ek_bits_of(x) & (-2147483647 - 1)));
}

#endif
