#include "ek_pool.h"

void ek_mean_s8(const ek_mean_params *p, const int8_t *x, int8_t *y)
{
    for (int32_t c = 0; c < p->channels; ++c) {
        int32_t sum = 0;
        const int8_t *code = x + c;
        for (int32_t i = 0; i < p->pixels; ++i) {
            sum += *code - p->input_zero;
            code += p->channels;
        }
        y[c] = ek_mean_code(p, sum);
    }
}
