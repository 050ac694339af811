#include "ek_index.h"

#define FLOATS(s, type, unused) EK_CUMULATE(ek_cum_prod_##s, type, type, 1, *)
#define INTEGERS(s, type, unused) EK_CUMULATE(ek_cum_prod_##s, type, uint64_t, 1, *)

EK_FLOAT_TYPES(FLOATS)
EK_INTEGER_TYPES(INTEGERS)
