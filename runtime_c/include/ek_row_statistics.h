/* Steps of a normalization on int8 codes; edgekit/ops/row_statistics.py defines them. */
#ifndef EK_ROW_STATISTICS_H
#define EK_ROW_STATISTICS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `rows` rows of `width` codes each, at most 2^15. The sum of squares loses `down` bits before it is scaled. */
typedef struct {
    int32_t rows, width;
    int32_t input_zero, centred;
    int32_t down, multiplier, shift, zero_point;
} ek_int_variance_params;

/* y has one code for each row. */
void ek_int_variance_s8(const ek_int_variance_params *p, const int8_t *x, int8_t *y);

typedef struct {
    int32_t rows, width;
    int32_t input_zero, centred;
    int32_t shift, zero_point;
} ek_int_row_scale_params;

/* s has one code for each row, and factors one for each code from -128; without s (NULL) there is one factor.
 * Factors of INT32_MAX and its negative saturate. y may be x. */
void ek_int_row_scale_s8(const ek_int_row_scale_params *p, const int8_t *x, const int8_t *s, const int32_t *factors,
                         int8_t *y);

#ifdef __cplusplus
}
#endif
#endif
