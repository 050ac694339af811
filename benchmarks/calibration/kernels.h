/* Kernels in the style that published latencies were measured with; see kernels.c. */
#ifndef KERNELS_H
#define KERNELS_H

#include <stdint.h>

enum { CHANNELS = 32, PIXELS = 64, TAPS = 9, INPUTS = 512 };

extern int8_t input[2 * TAPS * CHANNELS * 8], output[PIXELS * CHANNELS];

void convolution(void);
void pointwise(void);
void depthwise(void);
void fully_connected(void);
void calibration_run(void);

#endif
