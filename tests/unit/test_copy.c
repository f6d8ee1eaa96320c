/* SPDX-License-Identifier: Apache-2.0 */
/* The copy of payload: all of it, and nothing beside it, however the two
 * places lie to each other. */
#include "support.h"

#include <stdlib.h>

#include "base/copy.h"

enum {
    PAGE = 4096,
    MOST = 3 * 4096,
    EDGE = 64 /* looked at on either side */
};

/* Two blocks that begin at a page. */
static uint8_t *source;
static uint8_t *target;

static void blocks_make(void)
{
    assert_int_equal(posix_memalign((void **)&source, PAGE, MOST + 2 * PAGE),
                     0);
    assert_int_equal(posix_memalign((void **)&target, PAGE, MOST + 2 * PAGE),
                     0);
    for (size_t i = 0; i < MOST + 2 * PAGE; i++)
        source[i] = (uint8_t)(i * 7 + (i >> 8) * 13);
}

static void blocks_free(void)
{
    free(source);
    free(target);
}

static void copy_one(size_t from, size_t to, size_t size)
{
    size_t begin = to < EDGE ? 0 : to - EDGE;

    memset(target + begin, 0xee, size + 2 * EDGE);
    wpipe__copy(target + to, source + from, size);
    assert_memory_equal(target + to, source + from, size);
    for (size_t i = begin; i < to; i++)
        assert_int_equal(target[i], 0xee);
    for (size_t i = to + size; i < to + size + EDGE; i++)
        assert_int_equal(target[i], 0xee);
}

/* Sizes around a piece, the least that is large, and whole pieces. */
static const size_t sizes[] = { 0,    1,    64,   255,  256,  257,  2047,
                                2048, 2049, 2303, 2304, 2305, 4096, MOST };

static void copy_is_whole_at_every_offset(void **state)
{
    (void)state;
    blocks_make();
    for (size_t apart = 0; apart < PAGE; apart += apart < 80 ? 1 : 61)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
            copy_one(0, apart, sizes[i]);
    for (size_t apart = PAGE - 40; apart < PAGE; apart++)
        copy_one(0, apart, PAGE);
    blocks_free();
}

/* The same distance, with both places somewhere in a line. */
static void copy_is_whole_wherever_both_lie(void **state)
{
    (void)state;
    blocks_make();
    for (size_t from = 0; from < 64; from++)
        for (size_t apart = 0; apart <= 33; apart++)
            copy_one(from, from + apart, 2048 + from * 31);
    blocks_free();
}

static void copy_is_whole_for_every_size(void **state)
{
    (void)state;
    blocks_make();
    for (size_t size = 0; size <= 4096 + 70; size++)
        copy_one(0, 8, size);
    blocks_free();
}

static const struct support_case cases[] = {
    TEST(copy_is_whole_at_every_offset),
    TEST(copy_is_whole_wherever_both_lie),
    TEST(copy_is_whole_for_every_size),
};

TEST_MAIN(cases)
