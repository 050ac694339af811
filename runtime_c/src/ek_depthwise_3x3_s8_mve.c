#include "ek_strips.h"

/* Rows of a strip and of a band, columns of a block, words of weights. */
#define DENSE_SHAPE ((ek_strip_shape){4, 2, 2, 16})
#define APART_SHAPE ((ek_strip_shape){4, 1, 4, 4})

void ek_depthwise_3x3_s8_mve_twice(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                   void *scratch)
{
    ek_depthwise_strips(p, x, table, y, (uint32_t *)scratch, DENSE_SHAPE, ek_strips_3x3_twice);
}

void ek_depthwise_3x3_s8_mve_once(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                  void *scratch)
{
    ek_depthwise_strips(p, x, table, y, (uint32_t *)scratch, DENSE_SHAPE, ek_strips_3x3_once);
}

void ek_depthwise_3x3_s8_mve_apart_twice(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                         void *scratch)
{
    ek_depthwise_strips(p, x, table, y, (uint32_t *)scratch, APART_SHAPE, ek_strips_3x3_apart_twice);
}

void ek_depthwise_3x3_s8_mve_apart_once(const ek_conv_params *p, const int8_t *x, const int32_t *table, int8_t *y,
                                        void *scratch)
{
    ek_depthwise_strips(p, x, table, y, (uint32_t *)scratch, APART_SHAPE, ek_strips_3x3_apart_once);
}
