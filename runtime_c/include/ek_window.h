/* A window over H and W; padding is what is cut off before the first row and column. */
#ifndef EK_WINDOW_H
#define EK_WINDOW_H

#include <stdint.h>

typedef struct {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t kernel_h, kernel_w;
    int32_t stride_h, stride_w;
    int32_t dilation_h, dilation_w;
    int32_t pad_top, pad_left;
} ek_window;

#endif
