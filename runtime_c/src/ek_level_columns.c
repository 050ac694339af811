#include "ek_level_columns.h"

/* One row into a column; from quad to quad `next` words. */
EK_INLINE void widen(const ek_level_rows *rows, int32_t row, uint32_t *column, int32_t next)
{
    const int8_t *codes = rows->codes + row * rows->pitch;
    const int16_t *const levels = rows->levels;
    for (const int8_t *const words = codes + (rows->inputs & ~3); codes != words; column += next) {
        const uint32_t word = ek_load32(codes);
        codes += 4;
        column[0] = ek_pair(levels[word & 0xFFu], levels[(word >> 16) & 0xFFu]);
        column[1] = ek_pair(levels[(word >> 8) & 0xFFu], levels[word >> 24]);
    }
    const int32_t left = rows->inputs & 3;
    if (left > 0) {
        int32_t last[4] = {0, 0, 0, 0};
        for (int32_t i = 0; i < left; ++i) {
            last[i] = levels[(uint8_t)codes[i]];
        }
        column[0] = ek_pair(last[0], last[2]);
        column[1] = ek_pair(last[1], last[3]);
    }
}

void ek_gather_levels(void *source, int32_t first, int32_t pixels, int32_t fours, uint32_t *columns)
{
    const ek_level_rows *rows = (const ek_level_rows *)source;
    const int32_t quads = (rows->inputs + 3) >> 2;
    for (int32_t i = 0; i < 4 * fours; ++i) {
        widen(rows, first + i, columns + 2 * (i & 3), EK_FOUR_QUAD);
        columns += (i & 3) == 3 ? EK_FOUR_QUAD * quads : 0;
    }
    for (int32_t i = 4 * fours; i < pixels; ++i) {
        widen(rows, first + i, columns + 2 * (i & 1), 4);
        columns += (i & 1) ? 4 * quads : 0;
    }
    if (pixels & 1) {
        ek_clear_column(quads, columns + 2);
    }
}
