/* exp, sigmoid and tanh of 16-bit fixed-point numbers, held in int32_t. "Qm.n" has m integer and n = 15 - m fractional
 * bits. */
#ifndef EK_FIXED_POINT_16_H
#define EK_FIXED_POINT_16_H

#include "ek_requantize.h"

static inline int32_t ek_saturated_16(int32_t x)
{
    return ek_clamp(x, INT16_MIN, INT16_MAX);
}

/* a * b / 2^15, rounded half up, saturated. */
static inline int32_t ek_high_mul_16(int32_t a, int32_t b)
{
    return ek_saturated_16((a * b + (1 << 14)) >> 15);
}

/* exp(a), Q0.15, of a <= 0 with 1 to 7 integer bits. */
static inline int32_t ek_exp_of_negative_16(int32_t a, int32_t integer_bits)
{
    static const int16_t factors[7] = {25520, 19875, 12055, 4435, 600, 11, 0}; /* exp(-2^k), k from -2 on */
    const int32_t fraction = 15 - integer_bits;
    const int32_t quarter = 1 << (fraction - 2);
    if (a == 0) {
        return INT16_MAX;
    }
    if (integer_bits > 5 && a < -(1 << (fraction + 5))) {
        return 0;
    }
    const int32_t rest = (a & (quarter - 1)) - quarter;
    /* A Taylor expansion around -1/8 for the rest, which lies in [-1/4, 0). */
    const int32_t x = ek_saturated_16(rest * (1 << integer_bits)) + (1 << 12);
    const int32_t square = ek_high_mul_16(x, x);
    const int32_t cube = ek_high_mul_16(square, x);
    const int32_t fourth = ek_high_mul_16(square, square);
    const int32_t tail = ek_high_mul_16(ek_divide_by_pot(fourth, 2) + cube, 10923) + square;
    int32_t y = ek_saturated_16(28918 + ek_high_mul_16(x + ek_divide_by_pot(tail, 1), 28918));
    const int32_t remainder = rest - a;
    for (int32_t k = 0; k < 7 && k - 2 < integer_bits; ++k) {
        if (remainder & (1 << (fraction + k - 2))) {
            y = ek_high_mul_16(y, factors[k]);
        }
    }
    return y;
}

/* 2 / (1 + a), Q2.13, of a >= 0 in Q0.15, by three Newton steps. */
static inline int32_t ek_two_over_one_plus_16(int32_t a)
{
    const int32_t half = (a + (1 << 15)) >> 1;
    int32_t x = 23130 + ek_high_mul_16(half, -15420);
    for (int32_t step = 0; step < 3; ++step) {
        const int32_t error = (1 << 13) - ek_high_mul_16(half, x);
        x += ek_saturated_16(ek_high_mul_16(x, error) * 4);
    }
    return x;
}

/* The logistic function, Q0.15, of Q3.12. */
static inline int32_t ek_sigmoid_16(int32_t a)
{
    if (a == 0) {
        return 1 << 14;
    }
    const int32_t exponential = ek_exp_of_negative_16(a > 0 ? -a : a, 3);
    const int32_t positive = ek_saturated_16(ek_two_over_one_plus_16(exponential) * 2);
    return a > 0 ? positive : INT16_MAX - positive;
}

/* The hyperbolic tangent, Q0.15, of a number with 0 to 6 integer bits. */
static inline int32_t ek_tanh_16(int32_t a, int32_t integer_bits)
{
    if (a == 0) {
        return 0;
    }
    const int32_t exponential = ek_exp_of_negative_16(a < 0 ? a : -a, integer_bits + 1);
    const int32_t magnitude = ek_saturated_16((ek_two_over_one_plus_16(exponential) - (1 << 13)) * 4);
    return a < 0 ? -magnitude : magnitude;
}

#endif
