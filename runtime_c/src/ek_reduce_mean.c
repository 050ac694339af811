#include "ek_reduce.h"

EK_REDUCE(ek_reduce_mean_f32, float, float, 0, acc + v, acc / (float)count)
