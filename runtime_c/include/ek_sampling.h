/* Elements between the points of a grid of up to three axes: edgekit/ops/grid_sample.py defines the same sums. */
#ifndef EK_SAMPLING_H
#define EK_SAMPLING_H

#include "ek_spatial.h"

#define EK_FAR 4194304.0f /* positions beyond, and NaN, are as far outside as this */

enum { EK_NEAREST, EK_LINEAR, EK_CUBIC };
enum { EK_ZEROS, EK_BORDER, EK_REFLECTION };

/* Which elements of an axis a position takes (-1: a zero outside), and how much of each. */
typedef struct {
    int32_t count;
    int32_t at[4];
    float weight[4];
} ek_axis_taps;

static inline float ek_reflected(float x, float low, float high)
{
    const float span = high - low;
    if (span <= 0.0f) {
        return low;
    }
    if (x >= low && x <= high) {
        return x;
    }
    const float beyond = x < low ? low - x : x - high;
    const int32_t turns = (int32_t)(beyond / span);
    const float rest = beyond - (float)turns * span;
    return (x < low) == (turns % 2 == 0) ? low + rest : high - rest;
}

static inline int32_t ek_mirrored(int32_t at, int32_t size, int32_t aligned)
{
    const int32_t period = aligned ? (size > 1 ? 2 * (size - 1) : 1) : 2 * size;
    const int32_t folded = (at % period + period) % period;
    return folded < size ? folded : period - folded - !aligned;
}

static inline float ek_cubic_far(float d)
{
    return ((-0.75f * d + 3.75f) * d - 6.0f) * d + 3.0f;
}

static inline float ek_cubic_near(float d)
{
    return (1.25f * d - 2.25f) * d * d + 1.0f;
}

static inline void ek_tap_weights(int32_t mode, float t, ek_axis_taps *taps)
{
    if (mode == EK_NEAREST) {
        taps->count = 1;
        taps->weight[0] = 1.0f;
    } else if (mode == EK_LINEAR) {
        taps->count = 2;
        taps->weight[0] = 1.0f - t;
        taps->weight[1] = t;
    } else {
        taps->count = 4;
        taps->weight[0] = ek_cubic_far(t + 1.0f);
        taps->weight[1] = ek_cubic_near(t);
        taps->weight[2] = ek_cubic_near(1.0f - t);
        taps->weight[3] = ek_cubic_far(2.0f - t);
    }
}

/* The taps of position x, in elements, of an axis of `size`. */
static inline void ek_taps_at(float x, int32_t size, int32_t mode, int32_t padding, int32_t aligned, ek_axis_taps *taps)
{
    const float last = (float)(size - 1);
    const float low = aligned ? 0.0f : -0.5f;
    const float high = aligned ? last : (float)size - 0.5f;
    x = x == x ? ek_between(x, -EK_FAR, EK_FAR) : -EK_FAR;
    x = mode == EK_NEAREST ? ek_round_half_even(x) : x;
    if (padding == EK_BORDER && (x < low || x > high)) {
        x = ek_between(x, 0.0f, last);
    }
    x = padding == EK_REFLECTION ? ek_reflected(x, low, high) : x;
    int32_t first = (int32_t)x;
    first -= (float)first > x;
    ek_tap_weights(mode, x - (float)first, taps);
    for (int32_t tap = 0; tap < taps->count; ++tap) {
        int32_t at = first + tap - (mode == EK_CUBIC);
        if (padding == EK_BORDER) {
            at = at < 0 ? 0 : (at >= size ? size - 1 : at);
        } else if (padding == EK_REFLECTION) {
            at = ek_mirrored(at, size, aligned);
        }
        taps->at[tap] = at >= 0 && at < size ? at : -1;
    }
}

/* One element of a volume of `shape`. */
static inline float ek_sample(const ek_axis_taps *taps, const int32_t *shape, const float *x)
{
    float total = 0.0f;
    for (int32_t i = 0; i < taps[0].count; ++i) {
        float plane = 0.0f;
        for (int32_t j = 0; j < taps[1].count; ++j) {
            float row = 0.0f;
            for (int32_t k = 0; k < taps[2].count; ++k) {
                const int32_t z = taps[0].at[i];
                const int32_t r = taps[1].at[j];
                const int32_t c = taps[2].at[k];
                const ptrdiff_t at = ((ptrdiff_t)z * shape[1] + r) * shape[2] + c;
                row += taps[2].weight[k] * (z < 0 || r < 0 || c < 0 ? 0.0f : x[at]);
            }
            plane += taps[1].weight[j] * row;
        }
        total += taps[0].weight[i] * plane;
    }
    return total;
}

#endif
