#include "ek_index.h"

#define FLOATS(s, type, unused) EK_CUMULATE(ek_cum_sum_##s, type, type, 0, +)
#define INTEGERS(s, type, unused) EK_CUMULATE(ek_cum_sum_##s, type, uint64_t, 0, +)

EK_FLOAT_TYPES(FLOATS)
EK_INTEGER_TYPES(INTEGERS)
