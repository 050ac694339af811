/* Placement of blocks of memory with fixed lives: a depth-first search for offsets under a capacity.
 *
 * Time is a row of sections: the sets of blocks that are live together, only those that no other set contains. A block
 * is live in a range of sections; blocks that share a section may not overlap. The search keeps, for every block not
 * yet placed, the lowest offset that it may still take (`least`). It places the lowest block of some place, or decides
 * that this block rests on another one that is not placed yet; both ways are searched, so what fails is proven
 * infeasible. States that failed are remembered by hash. search_inference.h is what makes the search small.
 *
 * Canonical placements and sections follow Moffitt, MiniMalloc (ASPLOS 2024); weights of sections that fail follow
 * Boussemart et al. (ECAI 2004).
 * No libraries: all memory is the caller's (search.py). Offsets and sizes are in units that the caller chooses. */
#include "search_inference.h"

static bool better(const ek_search *s, int32_t block, int32_t than)
{
    return than < 0 || s->least[block] < s->least[than] ||
           (s->least[block] == s->least[than] && s->rank[block] < s->rank[than]);
}

/* The lowest block in the section that the rule names, among those from `low` to `high`. */
static int32_t lowest_of_section(const ek_search *s, int32_t low, int32_t high)
{
    int64_t most = -1;
    int32_t found = -1;
    for (int32_t t = low; t <= high; t++) {
        int64_t value = s->weight[t];
        if (s->rule == WHERE_TIGHT) {
            int64_t idle = s->capacity > s->bound[t] ? s->capacity - s->bound[t] : 0;
            value = (value + 1) * 100000 / (idle + s->capacity / 64 + 1);
        }
        if (value <= most)
            continue;
        int32_t lowest = -1;
        for (int32_t k = s->section_start[t]; k < s->section_start[t + 1]; k++) {
            if (!s->placed[s->section[k]] && better(s, s->section[k], lowest))
                lowest = s->section[k];
        }
        if (lowest < 0)
            continue;
        most = value;
        found = lowest;
    }
    return found;
}

/* An unplaced neighbour that could stand below the block, the best-ranked one; -1 where there is none. */
static int32_t neighbour_below(ek_search *s, int32_t block)
{
    int32_t found = -1;
    for (int32_t k = s->near_start[block]; k < s->near_start[block + 1]; k++) {
        int32_t other = s->near[k];
        if (s->placed[other] || end_of(s, other) > s->least[block])
            continue;
        if (found < 0 || s->rank[other] < s->rank[found])
            found = other;
    }
    s->work += s->near_start[block + 1] - s->near_start[block];
    return found;
}

/* The block to decide on. None of its unplaced neighbours could stand below it, so it is placed or rests on one. */
static int32_t choose(ek_search *s, const int32_t *blocks, int32_t count, int32_t low, int32_t high)
{
    int32_t chosen = -1;
    if (s->rule == AT_LOWEST) {
        for (int32_t i = 0; i < count; i++) {
            if (better(s, blocks[i], chosen))
                chosen = blocks[i];
        }
        return chosen;
    }
    if (s->rule == BELOW_RANKED) {
        for (int32_t i = 0; i < count; i++) {
            if (chosen < 0 || s->rank[blocks[i]] < s->rank[chosen])
                chosen = blocks[i];
        }
    } else {
        chosen = lowest_of_section(s, low, high);
    }
    for (int32_t below; (below = neighbour_below(s, chosen)) >= 0;)
        chosen = below;
    int32_t best = chosen;
    for (int32_t k = s->near_start[chosen]; k < s->near_start[chosen + 1]; k++) {
        int32_t other = s->near[k];
        bool level = !s->placed[other] && s->least[other] == s->least[chosen] && s->rank[other] < s->rank[best];
        if (level && neighbour_below(s, other) < 0)
            best = other;
    }
    return best;
}

static uint64_t mixed(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static uint64_t hash_of(const ek_search *s, const int32_t *blocks, int32_t count)
{
    uint64_t hash = 0;
    for (int32_t i = 0; i < count; i++) {
        uint64_t block = (uint64_t)blocks[i] + 1, least = (uint64_t)s->least[blocks[i]] + 1;
        hash ^= mixed(block * 0x9e3779b97f4a7c15u + mixed(least));
    }
    return hash;
}

static int search(ek_search *s, const int32_t *blocks, int32_t count, int32_t *lists);

/* Blocks that share no section, even over others, are solved apart: what fails in one needs no other choice there. */
static int search_parts(ek_search *s, const int32_t *blocks, int32_t count, int32_t *lists)
{
    int32_t mark = s->trailed;
    for (int32_t start = 0, end; start < count; start = end) {
        int32_t reach = s->last[blocks[start]];
        for (end = start; end < count && s->first[blocks[end]] <= reach; end++) {
            if (s->last[blocks[end]] > reach)
                reach = s->last[blocks[end]];
        }
        int result = search(s, blocks + start, end - start, lists);
        if (result != FOUND) {
            undo(s, mark);
            return result;
        }
    }
    return FOUND;
}

static bool alike(const ek_search *s, int32_t a, int32_t b)
{
    return s->first[a] == s->first[b] && s->last[a] == s->last[b] && s->size[a] == s->size[b] &&
           s->alignment[a] == s->alignment[b] && s->most[a] == s->most[b];
}

/* The block, and with it those that are like it, rests on an unplaced one. */
static bool refuse(ek_search *s, const int32_t *blocks, int32_t count, int32_t block)
{
    int64_t level = s->least[block];
    for (int32_t i = 0; i < count; i++) {
        bool refused = s->least[blocks[i]] == level && alike(s, blocks[i], block);
        if (refused && !raise_to(s, blocks[i], level + 1, false))
            return drop_queue(s);
    }
    return true;
}

/* Both ways of one block. */
static int branch(ek_search *s, const int32_t *blocks, int32_t count, int32_t block, int32_t *lists)
{
    int32_t mark = s->trailed;
    if (place(s, block) && propagate(s, blocks, count)) {
        int result = search(s, blocks, count, lists);
        if (result != INFEASIBLE)
            return result;
    }
    undo(s, mark);
    if (s->least[block] < s->most[block] && refuse(s, blocks, count, block) && propagate(s, blocks, count)) {
        int result = search(s, blocks, count, lists);
        if (result != INFEASIBLE)
            return result;
    }
    undo(s, mark);
    return s->work > s->limit ? GAVE_UP : INFEASIBLE;
}

/* Places those of `blocks`, in order of their first sections, that are not placed; `lists` is free memory. */
static int search(ek_search *s, const int32_t *blocks, int32_t count, int32_t *lists)
{
    s->work += count;
    if (lists - s->lists + count > s->list_room || s->depth == s->deepest)
        give_up(s);
    if (s->work > s->limit)
        return GAVE_UP;
    int32_t left = 0, low = INT32_MAX, high = -1, reach = -1;
    bool parts = false;
    for (int32_t i = 0; i < count; i++) {
        int32_t block = blocks[i];
        if (s->placed[block])
            continue;
        lists[left++] = block;
        if (s->first[block] < low)
            low = s->first[block];
        if (s->last[block] > high)
            high = s->last[block];
        parts = parts || (reach >= 0 && s->first[block] > reach);
        if (s->last[block] > reach)
            reach = s->last[block];
    }
    if (!left)
        return FOUND;
    uint64_t hash = hash_of(s, lists, left);
    uint64_t *failed = &s->failed[hash & s->failed_mask];
    if (*failed == hash)
        return INFEASIBLE;
    s->depth++;
    int result = parts ? search_parts(s, lists, left, lists + left)
                       : branch(s, lists, left, choose(s, lists, left, low, high), lists + left);
    s->depth--;
    if (result == INFEASIBLE)
        *failed = hash;
    return result;
}

/* Offsets in `least` where they are FOUND; `blocks` lists all of them in order of their first sections. */
int ek_place(ek_search *s, const int32_t *blocks)
{
    for (int32_t i = 0; i < s->blocks; i++)
        touch(s, blocks[i]);
    if (!propagate(s, blocks, s->blocks))
        return s->work > s->limit ? GAVE_UP : INFEASIBLE;
    return search(s, blocks, s->blocks, s->lists);
}
