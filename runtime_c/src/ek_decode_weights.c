#include "ek_decode.h"
#include "ek_kernels.h"

void ek_decode_weights(const ek_coding *coding, int32_t count, const uint8_t *w, int8_t *to)
{
    ek_decode_codes(coding->bits, coding->levels, count, w, to);
}
