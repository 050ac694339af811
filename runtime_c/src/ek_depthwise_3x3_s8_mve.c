#include "ek_strips.h"

/* Rows of a strip and of a band, columns of a block, words of weights. */
#define DENSE_SHAPE ((ek_strip_shape){4, 2, 2, 16})
#define APART_SHAPE ((ek_strip_shape){4, 1, 4, 4})

EK_DEPTHWISE_STRIPS(ek_depthwise_3x3_s8_mve_twice, DENSE_SHAPE, ek_strips_3x3_twice)
EK_DEPTHWISE_STRIPS(ek_depthwise_3x3_s8_mve_once, DENSE_SHAPE, ek_strips_3x3_once)
EK_DEPTHWISE_STRIPS(ek_depthwise_3x3_s8_mve_apart_twice, APART_SHAPE, ek_strips_3x3_apart_twice)
EK_DEPTHWISE_STRIPS(ek_depthwise_3x3_s8_mve_apart_once, APART_SHAPE, ek_strips_3x3_apart_once)
