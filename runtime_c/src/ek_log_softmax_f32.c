#include "ek_kernels.h"

/* The steps of edgekit/ops/log_softmax.py, which defines every bit; needs a compiler that does not fuse multiply-adds.
 */
static const float LN2_HIGH = 0.693359375f;
static const float LN2_LOW = -2.12194440e-4f;

static float float_of(int32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static int32_t bits_of(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float exp_of_negative(float x)
{
    static const float terms[6] = {1.0f / 120.0f, 1.0f / 24.0f, 1.0f / 6.0f, 1.0f / 2.0f, 1.0f, 1.0f};
    x = x < -87.0f ? -87.0f : x;
    const int32_t n = (int32_t)(x * 1.44269504f - 0.5f);
    const float steps = (float)n;
    const float r = x - steps * LN2_HIGH - steps * LN2_LOW;
    float y = 1.0f / 720.0f;
    for (int32_t i = 0; i < 6; ++i) {
        y = y * r + terms[i];
    }
    return y * float_of((n + 127) * (1 << 23));
}

static float log_from_one(float x)
{
    static const float terms[4] = {2.0f / 7.0f, 2.0f / 5.0f, 2.0f / 3.0f, 2.0f};
    const int32_t exponent = (bits_of(x) - 0x3F3504F3) >> 23;
    const float mantissa = float_of(bits_of(x) - exponent * (1 << 23));
    const float s = (mantissa - 1.0f) / (mantissa + 1.0f);
    const float z = s * s;
    float y = 2.0f / 9.0f;
    for (int32_t i = 0; i < 4; ++i) {
        y = y * z + terms[i];
    }
    const float e = (float)exponent;
    return e * LN2_HIGH + (y * s + e * LN2_LOW);
}

void ek_log_softmax_f32(int32_t rows, int32_t width, const float *x, float *y)
{
    for (; rows > 0; --rows) {
        float best = x[0];
        for (int32_t i = 1; i < width; ++i) {
            best = x[i] > best ? x[i] : best;
        }
        float sum = 0.0f;
        for (int32_t i = 0; i < width; ++i) {
            sum += exp_of_negative(x[i] - best);
        }
        const float log_sum = log_from_one(sum);
        for (int32_t i = 0; i < width; ++i) {
            y[i] = (x[i] - best) - log_sum;
        }
        x += width;
        y += width;
    }
}
