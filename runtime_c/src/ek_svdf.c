#include "ek_integer_recurrent.h"

#include "ek_fixed_point_16.h"

/* The body of both forms: `newest` of the filter's feature weights w, `add` of the accumulator, a memory and its
 * weight, `finish` of the accumulator and unit u. */
#define SVDF(wide, newest, add, finish)                                                                                \
    do {                                                                                                               \
        for (int32_t b = 0; b < p->batch; ++b, x += p->inputs) {                                                       \
            for (int32_t u = 0; u < p->units; ++u) {                                                                   \
                wide acc = 0;                                                                                          \
                for (int32_t f = u * p->rank; f < (u + 1) * p->rank; ++f) {                                            \
                    for (int32_t m = 0; m < p->memory - 1; ++m) {                                                      \
                        next[m] = state[m + 1];                                                                        \
                    }                                                                                                  \
                    next[p->memory - 1] = newest;                                                                      \
                    for (int32_t m = 0; m < p->memory; ++m) {                                                          \
                        acc = add(acc, next[m], weights[f * p->memory + m]);                                           \
                    }                                                                                                  \
                    state += p->memory;                                                                                \
                    next += p->memory;                                                                                 \
                }                                                                                                      \
                *y++ = finish;                                                                                         \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

#define ADD_WRAPPED(acc, kept, weight) ((acc) + (uint32_t)((kept) * (weight)))
#define ADD_F32(acc, kept, weight) ((acc) + (kept) * (weight))

static int16_t feature_s8(const ek_svdf_params *p, const int8_t *x, const int8_t *w, int32_t bias)
{
    for (int32_t i = 0; i < p->inputs; ++i) {
        bias += x[i] * w[i];
    }
    return (int16_t)ek_saturated_16(ek_rescaled(bias, &p->feature));
}

static float feature_f32(const ek_svdf_params *p, const float *x, const float *w)
{
    float acc = 0.0f;
    for (int32_t i = 0; i < p->inputs; ++i) {
        acc += x[i] * w[i];
    }
    return acc;
}

static int8_t code(const ek_svdf_params *p, uint32_t acc)
{
    return (int8_t)ek_clamp(ek_rescaled((int32_t)acc, &p->output) + p->zero_point, -128, 127);
}

void ek_svdf_s8(const ek_svdf_params *p, const int8_t *x, const int16_t *state, const int8_t *features,
                const int32_t *feature_bias, const int16_t *weights, const int32_t *bias, int8_t *y, int16_t *next)
{
    SVDF(uint32_t, feature_s8(p, x, features + f * p->inputs, feature_bias[f]), ADD_WRAPPED,
         code(p, bias ? acc + (uint32_t)bias[u] : acc));
}

void ek_svdf_f32(const ek_svdf_params *p, const float *x, const float *state, const float *features,
                 const float *weights, const float *bias, float *y, float *next)
{
    SVDF(float, feature_f32(p, x, features + f * p->inputs), ADD_F32,
         ek_between(bias ? acc + bias[u] : acc, p->low, p->high));
}
