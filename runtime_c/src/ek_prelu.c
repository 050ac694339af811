#include "ek_elementwise.h"

EK_BINARY(ek_prelu_f32, float, float, u < 0.0f ? u * v : u)
