#include "ek_strips.h"

/* Rows of a strip and of a band, columns of a block, words of weights. */
#define DENSE_SHAPE ((ek_strip_shape){8, 4, 1, 12})
#define APART_SHAPE ((ek_strip_shape){8, 2, 2, 12})

EK_DEPTHWISE_STRIPS(ek_depthwise_5x5_s8_mve_twice, DENSE_SHAPE, ek_strips_5x5_twice)
EK_DEPTHWISE_STRIPS(ek_depthwise_5x5_s8_mve_once, DENSE_SHAPE, ek_strips_5x5_once)
EK_DEPTHWISE_STRIPS(ek_depthwise_5x5_s8_mve_apart_twice, APART_SHAPE, ek_strips_5x5_apart_twice)
EK_DEPTHWISE_STRIPS(ek_depthwise_5x5_s8_mve_apart_once, APART_SHAPE, ek_strips_5x5_apart_once)
