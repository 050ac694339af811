#include "ek_elementwise.h"

EK_UNARY(ek_gelu_tanh_f32, float, 0.5f * x * (1.0f + ek_tanh(0.7978846f * (x + 0.044715f * x * x * x))))
