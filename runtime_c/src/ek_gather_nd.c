#include "ek_index.h"

void ek_gather_nd(const ek_nd_params *p, const void *x, const void *indices, void *y)
{
    const uint8_t *block = x;
    uint8_t *target = y;
    ptrdiff_t at = 0;
    for (int32_t b = 0; b < p->batch; ++b) {
        for (int32_t i = 0; i < p->count; ++i, ++at) {
            memcpy(target, block + ek_nd_offset(p, indices, at), (size_t)p->row);
            target += p->row;
        }
        block += p->batch_step;
    }
}
