#include "ek_integer.h"

void ek_rectify_s16(int32_t elements, const ek_rectify_params *p, const int16_t *x, int16_t *y)
{
    for (int32_t i = 0; i < elements; ++i) {
        y[i] = (int16_t)ek_clamp(ek_rescaled(x[i], x[i] < 0 ? &p->negative : &p->positive), p->low, p->high);
    }
}
