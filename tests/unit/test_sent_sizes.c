/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tally: messages behind bytes. The model keeps every size.
 */
#include "loop/sent_sizes.h"

#include "base/memory.h"
#include "support.h"

static void add(struct wpipe__sent_sizes *tally, const uint64_t *sizes,
                size_t n)
{
    for (size_t i = 0; i < n; i++)
        wpipe__sent_sizes_add(tally, sizes[i]);
}

static void tally_empty_is_none(void **state)
{
    struct wpipe__sent_sizes tally = { 0 };

    (void)state;
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 0), 0);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 100), 0);
    wpipe__sent_sizes_done(&tally);
}

static void tally_one_size_counts(void **state)
{
    struct wpipe__sent_sizes tally = { 0 };

    (void)state;
    for (int i = 0; i < 1000000; i++)
        wpipe__sent_sizes_add(&tally, 64);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 0), 0);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 1), 1);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 64), 1);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 65), 2);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 64 * 1000), 1000);
    assert_int_equal(wpipe__memory_live(), 0);
    wpipe__sent_sizes_done(&tally);
}

static void tally_sizes_change_counts(void **state)
{
    static const uint64_t sizes[] = { 100, 100, 7, 0, 0, 50 };
    struct wpipe__sent_sizes tally = { 0 };

    (void)state;
    add(&tally, sizes, 6);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 50), 1);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 49), 1);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 51), 4);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 57), 4);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 58), 5);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 257), 6);
    wpipe__sent_sizes_done(&tally);
    assert_int_equal(wpipe__memory_live(), 0);
}

/* Reading and writing go on, sizes are wild, but few are unread at a time. */
static void tally_as_the_model_says(void **state)
{
    enum {
        ROUNDS = 20000,
        WINDOW = 40
    };
    static uint64_t sizes[ROUNDS];
    struct wpipe__sent_sizes tally = { 0 };
    uint64_t random = 88172645463325252u;
    uint64_t unread = 0;
    size_t read = 0;

    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        sizes[i] = 1 + random % 3;
        if (!wpipe__sent_sizes_has_room(&tally, sizes[i]))
            wpipe__sent_sizes_trim(&tally, unread);
        wpipe__sent_sizes_add(&tally, sizes[i]);
        unread += sizes[i];
        while (i + 1 - read > random % WINDOW)
            unread -= sizes[read++];
        assert_int_equal(wpipe__sent_sizes_messages(&tally, unread),
                         i + 1 - read);
    }
    wpipe__sent_sizes_trim(&tally, 0);
    assert_int_equal(wpipe__memory_live(), 0); /* nothing unread, no memory */
    wpipe__sent_sizes_done(&tally);
}

/* Too many changes of size: near, never more than there are. */
static void tally_too_many_runs_near(void **state)
{
    struct wpipe__sent_sizes tally = { 0 };
    uint64_t bytes = 0;

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        wpipe__sent_sizes_add(&tally, 10 + i % 2);
        bytes += 10 + i % 2;
    }
    assert_int_equal(wpipe__sent_sizes_messages(&tally, bytes), 1000);
    assert_in_range(wpipe__sent_sizes_messages(&tally, bytes / 2), 490, 510);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 21), 2);
    wpipe__sent_sizes_done(&tally);
    assert_int_equal(wpipe__memory_live(), 0);
}

/* What was joined is forgotten once it is read: exact again. */
static void tally_exact_again_after_trim(void **state)
{
    static const uint64_t sizes[] = { 3, 50, 3, 7, 7 };
    struct wpipe__sent_sizes tally = { 0 };

    (void)state;
    for (uint64_t i = 0; i < 1000; i++)
        wpipe__sent_sizes_add(&tally, 10 + i % 2);
    wpipe__sent_sizes_trim(&tally, 0);
    add(&tally, sizes, 5);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 14), 2);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 17), 3);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 70), 5);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 68), 5);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 67), 4);
    wpipe__sent_sizes_done(&tally);
}

static void tally_no_memory_near(void **state)
{
    static const uint64_t sizes[] = { 1, 2, 3, 4, 5 };
    struct wpipe__sent_sizes tally = { 0 };

    (void)state;
    wpipe__memory_fail_at(1);
    add(&tally, sizes, 5);
    wpipe__memory_fail_at(0);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 15), 5);
    assert_int_equal(wpipe__sent_sizes_messages(&tally, 5), 1);
    wpipe__sent_sizes_done(&tally);
}

static const struct support_case cases[] = {
    TEST(tally_empty_is_none),       TEST(tally_one_size_counts),
    TEST(tally_sizes_change_counts), TEST(tally_as_the_model_says),
    TEST(tally_too_many_runs_near),  TEST(tally_exact_again_after_trim),
    TEST(tally_no_memory_near),
};

TEST_MAIN(cases)
