#include "ek_float.h"

void ek_softmax_f32(int32_t rows, int32_t width, float beta, const float *x, float *y)
{
    for (; rows > 0; --rows) {
        float best = x[0];
        for (int32_t i = 1; i < width; ++i) {
            best = x[i] > best ? x[i] : best;
        }
        float sum = 0.0f;
        for (int32_t i = 0; i < width; ++i) {
            y[i] = ek_exp((x[i] - best) * beta);
            sum += y[i];
        }
        for (int32_t i = 0; i < width; ++i) {
            y[i] = y[i] / sum;
        }
        x += width;
        y += width;
    }
}
