#include "ek_elementwise.h"

EK_UNARY_2(ek_clip_f32, low, high, ek_between(x, low, high))
