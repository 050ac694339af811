/* One over the square root of a row's spread, in integers. */
#ifndef EK_NORM_ROOT_H
#define EK_NORM_ROOT_H

#include "ek_norm.h"

/* t / sqrt(D) is (t * inverse) / 2^shift in units of 2^-22. */
typedef struct {
    int32_t inverse, shift;
} ek_inverse_root;

/* D = whole + epsilon / 2^fraction. Below 1 it stands for 1: all t of such a row are 0. */
ek_inverse_root ek_reciprocal_root(int64_t whole, const ek_norm_params *p);

#endif
