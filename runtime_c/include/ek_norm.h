/* Normalization of int8 codes in integers; edgekit/ops/integer_norm.py defines every step. */
#ifndef EK_NORM_H
#define EK_NORM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `rows` groups of `width` codes each, at most 2^15. Element i of x has scale and offset (i / repeats) % channels.
 * epsilon is in units of 2^-fraction; fraction is even. */
typedef struct {
    int32_t rows, width;
    int32_t channels, repeats;
    int32_t input_zero, centred;
    int64_t epsilon;
    int32_t fraction, shift, zero_point;
} ek_norm_params;

/* y may be x. */
void ek_norm_s8(const ek_norm_params *p, const int8_t *x, const int32_t *scale, const int32_t *offset, int8_t *y);

/* Where every element of a row has a scale of its own, and `shift` is at least 32. constants: what is added to the
 * scaled value before the shift: offset, zero point and one half. */
void ek_norm_rows_s8(const ek_norm_params *p, const int8_t *x, const int32_t *scale, const int64_t *constants,
                     int8_t *y);

#ifdef __cplusplus
}
#endif
#endif
