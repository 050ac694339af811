#include "ek_integer.h"

/* Codes: x / 2^20, halves away from zero. */
static int64_t rounded(int64_t x)
{
    return (x > 0 ? x + (INT64_C(1) << 19) : x - (INT64_C(1) << 19)) / (INT64_C(1) << 20);
}

#define RESIZE(name, type)                                                                                             \
    void name(const ek_resize_bilinear_params *p, const type *x, const int32_t *rows, const int32_t *columns, type *y) \
    {                                                                                                                  \
        const int32_t line = p->in_w * p->channels;                                                                    \
        for (int32_t n = 0; n < p->batch; ++n) {                                                                       \
            for (int32_t i = 0; i < p->out_h; ++i) {                                                                   \
                const type *top = x + rows[3 * i] * line;                                                              \
                const type *bottom = x + rows[3 * i + 1] * line;                                                       \
                const int64_t v = rows[3 * i + 2];                                                                     \
                for (int32_t j = 0; j < p->out_w; ++j) {                                                               \
                    const int32_t left = columns[3 * j] * p->channels;                                                 \
                    const int32_t right = columns[3 * j + 1] * p->channels;                                            \
                    const int64_t u = columns[3 * j + 2];                                                              \
                    for (int32_t c = 0; c < p->channels; ++c) {                                                        \
                        const int64_t upper = top[left + c] * (1024 - u) + top[right + c] * u;                         \
                        const int64_t lower = bottom[left + c] * (1024 - u) + bottom[right + c] * u;                   \
                        *y++ = (type)rounded(upper * (1024 - v) + lower * v);                                          \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
            x += p->in_h * line;                                                                                       \
        }                                                                                                              \
    }

RESIZE(ek_resize_bilinear_s8, int8_t)
RESIZE(ek_resize_bilinear_s16, int16_t)

void ek_resize_bilinear_f32(const ek_resize_bilinear_params *p, const float *x, const int32_t *rows,
                            const float *row_fractions, const int32_t *columns, const float *column_fractions, float *y)
{
    const int32_t line = p->in_w * p->channels;
    for (int32_t n = 0; n < p->batch; ++n) {
        for (int32_t i = 0; i < p->out_h; ++i) {
            const float *top = x + rows[2 * i] * line;
            const float *bottom = x + rows[2 * i + 1] * line;
            const float v = row_fractions[i];
            for (int32_t j = 0; j < p->out_w; ++j) {
                const int32_t left = columns[2 * j] * p->channels;
                const int32_t right = columns[2 * j + 1] * p->channels;
                const float u = column_fractions[j];
                for (int32_t c = 0; c < p->channels; ++c) {
                    float sum = top[left + c] * (1.0f - v) * (1.0f - u);
                    sum += bottom[left + c] * v * (1.0f - u);
                    sum += top[right + c] * (1.0f - v) * u;
                    sum += bottom[right + c] * v * u;
                    *y++ = sum;
                }
            }
        }
        x += p->in_h * line;
    }
}
