#include "ek_integer.h"

EK_INT_REDUCE(ek_int_reduce_sum_s8, int8_t, -128, 127, acc + v, ek_rescaled(acc, &p->scale))
EK_INT_REDUCE(ek_int_reduce_sum_s16, int16_t, -32768, 32767, acc + v, ek_rescaled(acc, &p->scale))
