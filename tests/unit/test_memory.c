/* SPDX-License-Identifier: Apache-2.0 */
/* The heap door: what it counts, and how it is made to fail. */
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"

static void alloc_used_block_comes_back_zeroed(void **state)
{
    static const uint8_t zeros[256];
    void *p;
    int i;

    (void)state;
    for (i = 0; i < 8; i++) {
        p = wpipe__alloc(sizeof(zeros));
        assert_non_null(p);
        assert_memory_equal(p, zeros, sizeof(zeros));
        memset(p, 0xa5, sizeof(zeros));
        wpipe__free(p);
    }
}

static void live_counts_blocks(void **state)
{
    long before = wpipe__memory_live();
    void *a = wpipe__alloc(0);
    void *b = wpipe__resize(NULL, 0);
    char *c = wpipe__copy_text("text");

    (void)state;
    assert_non_null(a);
    assert_non_null(b);
    assert_string_equal(c, "text");
    assert_int_equal(wpipe__memory_live(), before + 3);
    a = wpipe__resize(a, 1000);
    b = wpipe__resize(b, 0);
    assert_int_equal(wpipe__memory_live(), before + 3);
    wpipe__free(a);
    wpipe__free(b);
    wpipe__free(c);
    wpipe__free(NULL);
    assert_int_equal(wpipe__memory_live(), before);
}

static void copy_text_of_null_is_null(void **state)
{
    (void)state;
    assert_null(wpipe__copy_text(NULL));
}

static void resize_keeps_content(void **state)
{
    char *p = wpipe__copy_text("0123456789");

    (void)state;
    p = wpipe__resize(p, 100000);
    assert_string_equal(p, "0123456789");
    p = wpipe__resize(p, 5);
    assert_memory_equal(p, "01234", 5);
    wpipe__free(p);
}

static void size_beyond_half_of_memory_fails(void **state)
{
    static const size_t sizes[] = { SIZE_MAX, (size_t)PTRDIFF_MAX + 1 };
    long before = wpipe__memory_live();
    char *p = wpipe__copy_text("kept");
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        assert_null(wpipe__alloc(sizes[i]));
        assert_null(wpipe__resize(NULL, sizes[i]));
        assert_null(wpipe__resize(p, sizes[i]));
    }
    assert_string_equal(p, "kept");
    wpipe__free(p);
    assert_int_equal(wpipe__memory_live(), before);
}

/* One bit for each of eight allocations: 1 when it was had. */
static unsigned allocate_eight(void)
{
    unsigned had = 0;
    unsigned i;
    void *p;

    for (i = 0; i < 8; i++) {
        p = i % 2 == 0 ? wpipe__alloc(1) : wpipe__resize(NULL, 1);
        if (p != NULL)
            had |= 1U << i;
        wpipe__free(p);
    }
    return had;
}

static void fail_at_nth_and_all_after_fail(void **state)
{
    static const struct {
        long n;
        unsigned had;
    } rows[] = {
        { 0, 0xff }, { 1, 0x00 },  { 2, 0x01 },  { 3, 0x03 },  { 8, 0x7f },
        { 9, 0xff }, { -1, 0xfe }, { -2, 0xfd }, { -8, 0x7f }, { -9, 0xff },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        wpipe__memory_fail_at(rows[i].n);
        if (allocate_eight() != rows[i].had)
            fail_msg("fail_at(%ld) is wrong", rows[i].n);
        wpipe__memory_fail_at(0);
        assert_int_equal(allocate_eight(), 0xff);
    }
}

static void resize_that_fails_leaves_block(void **state)
{
    long before = wpipe__memory_live();
    char *p = wpipe__copy_text("kept");

    (void)state;
    wpipe__memory_fail_at(1);
    assert_null(wpipe__resize(p, 100));
    assert_null(wpipe__copy_text("no"));
    wpipe__memory_fail_at(0);
    assert_string_equal(p, "kept");
    assert_int_equal(wpipe__memory_live(), before + 1);
    wpipe__free(p);
}

enum {
    ROUNDS = 300000
};

static atomic_int ready;

/* Counts in *failed how many of its allocations fail. */
static void *allocate_much(void *failed)
{
    long *count = failed;
    int i;

    /* A barrier would wake them one after the other: too late to race. */
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) < 2)
        sched_yield();
    for (i = 0; i < ROUNDS; i++) {
        void *p = wpipe__alloc(8);

        if (p == NULL)
            ++*count;
        wpipe__free(p);
    }
    return NULL;
}

static void two_threads_counted_exactly(void **state)
{
    long before = wpipe__memory_live();
    long failed[2] = { 0, 0 };
    pthread_t other;

    (void)state;
    wpipe__memory_fail_at(-2L * ROUNDS); /* the last of all */
    assert_int_equal(pthread_create(&other, NULL, allocate_much, &failed[0]),
                     0);
    allocate_much(&failed[1]);
    pthread_join(other, NULL);
    assert_int_equal(failed[0] + failed[1], 1);
    assert_int_equal(wpipe__memory_live(), before);
}

static const struct support_case cases[] = {
    TEST(alloc_used_block_comes_back_zeroed),
    TEST(live_counts_blocks),
    TEST(copy_text_of_null_is_null),
    TEST(resize_keeps_content),
    TEST(size_beyond_half_of_memory_fails),
    TEST(fail_at_nth_and_all_after_fail),
    TEST(resize_that_fails_leaves_block),
    TEST(two_threads_counted_exactly),
};

TEST_MAIN(cases)
