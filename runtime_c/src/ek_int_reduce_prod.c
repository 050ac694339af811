#include "ek_integer.h"

#define STEP ek_rescaled_64((int64_t)acc *v, p->multiplier, p->shift)
#define FINISH ek_rescaled_64(acc, p->multiplier, p->shift)

EK_INT_REDUCE(ek_int_reduce_prod_s8, int8_t, -128, 127, STEP, FINISH)
EK_INT_REDUCE(ek_int_reduce_prod_s16, int16_t, -32768, 32767, STEP, FINISH)
