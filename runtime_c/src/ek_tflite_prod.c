#include "ek_tflite.h"

#define STEP ek_rescaled_64((int64_t)acc *v, p->multiplier, p->shift)
#define FINISH ek_rescaled_64(acc, p->multiplier, p->shift)

EK_TFLITE_REDUCE(ek_tflite_prod_s8, int8_t, -128, 127, STEP, FINISH)
EK_TFLITE_REDUCE(ek_tflite_prod_s16, int16_t, -32768, 32767, STEP, FINISH)
