#include "ek_convolution.h"

#define CONV(s, type, sum)                                                                                             \
    EK_ADD_CHANNEL(add_##s, type, sum, narrow, 1, wide, g->stride[2])                                                  \
    EK_CONVOLUTION(ek_conv_transpose_##s, add_##s, type, sum, narrow, wide, c *outputs + o % outputs)

EK_CONV_TYPES(CONV)
