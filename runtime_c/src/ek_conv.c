#include "ek_convolution.h"

#define CONV(s, type, sum)                                                                                             \
    EK_ADD_CHANNEL(add_##s, type, sum, wide, g->stride[2], narrow, 1)                                                  \
    EK_CONVOLUTION(ek_conv_##s, add_##s, type, sum, wide, narrow, o *depth + c - first)

EK_CONV_TYPES(CONV)
