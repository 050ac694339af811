#include "ek_elementwise.h"

EK_UNARY(ek_sigmoid_f32, float, ek_sigmoid(x))
