#include "ek_elementwise.h"

EK_UNARY_1(ek_thresholded_relu_f32, alpha, x > alpha ? x : 0.0f)
