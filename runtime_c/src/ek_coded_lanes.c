#include "ek_coded_lanes.h"
#include "ek_assembly.h"

/* Eight codes; `bits` is a constant in each instance below. */
EK_INLINE uint32_t load_codes(const uint8_t *w, int32_t bits)
{
    if (bits > 2) {
        return ek_load32(w);
    }
    uint16_t codes;
    memcpy(&codes, w, sizeof codes);
    return codes;
}

/* The lanes of a field of eight codes. */
EK_INLINE uint32_t lanes_of(const uint32_t *fields, uint32_t codes, int32_t field, int32_t bits)
{
    return fields[(codes >> (2 * bits * field)) & (EK_FIELDS(bits) - 1u)];
}

/* So many times eight codes to four words. */
void ek_widen_fields_4(const uint8_t *w, int32_t quads, const uint32_t *fields, uint32_t *to);
void ek_widen_fields_3(const uint8_t *w, int32_t quads, const uint32_t *fields, uint32_t *to);
void ek_widen_fields_2(const uint8_t *w, int32_t quads, const uint32_t *fields, uint32_t *to);

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

/* r0 codes, r1 quads left, r2 fields, r3 destination, r12 eight codes. */
#define EIGHT(load, width, a, b, c, d)                                                                                 \
    load "ubfx " #a ", r12, #0, #(2 * " width ")\n"                                                                    \
         "ubfx " #b ", r12, #(2 * " width "), #(2 * " width ")\n"                                                      \
         "ubfx " #c ", r12, #(4 * " width "), #(2 * " width ")\n"                                                      \
         "ubfx " #d ", r12, #(6 * " width "), #(2 * " width ")\n"                                                      \
         "ldr " #a ", [r2, " #a ", lsl #2]\n"                                                                          \
         "ldr " #b ", [r2, " #b ", lsl #2]\n"                                                                          \
         "ldr " #c ", [r2, " #c ", lsl #2]\n"                                                                          \
         "ldr " #d ", [r2, " #d ", lsl #2]\n"
#define WIDEN(name, load, width)                                                                                       \
    __asm__(EK_FUNCTION(name) "push {r4-r11}\n"                                                                        \
                              "tst r1, #1\n"                                                                           \
                              "beq 1f\n" EIGHT(load, width, r4, r5, r6, r7) "stmia r3!, {r4-r7}\n"                     \
                                                                            "1:\n"                                     \
                                                                            "lsrs r1, r1, #1\n"                        \
                                                                            "beq 3f\n"                                 \
                                                                            "2:\n" EIGHT(load, width, r4, r5, r6, r7)  \
                                                                                EIGHT(load, width, r8, r9, r10,        \
                                                                                      r11) "subs r1, r1, #1\n"         \
                                                                                           "stmia r3!, {r4-r11}\n"     \
                                                                                           "bne 2b\n"                  \
                                                                                           "3:\n"                      \
                                                                                           "pop {r4-r11}\n"            \
                                                                                           "bx lr\n" EK_END(name))

WIDEN(ek_widen_fields_4, "ldr r12, [r0], #4\n", "4");
WIDEN(ek_widen_fields_3, "ldr r12, [r0], #3\n", "3");
WIDEN(ek_widen_fields_2, "ldrh r12, [r0], #2\n", "2");

#else

#define WIDEN(name, bits)                                                                                              \
    void name(const uint8_t *w, int32_t quads, const uint32_t *fields, uint32_t *to)                                   \
    {                                                                                                                  \
        for (; quads > 0; --quads) {                                                                                   \
            const uint32_t codes = load_codes(w, bits);                                                                \
            for (int32_t field = 0; field < 4; ++field) {                                                              \
                *to++ = lanes_of(fields, codes, field, bits);                                                          \
            }                                                                                                          \
            w += (bits);                                                                                               \
        }                                                                                                              \
    }

WIDEN(ek_widen_fields_4, 4)
WIDEN(ek_widen_fields_3, 3)
WIDEN(ek_widen_fields_2, 2)

#endif

EK_INLINE void dot(const uint32_t *fields, const uint8_t *w, int32_t quads, const uint32_t *lanes, int32_t acc[2],
                   int32_t bits)
{
    int32_t first = acc[0], second = acc[1];
    for (; quads > 0; --quads) {
        const uint32_t codes = load_codes(w, bits), even = lanes[0], odd = lanes[1];
        first = ek_smlad(lanes_of(fields, codes, 0, bits), even, first);
        first = ek_smlad(lanes_of(fields, codes, 1, bits), odd, first);
        second = ek_smlad(lanes_of(fields, codes, 2, bits), even, second);
        second = ek_smlad(lanes_of(fields, codes, 3, bits), odd, second);
        w += bits;
        lanes += 2;
    }
    acc[0] = first;
    acc[1] = second;
}

void ek_widen_coded(void *layer, int32_t first, int32_t pairs, uint32_t *tile)
{
    ek_coded_layer *s = (ek_coded_layer *)layer;
    const int32_t bits = s->coding->bits, quads = s->quads;
    const uint8_t *w = s->w + s->coding->tables + first * quads * bits;
    for (int32_t channel = 2 * first; pairs > 0; --pairs) {
        ek_ready_fields(s, channel);
        const ek_channel channels[2] = {ek_coded_channel(s->coding, s->channels, channel),
                                        ek_coded_channel(s->coding, s->channels, channel + 1)};
        tile[0] = (uint32_t)channels[0].bias;
        tile[1] = (uint32_t)channels[1].bias;
        if (bits == 4) {
            ek_widen_fields_4(w, quads, s->fields, tile + 2);
        } else if (bits == 3) {
            ek_widen_fields_3(w, quads, s->fields, tile + 2);
        } else {
            ek_widen_fields_2(w, quads, s->fields, tile + 2);
        }
        tile = ek_put_constants(channels, s->offset, tile + 2 + 4 * quads);
        w += quads * bits;
        channel += 2;
    }
}

void ek_dot_coded(const ek_coded_layer *layer, int32_t pair, const uint32_t *lanes, int32_t acc[2])
{
    const int32_t bits = layer->coding->bits, quads = layer->quads;
    const uint8_t *w = layer->w + layer->coding->tables + pair * quads * bits;
    if (bits == 4) {
        dot(layer->fields, w, quads, lanes, acc, 4);
    } else if (bits == 3) {
        dot(layer->fields, w, quads, lanes, acc, 3);
    } else {
        dot(layer->fields, w, quads, lanes, acc, 2);
    }
}
