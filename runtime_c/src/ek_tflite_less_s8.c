#include "ek_tflite.h"

EK_TFLITE_BINARY(ek_tflite_less_s8, uint8_t, ek_rescaled(u * 256, &q.a) < ek_rescaled(v * 256, &q.b))
