#include "ek_kernels.h"

void ek_resize_nearest_8(const ek_resize_params *p, const int8_t *x, int8_t *y)
{
    const size_t row = (size_t)(p->in_w * p->factor_w * p->channels);
    for (int32_t h = 0; h < p->in_h; ++h) {
        const int8_t *first = y;
        for (int32_t w = 0; w < p->in_w; ++w) {
            for (int32_t f = 0; f < p->factor_w; ++f) {
                memcpy(y, x, (size_t)p->channels);
                y += p->channels;
            }
            x += p->channels;
        }
        for (int32_t f = 1; f < p->factor_h; ++f) {
            memcpy(y, first, row);
            y += row;
        }
    }
}
