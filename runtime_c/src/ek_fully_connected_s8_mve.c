#include "ek_dots.h"
#include "ek_kernels.h"

EK_INLINE void multiply_rows(const ek_fully_connected_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                             ek_dots_run *run)
{
    ek_dots_layer layer = ek_dots_start(table, p->inputs, p->outputs, p->outputs, p->out);
    ek_dots_rows(&layer, x, p->rows, p->inputs, y, run);
}

void ek_fully_connected_s8_mve_twice(const ek_fully_connected_params *p, const int8_t *x, const int32_t *table,
                                     int8_t *y)
{
    multiply_rows(p, x, table, y, ek_dots_twice);
}

void ek_fully_connected_s8_mve_once(const ek_fully_connected_params *p, const int8_t *x, const int32_t *table,
                                    int8_t *y)
{
    multiply_rows(p, x, table, y, ek_dots_once);
}

void ek_fully_connected_s8_mve_single_twice(const ek_fully_connected_params *p, const int8_t *x, const int32_t *table,
                                            int8_t *y)
{
    ek_dots_layer layer = ek_dots_start(table, p->inputs, p->outputs, p->outputs, p->out);
    ek_dots_pixels(&layer, x, x, y, ek_dots_single_twice);
}

void ek_fully_connected_s8_mve_single_once(const ek_fully_connected_params *p, const int8_t *x, const int32_t *table,
                                           int8_t *y)
{
    ek_dots_layer layer = ek_dots_start(table, p->inputs, p->outputs, p->outputs, p->out);
    ek_dots_pixels(&layer, x, x, y, ek_dots_single_once);
}
