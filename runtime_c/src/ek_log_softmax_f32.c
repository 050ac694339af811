#include "ek_float.h"

void ek_log_softmax_f32(int32_t rows, int32_t width, const float *x, float *y)
{
    for (; rows > 0; --rows) {
        float best = x[0];
        for (int32_t i = 1; i < width; ++i) {
            best = x[i] > best ? x[i] : best;
        }
        float sum = 0.0f;
        for (int32_t i = 0; i < width; ++i) {
            sum += ek_exp(x[i] - best);
        }
        const float log_sum = ek_log(sum);
        for (int32_t i = 0; i < width; ++i) {
            y[i] = (x[i] - best) - log_sum;
        }
        x += width;
        y += width;
    }
}
