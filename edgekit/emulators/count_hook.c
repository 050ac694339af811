/* Exact instruction counts for Unicorn, at the speed of its translated code: a hook that runs once per block.
 *
 * Thumb instructions are counted by their lengths in a copy of the code, once per block and size. A layer table gives
 * every half word of code the layer that becomes current when a block starts there (0: no change). Watched addresses
 * stop the run before their instruction; what the block hook counted of that block is then taken back, so that counts
 * are exact wherever a run is cut. edgekit/emulators/count_hook.py mirrors ek_counter. */
#include <stdint.h>

/* Unicorn's uc_emu_stop. */
typedef int (*ek_stop)(void *engine);

typedef struct {
    uint64_t total;       /* instructions since the caller last cleared it */
    uint64_t budget;      /* the run stops when total reaches this */
    uint64_t *layers;     /* instructions per layer value of `tags` */
    const uint8_t *code;  /* copy of the code from `base` on */
    const uint16_t *tags; /* per half word */
    const uint8_t *stops; /* per half word: the watch class of the address, 0 none */
    uint32_t *cache;      /* per half word: block bytes << 16 | instructions */
    ek_stop stop;
    uint32_t base, size;   /* the code's range; size in bytes */
    uint32_t layer;        /* current layer value */
    uint32_t last_address; /* the block counted last */
    uint32_t last_size;
    uint32_t stop_mask; /* bit k set: stop at addresses of watch class k */
    uint32_t skip;      /* address to run over once, where a run resumes */
    uint32_t stopped;   /* 1 at a watched address, 2 out of budget */
    uint32_t stopped_at;
    uint32_t outside; /* blocks outside the code range: never, unless the program runs away */
} ek_counter;

static uint32_t count(ek_counter *c, uint32_t address, uint32_t size)
{
    const uint32_t offset = address - c->base;
    if (offset >= c->size || size > c->size - offset) {
        c->outside++;
        return 0;
    }
    const uint32_t known = c->cache[offset >> 1];
    if (known >> 16 == size) {
        return known & 0xFFFFu;
    }
    uint32_t instructions = 0;
    for (uint32_t at = 0; at < size; instructions++) {
        /* The five top bits of the first half word tell 32-bit instructions. */
        at += c->code[offset + at + 1] >> 3 >= 0x1D ? 4 : 2;
    }
    if (size < 0x10000u) {
        c->cache[offset >> 1] = size << 16 | instructions;
    }
    return instructions;
}

/* UC_HOOK_BLOCK */
void ek_count_block(void *engine, uint64_t address64, uint32_t size, void *data)
{
    ek_counter *c = (ek_counter *)data;
    const uint32_t address = (uint32_t)address64;
    const uint32_t offset = address - c->base;
    const uint32_t instructions = count(c, address, size);
    if (offset < c->size && c->tags[offset >> 1] != 0) {
        c->layer = c->tags[offset >> 1];
    }
    c->total += instructions;
    c->layers[c->layer] += instructions;
    c->last_address = address;
    c->last_size = size;
    if (c->total >= c->budget) {
        c->stopped = 2;
        c->stop(engine);
    }
}

/* UC_HOOK_CODE, on watched addresses only */
void ek_count_watch(void *engine, uint64_t address64, uint32_t size, void *data)
{
    ek_counter *c = (ek_counter *)data;
    const uint32_t address = (uint32_t)address64;
    const uint32_t offset = address - c->base;
    (void)size;
    if (address == c->skip) {
        c->skip = 0;
        return;
    }
    if (offset >= c->size || (c->stop_mask >> c->stops[offset >> 1] & 1u) == 0u) {
        return;
    }
    const uint32_t taken = count(c, c->last_address, c->last_size);
    const uint32_t done = address == c->last_address ? 0 : count(c, c->last_address, address - c->last_address);
    c->total -= taken - done;
    c->layers[c->layer] -= taken - done;
    c->stopped = 1;
    c->stopped_at = address;
    c->stop(engine);
}
