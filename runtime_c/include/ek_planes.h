/* Depthwise convolution by planes: four channels of a band of lines are widened to 16 bit and turned, so that two
 * neighbouring pixels of a channel stand in one word and one multiply-accumulate takes both. Lines are rows of the
 * image or, where that leaves fewer pixels without a neighbour, its columns.
 *
 * A plane has one word for every two places of a line (the padding before it counts as places) and line; the words of a
 * pair of places stand side by side, one for each line of the band, so that one load takes all lines of a window. */
#ifndef EK_PLANES_H
#define EK_PLANES_H

#include "ek_kernels.h"

/* One channel over one band. The order is known to the assembly. */
typedef struct {
    const uint32_t *weights;                 /* see the kernels */
    int32_t bias, multiplier, shift, offset; /* shift: right less one; offset: 2 * zero point + 1, shifted left by it */
    int32_t column_bytes;                    /* of a pair of places */
    int32_t y_step, y_row;                   /* from code to code of a line, and from line to line */
    int32_t rows, row_bytes;                 /* lines of output, and from one to the next in a plane */
    int32_t pair_bytes;                      /* from the first pair of output pixels to behind the last whole one */
    int32_t single;                          /* whether one more pixel follows the pairs */
} ek_plane_run;

/* One direction of a layer: its sizes, and bytes from pixel to pixel and from tap to tap. */
typedef struct {
    int32_t in, out, pad, stride, x_step, y_step, tap_step;
} ek_plane_axis;

/* Which codes of the input make a plane. */
typedef struct {
    ek_plane_axis along, across; /* along a line, and from line to line */
    const int8_t *x;             /* its first channel */
    int32_t input_zero;
    int32_t rows;    /* lines of a plane */
    int32_t columns; /* pairs of places of a line */
} ek_plane_source;

#ifdef __cplusplus
extern "C" {
#endif

/* The layer with the rows of its image as lines or, `turned`, with its columns. */
ek_plane_source ek_start_planes(const ek_conv_params *p, int32_t turned, int32_t band, int32_t kernel);

/* Makes the planes of four channels for the lines from `top`, which may lie outside the input. */
void ek_fill_planes(const ek_plane_source *source, int32_t top, uint32_t *planes);

/* A run over `rows` lines of output: what is the same for all channels, and what is a channel's own but its weights. */
ek_plane_run ek_start_run(const ek_plane_source *source, int32_t rows);
void ek_run_channel(ek_plane_run *run, const ek_channel *channel, int32_t zero_point);

/* The taps of one channel by neighbouring pairs, each of all lines: for a kernel of three (0, 1), (1, 2), for one of
 * five (0, 1), (2, 3), (1, 2), (3, 4). */
void ek_pair_taps(const ek_plane_source *source, const int8_t *w, int32_t zero, int32_t kernel, uint32_t *words);

/* What the assembly computes, in C. */
void ek_rows_twin(const uint32_t *plane, int8_t *y, const ek_plane_run *run, int32_t kernel, int32_t stride,
                  int32_t twice);

#ifdef __cplusplus
}
#endif

#define EK_MOST_TAP_WORDS 20

typedef void ek_rows(const uint32_t *plane, int8_t *y, const ek_plane_run *run, int32_t stride);

/* A whole layer in bands of `band` lines; kernel and `rows` are constants in each instance. The last four channels
 * overlap with those before where their number is no multiple of four. */
EK_INLINE void ek_depthwise_planes(const ek_conv_params *p, int32_t turned, int32_t band, const int8_t *x,
                                   const int8_t *w, const ek_channel *channels, int8_t *y, uint32_t *planes,
                                   int32_t kernel, ek_rows *rows)
{
    ek_plane_source source = ek_start_planes(p, turned, band, kernel);
    const ek_plane_axis *across = &source.across;
    const int32_t in_c = p->window.in_c;
    for (int32_t done = 0; done < in_c; done += 4) {
        const int32_t first = done + 4 > in_c ? in_c - 4 : done;
        source.x = x + first;
        for (int32_t line = 0; line < across->out; line += band) {
            const int32_t count = line + band > across->out ? across->out - line : band;
            ek_fill_planes(&source, line * across->stride - across->pad, planes);
            ek_plane_run run = ek_start_run(&source, count);
            for (int32_t c = 0; c < 4; ++c) {
                uint32_t words[EK_MOST_TAP_WORDS];
                ek_run_channel(&run, channels + first + c, p->out.zero_point);
                ek_pair_taps(&source, w + first + c, p->weight_zero, kernel, words);
                run.weights = words;
                rows(planes + c * source.rows * source.columns, y + line * across->y_step + first + c, &run,
                     source.along.stride);
            }
        }
    }
}

/* The twins of a size's four assembly functions. */
#define EK_ROWS_TWIN(name, size, stride, twice)                                                                        \
    void name(const uint32_t *plane, int8_t *y, const ek_plane_run *run)                                               \
    {                                                                                                                  \
        ek_rows_twin(plane, y, run, size, stride, twice);                                                              \
    }
#define EK_ROWS_TWINS(name, size)                                                                                      \
    EK_ROWS_TWIN(ek_rows_##name##_twice, size, 1, 1)                                                                   \
    EK_ROWS_TWIN(ek_rows_##name##_once, size, 1, 0)                                                                    \
    EK_ROWS_TWIN(ek_rows_##name##_apart_twice, size, 2, 1)                                                             \
    EK_ROWS_TWIN(ek_rows_##name##_apart_once, size, 2, 0)

/* The kernel of a size and a rounding, on ek_rows_<name>_<rounding> at stride 1 and ek_rows_<name>_apart_<rounding> at
 * stride 2. */
#define EK_DEPTHWISE_PLANES(name, size, rounding)                                                                      \
    static void rows_##rounding(const uint32_t *plane, int8_t *y, const ek_plane_run *run, int32_t stride)             \
    {                                                                                                                  \
        if (stride == 1) {                                                                                             \
            ek_rows_##name##_##rounding(plane, y, run);                                                                \
        } else {                                                                                                       \
            ek_rows_##name##_apart_##rounding(plane, y, run);                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    void ek_depthwise_##name##_s8_dsp_##rounding(const ek_conv_params *p, int32_t turned, int32_t band,                \
                                                 const int8_t *x, const int8_t *w, const ek_channel *channels,         \
                                                 int8_t *y, void *scratch)                                             \
    {                                                                                                                  \
        ek_depthwise_planes(p, turned, band, x, w, channels, y, (uint32_t *)scratch, size, rows_##rounding);           \
    }

#endif
