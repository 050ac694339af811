/* The state of a search (search.c), and changes to it that can be undone. search.py mirrors the structure. */
#ifndef EK_SEARCH_STATE_H
#define EK_SEARCH_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* Where the search goes on: at the lowest block of all; below the best-ranked block; in the section that failed most;
 * in the section that failed most for what it may leave empty. */
enum { AT_LOWEST, BELOW_RANKED, WHERE_FAILED, WHERE_TIGHT };
enum { INFEASIBLE, FOUND, GAVE_UP };

typedef struct {
    int64_t capacity, work, limit;
    const int64_t *size, *alignment;
    int64_t *least, *most, *support; /* support: the top of the highest placed block below, or the start. */
    int64_t *trail_least, *trail_support;
    int64_t *weight, *bound; /* By section: failures, and the lowest top of its blocks as last known. */
    uint64_t *failed;        /* Hashes of states without a solution. */
    const int32_t *first, *last, *rank;
    const int32_t *near_start, *near; /* The blocks that each block shares a section with. */
    const int32_t *section_start;
    int32_t *section; /* Blocks of each section, kept nearly sorted. */
    int32_t *trail, *queue, *lists, *scratch;
    uint8_t *placed, *dirty;
    uint64_t failed_mask;
    int32_t blocks, sections, rule, filling;
    int32_t trail_room, list_room, trailed, queued, depth, deepest;
} ek_search;

static void give_up(ek_search *s)
{
    s->work = s->limit + 1;
}

static void touch(ek_search *s, int32_t block)
{
    for (int32_t t = s->first[block]; t <= s->last[block]; t++) {
        if (!s->dirty[t]) {
            s->dirty[t] = 1;
            s->queue[s->queued++] = t;
        }
    }
}

static bool drop_queue(ek_search *s)
{
    while (s->queued)
        s->dirty[s->queue[--s->queued]] = 0;
    return false;
}

static int32_t push(ek_search *s, int32_t block)
{
    if (s->trailed == s->trail_room) {
        give_up(s);
        return -1;
    }
    s->trail[s->trailed] = block;
    return s->trailed++;
}

/* The block starts at `offset` or above; `rests`: on a placed block that ends there. */
static bool raise_to(ek_search *s, int32_t block, int64_t offset, bool rests)
{
    int64_t over = offset % s->alignment[block];
    if (over)
        offset += s->alignment[block] - over;
    if (offset > s->most[block])
        return false;
    bool supported = rests && offset > s->support[block];
    if (offset <= s->least[block] && !supported)
        return true;
    int32_t at = push(s, block);
    if (at < 0)
        return false;
    s->trail_least[at] = s->least[block];
    s->trail_support[at] = s->support[block];
    if (supported)
        s->support[block] = offset;
    if (offset > s->least[block]) {
        s->least[block] = offset;
        touch(s, block);
    }
    return true;
}

static bool place(ek_search *s, int32_t block)
{
    int32_t at = push(s, block);
    if (at < 0)
        return false;
    s->trail_least[at] = -1;
    s->placed[block] = 1;
    touch(s, block);
    int64_t top = s->least[block] + s->size[block];
    s->work += s->near_start[block + 1] - s->near_start[block];
    for (int32_t k = s->near_start[block]; k < s->near_start[block + 1]; k++) {
        if (!s->placed[s->near[k]] && !raise_to(s, s->near[k], top, true))
            return drop_queue(s);
    }
    return true;
}

static void undo(ek_search *s, int32_t mark)
{
    while (s->trailed > mark) {
        int32_t block = s->trail[--s->trailed];
        if (s->trail_least[s->trailed] < 0) {
            s->placed[block] = 0;
        } else {
            s->least[block] = s->trail_least[s->trailed];
            s->support[block] = s->trail_support[s->trailed];
        }
    }
}

static int64_t end_of(const ek_search *s, int32_t block)
{
    return s->least[block] + s->size[block];
}

#endif
