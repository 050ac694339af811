#include "ek_spatial.h"

/* Where an operand stands while all elements of x pass by: it advances every `repeats` elements, and starts again. */
typedef struct {
    const float *values;
    int32_t count, repeats, index, repeated;
} walk;

static float next(walk *w)
{
    const float value = w->values[w->index];
    if (++w->repeated == w->repeats) {
        w->repeated = 0;
        w->index = w->index + 1 == w->count ? 0 : w->index + 1;
    }
    return value;
}

static float mean(int32_t width, const float *x)
{
    float sum = 0.0f;
    for (int32_t i = 0; i < width; ++i) {
        sum += x[i];
    }
    return sum / (float)width;
}

static float variance(int32_t width, const float *x, float centre)
{
    float sum = 0.0f;
    for (int32_t i = 0; i < width; ++i) {
        const float distance = x[i] - centre;
        sum += distance * distance;
    }
    return sum / (float)width;
}

void ek_layer_norm_f32(const ek_layer_norm_params *p, const float *x, const float *scale, const float *bias, float *y)
{
    walk factors = {scale, p->scale_count, p->scale_repeats, 0, 0};
    walk addends = {bias, p->bias_count, p->bias_repeats, 0, 0};
    for (int32_t row = 0; row < p->rows; ++row) {
        const float centre = p->centred ? mean(p->width, x) : 0.0f;
        const float factor = 1.0f / ek_sqrt(variance(p->width, x, centre) + p->epsilon);
        for (int32_t i = 0; i < p->width; ++i) {
            float v = (x[i] - centre) * factor;
            v = scale ? v * next(&factors) : v;
            y[i] = bias ? v + next(&addends) : v;
        }
        x += p->width;
        y += p->width;
    }
}
