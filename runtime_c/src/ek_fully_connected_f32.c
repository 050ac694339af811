#include "ek_float.h"

static void block(const float *x, const float *w, float *acc, int32_t inputs, int32_t width)
{
    for (int32_t k = 0; k < inputs; ++k, w += width) {
        for (int32_t j = 0; j < width; ++j) {
            acc[j] += x[k] * w[j];
        }
    }
}

void ek_fully_connected_f32(const ek_fully_connected_f32_params *p, const float *x, const float *w, const float *bias,
                            float *y)
{
    for (int32_t row = 0; row < p->rows; ++row) {
        const float *weights = w;
        for (int32_t o = 0; o < p->outputs; o += EK_F32_BLOCK) {
            const int32_t width = p->outputs - o < EK_F32_BLOCK ? p->outputs - o : EK_F32_BLOCK;
            float acc[EK_F32_BLOCK] = {0};
            if (width == EK_F32_BLOCK) {
                block(x, weights, acc, p->inputs, EK_F32_BLOCK);
            } else {
                block(x, weights, acc, p->inputs, width);
            }
            for (int32_t j = 0; j < width; ++j) {
                y[o + j] = ek_between(bias ? acc[j] + bias[o + j] : acc[j], p->low, p->high);
            }
            weights += (ptrdiff_t)p->inputs * width;
        }
        x += p->inputs;
        y += p->outputs;
    }
}
