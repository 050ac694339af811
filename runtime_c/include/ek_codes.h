/* Functions of int8 codes that are edgekit's own: no file format defines them in integers. */
#ifndef EK_CODES_H
#define EK_CODES_H

#include "ek_index.h"
#include "ek_integer.h"
#include "ek_spatial.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    ek_cumulate_params walk;
    ek_rescale scale;
    int32_t input_zero, zero_point;
} ek_cum_sum_s8_params;

/* Exact sums, each rescaled on its own. y may be x. */
void ek_cum_sum_s8(const ek_cum_sum_s8_params *p, const int8_t *x, int8_t *y);

/* Powers of two computed tensors. */
typedef struct {
    ek_binary_params walk;
    int32_t a_zero, b_zero;
    int32_t multiplier, shift; /* from steps of b times logarithms in 2^-20 to exponents in 2^-16 */
    int32_t offset;            /* the logarithm of how many output steps are 1, in 2^-16 */
    int32_t zero_point;
} ek_pow_s8_params;

/* Tables by code + 128: logarithms of |a| to base 2 in 2^-20; of b whether it is even (0), odd (1), or no whole number
 * (2). powers[257]: 2^(i / 256) in 2^-29. y may be an operand of its shape. */
void ek_pow_s8(const ek_pow_s8_params *p, const int8_t *a, const int8_t *b, const int32_t *logarithms,
               const uint8_t *parities, const int32_t *powers, int8_t *y);

typedef struct {
    ek_conv_spatial_params spatial;
    int32_t input_zero, weight_zero;
    ek_output out;
} ek_conv_s8_params;

/* x [N,C,spatial], weights [O,C/G,kernel]. */
void ek_conv_s8(const ek_conv_s8_params *p, const int8_t *x, const int8_t *w, const ek_channel *channels, int8_t *y);

#ifdef __cplusplus
}
#endif
#endif
