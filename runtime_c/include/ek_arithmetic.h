/* Sums, differences, products and quotients of codes. */
#ifndef EK_ARITHMETIC_H
#define EK_ARITHMETIC_H

#include "ek_elementwise.h"
#include "ek_lanes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sums, differences, products and quotients with broadcasting. mul has (multiplier, shift) alone, shift to the left
 * where negative; div has the scale in units of 2^-15 as multiplier. */
typedef struct {
    ek_binary_params walk;
    int32_t a_zero, a_multiplier, a_shift;
    int32_t b_zero, b_multiplier, b_shift;
    int32_t multiplier, shift;
    int32_t zero_point, low, high;
} ek_arithmetic_params;

void ek_add_s8(const ek_arithmetic_params *p, const int8_t *a, const int8_t *b, int8_t *y);
void ek_sub_s8(const ek_arithmetic_params *p, const int8_t *a, const int8_t *b, int8_t *y);
void ek_mul_s8(const ek_arithmetic_params *p, const int8_t *a, const int8_t *b, int8_t *y);
void ek_div_s8(const ek_arithmetic_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* Sums and differences as a line, proven for all pairs of codes when the constants are generated:
 * a_multiplier * a + b_multiplier * b + bias, shifted right and clamped to [0, span], counts from `low`. */
typedef struct {
    ek_binary_params walk;
    int32_t a_multiplier, b_multiplier, bias, shift;
    int32_t low, span;
} ek_line_params;

void ek_add_line_s8(const ek_line_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* The same in lanes: (a_multiplier * a >> 8) + (b_multiplier * b >> 8) + bias in steps of 1/65536 of a code, from the
 * lowest code of `range`. Along the last axis operands are dense or repeat. */
typedef struct {
    ek_binary_params walk;
    int32_t a_multiplier, b_multiplier, bias;
    ek_code_range range;
} ek_sum_params;

void ek_add_s8_dsp(const ek_sum_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* Products, proven likewise: ((multiplier * b >> 8) + correction) * (a - a_zero) >> 9 steps, plus bias, plus `step`
 * where that is not negative, rounded down, plus `zero`, clamped to [0, span], counts from `low`. */
typedef struct {
    ek_binary_params walk;
    int32_t a_zero;
    int32_t multiplier, correction, bias, step;
    int32_t zero;
    int32_t low, span;
} ek_product_line_params;

void ek_mul_line_s8(const ek_product_line_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* The same in lanes: a_zero is a's zero point times 256, and `zero`, in both. Only b may repeat along the last axis. */
typedef struct {
    ek_binary_params walk;
    uint32_t a_zero;
    int32_t multiplier, correction, bias, step;
    uint32_t zero;
    ek_code_range range;
} ek_product_params;

void ek_mul_s8_dsp(const ek_product_params *p, const int8_t *a, const int8_t *b, int8_t *y);

/* The same of symmetric int16 codes. */
void ek_add_s16(const ek_arithmetic_params *p, const int16_t *a, const int16_t *b, int16_t *y);
void ek_sub_s16(const ek_arithmetic_params *p, const int16_t *a, const int16_t *b, int16_t *y);
void ek_mul_s16(const ek_arithmetic_params *p, const int16_t *a, const int16_t *b, int16_t *y);

#ifdef __cplusplus
}
#endif
#endif
