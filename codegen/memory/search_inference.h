/* What a state of the search (search.c) implies. In every section, whose blocks are jobs of one machine with `least` as
 * release times:
 *   - overload: blocks from some offset on need more than is left below the capacity;
 *   - not first: a block after which the others would not fit rests on one of them;
 *   - exact filling: where little may stay empty, a block starts at a sum of sizes of blocks below it.
 * A block that no placed one supports rests on an unplaced neighbour. Overload and
 * not-first are those of Carlier and Pinson for one machine. */
#ifndef EK_SEARCH_INFERENCE_H
#define EK_SEARCH_INFERENCE_H

#include "search_state.h"

#define RANGES 32 /* Offsets in a section that exact filling tells apart. */

/* A section's blocks not placed yet come first, in order of `least`; returns how many there are. */
static int32_t sort_section(ek_search *s, int32_t t)
{
    int32_t *blocks = s->section + s->section_start[t], total = s->section_start[t + 1] - s->section_start[t];
    int32_t left = 0, done = 0;
    for (int32_t i = 0; i < total; i++) {
        int32_t block = blocks[i];
        if (s->placed[block]) {
            s->scratch[done++] = block;
            continue;
        }
        int32_t j = left++;
        for (; j && s->least[blocks[j - 1]] > s->least[block]; j--)
            blocks[j] = blocks[j - 1];
        blocks[j] = block;
    }
    for (int32_t i = 0; i < done; i++)
        blocks[left + i] = s->scratch[i];
    s->work += total + left;
    return left;
}

/* Whether the blocks from every offset on fit below the capacity. */
static bool fits(ek_search *s, int32_t t, const int32_t *blocks, int32_t count)
{
    int64_t above = 0, bound = 0;
    for (int32_t i = count - 1; i >= 0; i--) {
        above += s->size[blocks[i]];
        if (s->least[blocks[i]] + above > bound)
            bound = s->least[blocks[i]] + above;
    }
    s->bound[t] = bound;
    return bound <= s->capacity;
}

/* Raise each block that cannot be first: it rests on one of the others, those with the highest ends as far as these are
 * too many to all stand on it. */
static bool not_first(ek_search *s, const int32_t *blocks, int32_t count, int64_t sum)
{
    if (s->least[blocks[count - 1]] + sum <= s->capacity)
        return true;
    int32_t *ends = s->scratch;
    for (int32_t i = 0; i < count; i++) {
        int32_t j = i;
        for (; j && end_of(s, ends[j - 1]) < end_of(s, blocks[i]); j--)
            ends[j] = ends[j - 1];
        ends[j] = blocks[i];
    }
    for (int32_t i = count - 1; i >= 0 && s->least[blocks[i]] + sum > s->capacity; i--) {
        int64_t room = s->capacity - end_of(s, blocks[i]), lowest = INT64_MAX;
        for (int32_t j = 0; j < count; j++) {
            if (ends[j] == blocks[i])
                continue;
            /* Ends were in descending order before blocks were raised. */
            const int64_t end = end_of(s, ends[j]);
            lowest = end < lowest ? end : lowest;
            room -= s->size[ends[j]];
            if (room >= 0)
                continue;
            if (lowest > s->least[blocks[i]] && !raise_to(s, blocks[i], lowest, false))
                return false;
            break;
        }
        s->work += 4;
    }
    return true;
}

/* Offsets at which blocks of a section can end, as disjoint ranges in ascending order. */
typedef struct {
    int64_t low[2 * RANGES], high[2 * RANGES];
    int32_t count;
    bool cut; /* The last range stands for all above it. */
} ranges;

static void add_range(ranges *r, int64_t low, int64_t high)
{
    if (r->count && low <= r->high[r->count - 1] + 1) {
        if (high > r->high[r->count - 1])
            r->high[r->count - 1] = high;
        return;
    }
    r->low[r->count] = low;
    r->high[r->count++] = high;
}

/* Ends without the block, and those with it on top of ranges `from` on: it starts at `least` at the lowest. */
static void extend(const ek_search *s, ranges *r, int32_t from, int64_t least, int64_t size)
{
    ranges old = *r;
    r->count = 0;
    int32_t i = 0, j = from;
    while (i < old.count || j < old.count) {
        int64_t low = j < old.count ? (old.low[j] > least ? old.low[j] : least) + size : INT64_MAX;
        if (i < old.count && old.low[i] <= low) {
            add_range(r, old.low[i], old.high[i]);
            i++;
        } else {
            add_range(r, low, old.high[j] + size);
            j++;
        }
    }
    if (r->count > RANGES) {
        r->count = RANGES;
        r->high[RANGES - 1] = s->capacity;
        r->cut = true;
    }
}

/* The lowest offset from `least` on at which block i of a sorted section can start, where `from` is the first range
 * that does not end below it: on blocks before it, or on one that comes from its own offset on. */
static int64_t next_start(const ek_search *s, const int32_t *blocks, int32_t count, int32_t i, const ranges *r,
                          int32_t from)
{
    int64_t least = s->least[blocks[i]];
    if (from < r->count && r->low[from] <= least)
        return least;
    int64_t next = from < r->count ? r->low[from] : INT64_MAX;
    for (int32_t k = 0; k < count; k++) {
        if (k != i && (k > i || s->least[blocks[k]] >= least) && end_of(s, blocks[k]) < next)
            next = end_of(s, blocks[k]);
    }
    return next;
}

/* Blocks in order of release fill a section from its lowest offset on with at most `idle` left empty: raise those that
 * stand at no possible end. */
static bool fill(ek_search *s, const int32_t *blocks, int32_t count, int64_t idle)
{
    ranges r = {.count = 1};
    r.low[0] = s->least[blocks[0]];
    r.high[0] = r.low[0] + idle;
    for (int32_t i = 0; i < count; i++) {
        int64_t least = s->least[blocks[i]];
        int32_t from = 0;
        while (from < r.count && r.high[from] < least)
            from++;
        if (!(r.cut && from == r.count)) {
            int64_t start = next_start(s, blocks, count, i, &r, from);
            if (start == INT64_MAX)
                return false;
            /* Raised, it makes the section dirty: the rest follows when that is looked at again. */
            if (start > least)
                return raise_to(s, blocks[i], start, false);
        }
        extend(s, &r, from, least, s->size[blocks[i]]);
        s->work += r.count + from;
    }
    return true;
}

static bool infer(ek_search *s, int32_t t)
{
    int32_t count = sort_section(s, t);
    const int32_t *blocks = s->section + s->section_start[t];
    if (!count)
        return true;
    if (!fits(s, t, blocks, count))
        return false;
    if (count == 1)
        return true;
    int64_t sum = 0, smallest = INT64_MAX;
    for (int32_t i = 0; i < count; i++) {
        sum += s->size[blocks[i]];
        if (s->size[blocks[i]] < smallest)
            smallest = s->size[blocks[i]];
    }
    int64_t idle = s->capacity - s->least[blocks[0]] - sum;
    if (s->filling && idle < smallest && !fill(s, blocks, count, idle))
        return false;
    return s->dirty[t] || not_first(s, blocks, count, sum);
}

/* A block above its support rests on an unplaced neighbour. */
static bool rest(ek_search *s, int32_t block)
{
    int64_t lowest = INT64_MAX;
    for (int32_t k = s->near_start[block]; k < s->near_start[block + 1]; k++) {
        if (!s->placed[s->near[k]] && end_of(s, s->near[k]) < lowest)
            lowest = end_of(s, s->near[k]);
    }
    s->work += s->near_start[block + 1] - s->near_start[block];
    return lowest < INT64_MAX && raise_to(s, block, lowest, false);
}

/* All inference until nothing changes; false where there is no placement, and then nothing is left to look at. */
static bool propagate(ek_search *s, const int32_t *blocks, int32_t count)
{
    for (;;) {
        while (s->queued) {
            int32_t t = s->queue[--s->queued];
            s->dirty[t] = 0;
            if (!infer(s, t)) {
                s->weight[t]++;
                return drop_queue(s);
            }
        }
        int32_t before = s->trailed;
        for (int32_t i = 0; i < count; i++) {
            int32_t block = blocks[i];
            if (s->placed[block] || s->least[block] <= s->support[block] || s->least[block] == s->most[block])
                continue;
            if (!rest(s, block))
                return drop_queue(s);
        }
        if (s->trailed == before)
            return true;
    }
}

#endif
