#include "ek_norm.h"
#include "ek_requantize.h"

/* floor(sqrt(x)) for x < 2^62. */
static int64_t root_of(int64_t x)
{
    int64_t root = 0;
    for (int64_t bit = INT64_C(1) << 30; bit; bit >>= 1) {
        if ((root + bit) * (root + bit) <= x) {
            root += bit;
        }
    }
    return root;
}

/* t / sqrt(spread) is (t * inverse) / 2^shift in units of 2^-22. */
typedef struct {
    int32_t inverse, shift;
} reciprocal;

static reciprocal reciprocal_root(int64_t spread)
{
    int32_t length = 0;
    for (int64_t rest = spread; rest; rest >>= 1) {
        ++length;
    }
    const int32_t even = (62 - length) & ~1;
    const int64_t quotient = (INT64_C(1) << 61) / root_of(spread << even);
    reciprocal r;
    r.inverse = quotient > 2147483647 ? 2147483647 : (int32_t)quotient;
    r.shift = 61 - 22 - (even >> 1);
    return r;
}

/* The number behind an index over all axes but the last, and a place on the last one. */
static int32_t at(int32_t rank, const int32_t *index, const int32_t *step, int32_t last)
{
    return ek_row_offset(rank, index, step) + last * step[rank - 1];
}

static void group(const ek_norm_params *p, const int8_t *x, const int32_t *scale, const int32_t *offset, int8_t *y)
{
    const ek_reduce_params *w = &p->walk;
    const int32_t row = w->inner_shape[w->inner_rank - 1];
    int32_t index[EK_MAX_RANK] = {0};
    int32_t total = 0;
    int32_t squares = 0;
    do {
        for (int32_t k = 0; k < row; ++k) {
            const int32_t code = x[at(w->inner_rank, index, w->inner_stride, k)] - p->input_zero;
            total += code;
            squares += code * code;
        }
    } while (ek_next_row(w->inner_rank, w->inner_shape, index));
    total = p->centred ? total : 0;
    const int64_t spread = (int64_t)p->count * squares - (int64_t)total * total + p->epsilon;
    const reciprocal r = reciprocal_root(spread < 1 ? 1 : spread);
    const int64_t half = INT64_C(1) << (r.shift - 1);
    do {
        for (int32_t k = 0; k < row; ++k) {
            const int32_t place = at(w->inner_rank, index, w->inner_stride, k);
            const int32_t channel = at(w->inner_rank, index, p->inner_channel, k);
            const int32_t t = p->count * (x[place] - p->input_zero) - total;
            const int64_t value = ((int64_t)t * r.inverse + half) >> r.shift;
            const int64_t sum = value * scale[channel] +
                                (int64_t)((uint64_t)(int64_t)offset[channel] << (p->shift - 16)) +
                                (INT64_C(1) << (p->shift - 1));
            const int64_t code = (sum >> p->shift) + p->zero_point;
            y[place] = (int8_t)(code < -128 ? -128 : (code > 127 ? 127 : code));
        }
    } while (ek_next_row(w->inner_rank, w->inner_shape, index));
}

void ek_norm_s8(const ek_norm_params *p, const int8_t *x, const int32_t *scale, const int32_t *offset, int8_t *y)
{
    const ek_reduce_params *w = &p->walk;
    const int32_t last = w->outer_shape[w->outer_rank - 1];
    int32_t index[EK_MAX_RANK] = {0};
    do {
        for (int32_t i = 0; i < last; ++i) {
            const int32_t place = at(w->outer_rank, index, w->outer_stride, i);
            const int32_t channel = at(w->outer_rank, index, p->outer_channel, i);
            group(p, x + place, scale + channel, offset + channel, y + place);
        }
    } while (ek_next_row(w->outer_rank, w->outer_shape, index));
}
