#include "ek_spatial.h"

/* One axis of a region: where it starts, the size of a bin, and how many samples a bin has. */
typedef struct {
    float start, bin;
    int32_t samples;
} span;

/* The elements around a sample and its distance from the first; ok is 0 far outside the axis. */
typedef struct {
    int32_t low, high, ok;
    float fraction;
} between;

static span span_of(const ek_roi_align_params *p, int32_t axis, const float *region)
{
    const float shift = p->half_pixel ? 0.5f : 0.0f;
    span s;
    s.start = region[1 - axis] * p->scale - shift;
    const float end = region[3 - axis] * p->scale - shift;
    float length = end - s.start;
    if (!p->half_pixel) {
        length = length > 1.0f ? length : 1.0f;
    }
    s.bin = length / (float)p->out[axis];
    const int32_t limit = EK_ROI_SAMPLES * p->in[axis];
    if (p->samples > 0) {
        s.samples = p->samples;
    } else if (!(s.bin > 0.0f)) {
        s.samples = 0;
    } else if (s.bin >= (float)limit) {
        s.samples = limit;
    } else {
        s.samples = (int32_t)s.bin;
        s.samples += (float)s.samples < s.bin;
    }
    return s;
}

static between neighbours(const span *s, int32_t bin, int32_t sample, int32_t size)
{
    between b = {0, 0, 0, 0.0f};
    const float offset = ((float)sample + 0.5f) * s->bin / (float)s->samples;
    float at = s->start + (float)bin * s->bin + offset;
    if (at >= -1.0f && at <= (float)size) {
        at = at > 0.0f ? at : 0.0f;
        b.ok = 1;
        b.low = (int32_t)at < size - 1 ? (int32_t)at : size - 1;
        b.high = b.low < size - 1 ? b.low + 1 : b.low;
        b.fraction = b.low < size - 1 ? at - (float)b.low : 0.0f;
    }
    return b;
}

/* The sum of a sample's four terms, or the largest. */
static float sample(const ek_roi_align_params *p, const float *x, const between *row, const between *column)
{
    if (!row->ok || !column->ok) {
        return 0.0f;
    }
    const float *above = x + (ptrdiff_t)row->low * p->in[1];
    const float *below = x + (ptrdiff_t)row->high * p->in[1];
    const float up = 1.0f - row->fraction;
    const float left = 1.0f - column->fraction;
    const float terms[4] = {up * left * above[column->low], up * column->fraction * above[column->high],
                            row->fraction * left * below[column->low],
                            row->fraction * column->fraction * below[column->high]};
    if (!p->max) {
        return terms[0] + terms[1] + terms[2] + terms[3];
    }
    float best = terms[0];
    for (int32_t i = 1; i < 4; ++i) {
        best = terms[i] > best ? terms[i] : best;
    }
    return best;
}

static float pooled(const ek_roi_align_params *p, const float *x, const span *spans, int32_t bin_row,
                    int32_t bin_column)
{
    float total = 0.0f;
    for (int32_t i = 0; i < spans[0].samples; ++i) {
        const between row = neighbours(&spans[0], bin_row, i, p->in[0]);
        for (int32_t j = 0; j < spans[1].samples; ++j) {
            const between column = neighbours(&spans[1], bin_column, j, p->in[1]);
            const float value = sample(p, x, &row, &column);
            if (!p->max) {
                total += value;
            } else if (i + j == 0 || value > total) {
                total = value;
            }
        }
    }
    const int32_t count = spans[0].samples * spans[1].samples;
    return p->max ? total : total / (float)(count > 1 ? count : 1);
}

void ek_roi_align_f32(const ek_roi_align_params *p, const float *x, const float *regions, const int64_t *images,
                      float *y)
{
    const ptrdiff_t plane = (ptrdiff_t)p->in[0] * p->in[1];
    for (int32_t r = 0; r < p->regions; ++r) {
        const int64_t image = images[r] < 0 ? 0 : (images[r] >= p->batch ? p->batch - 1 : images[r]);
        const span spans[2] = {span_of(p, 0, regions + (ptrdiff_t)4 * r), span_of(p, 1, regions + (ptrdiff_t)4 * r)};
        const float *source = x + (ptrdiff_t)image * p->channels * plane;
        for (int32_t c = 0; c < p->channels; ++c) {
            for (int32_t i = 0; i < p->out[0] * p->out[1]; ++i) {
                *y++ = pooled(p, source + c * plane, spans, i / p->out[1], i % p->out[1]);
            }
        }
    }
}
