#include "ek_pool2d.h"

EK_POOL2D(ek_max_pool2d_s8, int8_t, -128, v > acc ? v : acc, acc)
EK_POOL2D(ek_max_pool2d_s16, int16_t, -32768, v > acc ? v : acc, acc)
