/* What the assembly for Armv6-M shares: two pixels of pairs of channels, from sums of products to codes. Its twins are
 * the loops behind it in C, which other cores run. */
#ifndef EK_V6M_H
#define EK_V6M_H

#include "ek_assembly.h"

/* Pairs of channels from `channel`, at least one, whose codes of the first pixel go to y[0], y[1].., those of the
 * second one to y[y_step].. offset: twice the output's zero point plus one. It is used up. The assembly knows the
 * order. */
typedef struct {
    const ek_channel *channel;
    int8_t *y;
    int32_t y_step, pairs;
    int32_t offset;
} ek_pairs;

#define EK_V6M_SAVE                                                                                                    \
    "push {r4-r7, lr}\n"                                                                                               \
    "mov r4, r8\n"                                                                                                     \
    "mov r5, r9\n"                                                                                                     \
    "mov r6, r10\n"                                                                                                    \
    "mov r7, r11\n"                                                                                                    \
    "push {r4-r7}\n"
#define EK_V6M_RESTORE                                                                                                 \
    "pop {r4-r7}\n"                                                                                                    \
    "mov r8, r4\n"                                                                                                     \
    "mov r9, r5\n"                                                                                                     \
    "mov r10, r6\n"                                                                                                    \
    "mov r11, r7\n"                                                                                                    \
    "pop {r4-r7, pc}\n"

/* Of the record at r0: the multiplier's halves to r1 and r2, the shift less one to r3. */
#define EK_V6M_CHANNEL                                                                                                 \
    "ldr r1, [r0, #4]\n"                                                                                               \
    "ldrh r3, [r0, #10]\n"                                                                                             \
    "uxth r2, r1\n"                                                                                                    \
    "asrs r1, r1, #16\n"                                                                                               \
    "subs r3, #1\n"

/* A sum to its code in r5, the run in r7: by halves as in ek_smmul, whose parts `last` adds up. */
#define EK_V6M_CODE(sum, doubled, last, correct)                                                                       \
    "mov r4, " sum "\n" doubled "uxth r5, r4\n"                                                                        \
    "asrs r4, r4, #16\n"                                                                                               \
    "mov r6, r5\n"                                                                                                     \
    "muls r6, r2\n"                                                                                                    \
    "lsrs r6, r6, #16\n"                                                                                               \
    "mov r7, r4\n"                                                                                                     \
    "muls r7, r2\n"                                                                                                    \
    "adds r6, r6, r7\n"                                                                                                \
    "muls r5, r1\n"                                                                                                    \
    "uxth r7, r6\n"                                                                                                    \
    "adds r5, r5, r7\n"                                                                                                \
    "muls r4, r1\n"                                                                                                    \
    "asrs r6, r6, #16\n"                                                                                               \
    "adds r4, r4, r6\n"                                                                                                \
    "asrs r5, r5, #16\n" last correct "mov r7, lr\n"                                                                   \
    "ldr r6, [r7, #16]\n"                                                                                              \
    "asrs r4, r3\n"                                                                                                    \
    "adds r4, r4, r6\n"                                                                                                \
    "ldr r6, [r7, #4]\n"                                                                                               \
    "asrs r4, r4, #1\n"                                                                                                \
    "sxtb r5, r4\n"                                                                                                    \
    "cmp r5, r4\n"                                                                                                     \
    "beq 7f\n"                                                                                                         \
    "asrs r4, r4, #31\n"                                                                                               \
    "movs r5, #127\n"                                                                                                  \
    "eors r5, r4\n"                                                                                                    \
    "7:\n"
#define EK_V6M_TWICE(sum)                                                                                              \
    EK_V6M_CODE(sum, "lsls r4, r4, #1\n", "adcs r4, r5\n",                                                             \
                "mov r5, " sum "\n"                                                                                    \
                "asrs r5, r5, #31\n"                                                                                   \
                "adds r4, r4, r5\n")
#define EK_V6M_ONCE(sum) EK_V6M_CODE(sum, "", "adds r4, r4, r5\n", "")

/* A channel's codes of both pixels, to `place` behind y. */
#define EK_V6M_CODES(code, first, second, place)                                                                       \
    EK_V6M_CHANNEL code(first) "strb r5, [r6, " place "]\n" code(second) "ldr r7, [r7, #8]\n"                          \
                                                                         "adds r6, r6, r7\n"                           \
                                                                         "strb r5, [r6, " place "]\n"                  \
                                                                         "adds r0, #12\n"

#define EK_V6M_BIASES                                                                                                  \
    "mov r7, lr\n"                                                                                                     \
    "ldr r0, [r7]\n"                                                                                                   \
    "ldr r1, [r0]\n"                                                                                                   \
    "mov r8, r1\n"                                                                                                     \
    "mov r9, r1\n"                                                                                                     \
    "ldr r1, [r0, #12]\n"                                                                                              \
    "mov r10, r1\n"                                                                                                    \
    "mov r11, r1\n"

#define EK_V6M_NEXT                                                                                                    \
    "mov r7, lr\n"                                                                                                     \
    "str r0, [r7]\n"                                                                                                   \
    "ldr r1, [r7, #4]\n"                                                                                               \
    "adds r1, #2\n"                                                                                                    \
    "str r1, [r7, #4]\n"                                                                                               \
    "ldr r1, [r7, #12]\n"                                                                                              \
    "subs r1, #1\n"                                                                                                    \
    "str r1, [r7, #12]\n"                                                                                              \
    "beq 9f\n"                                                                                                         \
    "b 8b\n"                                                                                                           \
    "9:\n"

/* A function of an ek_pairs with more behind it. `sums`, with the run in r7, adds to the biases in r8-r11, both pixels
 * of the first channel and then those of the second one; lr stays the run. */
#define EK_V6M_PAIRS(name, sums, code)                                                                                 \
    __asm__(EK_FUNCTION(name) EK_V6M_SAVE "mov lr, r0\n"                                                               \
                                          "8:\n" EK_V6M_BIASES sums "mov r7, lr\n"                                     \
                                          "ldr r0, [r7]\n" EK_V6M_CODES(code, "r8", "r9", "#0")                        \
                                              EK_V6M_CODES(code, "r10", "r11", "#1")                                   \
                                                  EK_V6M_NEXT EK_V6M_RESTORE EK_END(name))

#endif
