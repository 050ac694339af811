#include "ek_kernels.h"

void ek_transpose_8(const ek_transpose_params *p, const int8_t *x, int8_t *y)
{
    for (int32_t a = 0; a < p->shape[0]; ++a) {
        for (int32_t b = 0; b < p->shape[1]; ++b) {
            for (int32_t c = 0; c < p->shape[2]; ++c) {
                const int8_t *from = x + a * p->stride[0] + b * p->stride[1] + c * p->stride[2];
                for (int32_t d = p->shape[3]; d > 0; --d) {
                    *y++ = *from;
                    from += p->stride[3];
                }
            }
        }
    }
}
