#include "ek_coded_fields.h"
#include "ek_assembly.h"

/* All fields of 8 or 16 codes. */
void ek_fields_by_eights(int32_t codes, const int8_t *levels, uint32_t *fields);

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP

/* r0 codes, r1 the end of the levels, r2 fields, r3 the eight levels in the lower lanes of r4-r11 and what follows,
 * r12 the level in the upper lanes, lr its place before the end. */
#define LEVELS                                                                                                         \
    "ldrsb r4, [r3], #1\n"                                                                                             \
    "ldrsb r5, [r3], #1\n"                                                                                             \
    "ldrsb r6, [r3], #1\n"                                                                                             \
    "ldrsb r7, [r3], #1\n"                                                                                             \
    "ldrsb r8, [r3], #1\n"                                                                                             \
    "ldrsb r9, [r3], #1\n"                                                                                             \
    "ldrsb r10, [r3], #1\n"                                                                                            \
    "ldrsb r11, [r3], #1\n"
#define FIELDS                                                                                                         \
    "ldrsb r12, [r1, lr]\n"                                                                                            \
    "pkhbt r4, r4, r12, lsl #16\n"                                                                                     \
    "pkhbt r5, r5, r12, lsl #16\n"                                                                                     \
    "pkhbt r6, r6, r12, lsl #16\n"                                                                                     \
    "pkhbt r7, r7, r12, lsl #16\n"                                                                                     \
    "pkhbt r8, r8, r12, lsl #16\n"                                                                                     \
    "pkhbt r9, r9, r12, lsl #16\n"                                                                                     \
    "pkhbt r10, r10, r12, lsl #16\n"                                                                                   \
    "pkhbt r11, r11, r12, lsl #16\n"                                                                                   \
    "stmia r2, {r4-r11}\n"

/* The second eight of 16 codes go beside the first, 992 bytes before what follows those. */
__asm__(EK_FUNCTION(ek_fields_by_eights) "push {r4-r11, lr}\n"
                                         "mov r3, r1\n"
                                         "add r1, r1, r0\n"
                                         "1:\n" LEVELS "rsb lr, r0, #0\n"
                                         "2:\n" FIELDS "add r2, r2, r0, lsl #2\n"
                                         "adds lr, lr, #1\n"
                                         "bne 2b\n"
                                         "sub r2, r2, #992\n"
                                         "cmp r3, r1\n"
                                         "bne 1b\n"
                                         "pop {r4-r11, pc}\n" EK_END(ek_fields_by_eights));

#else

void ek_fields_by_eights(int32_t codes, const int8_t *levels, uint32_t *fields)
{
    for (int32_t second = 0; second < codes; ++second) {
        for (int32_t first = 0; first < codes; ++first) {
            *fields++ = ek_pack_low((uint32_t)levels[first], (uint32_t)levels[second]);
        }
    }
}

#endif

void ek_make_fields(int32_t bits, const int8_t *levels, uint32_t *fields)
{
    if (bits > 2) {
        ek_fields_by_eights(INT32_C(1) << bits, levels, fields);
        return;
    }
    for (int32_t second = 0; second < 4; ++second) {
        for (int32_t first = 0; first < 4; ++first) {
            *fields++ = ek_pack_low((uint32_t)levels[first], (uint32_t)levels[second]);
        }
    }
}
