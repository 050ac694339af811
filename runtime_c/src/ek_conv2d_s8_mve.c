#include "ek_convolution_mve.h"

EK_INLINE void convolve(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y, void *scratch,
                        ek_dots_run *run)
{
    const int32_t channels = p->window.out_c;
    ek_dots_layer layer = ek_dots_start(table, ek_window_inputs(p), channels, channels, p->out);
    ek_convolve_dots(p, x, &layer, y, (int8_t *)scratch, run);
}

void ek_conv2d_s8_mve_twice(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y, void *scratch)
{
    convolve(p, x, table, y, scratch, ek_dots_twice);
}

void ek_conv2d_s8_mve_once(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y, void *scratch)
{
    convolve(p, x, table, y, scratch, ek_dots_once);
}
