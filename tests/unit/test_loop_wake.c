/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wakes of a loop: each ends all that wait, or the next one, and none is lost.
 */
#include "support.h"

#include <windpipe.h>

#include "core/loop.h"

static void wake_ends_all_that_wait(void **state)
{
    struct wpipe__loop loop = { .stopped = 0 };
    struct wpipe__stay a = { 0 };
    struct wpipe__stay b = { 0 };
    struct wpipe__stay c = { 0 };

    (void)state;
    wpipe__loop_stay(&loop, &a);
    wpipe__loop_stay(&loop, &b);
    assert_int_equal(wpipe__loop_woken(&loop, &a), 0);
    wpipe__loop_note_wake(&loop);
    wpipe__loop_stay(&loop, &c); /* came after it */
    assert_int_equal(wpipe__loop_woken(&loop, &a), 1);
    assert_int_equal(wpipe__loop_woken(&loop, &c), 0);
    assert_int_equal(wpipe__loop_woken(&loop, &b), 1);
    wpipe__loop_part(&loop, &a);
    wpipe__loop_part(&loop, &b);
    wpipe__loop_part(&loop, &c);
    assert_int_equal(loop.woken, 0);
    assert_int_equal(loop.stays, 0);
}

static void wake_without_waits_ends_one(void **state)
{
    struct wpipe__loop loop = { .stopped = 0 };
    struct wpipe__stay a = { 0 };
    struct wpipe__stay b = { 0 };

    (void)state;
    wpipe__loop_note_wake(&loop);
    wpipe__loop_note_wake(&loop);
    assert_int_equal(wpipe__loop_woken(&loop, &a), 1); /* before it waits */
    wpipe__loop_part(&loop, &a);
    wpipe__loop_stay(&loop, &b);
    assert_int_equal(wpipe__loop_woken(&loop, &b), 0);
    wpipe__loop_part(&loop, &b);
}

/* It ended for another reason, and did not look again. */
static void wake_not_seen_goes_on(void **state)
{
    struct wpipe__loop loop = { .stopped = 0 };
    struct wpipe__stay a = { 0 };
    struct wpipe__stay b = { 0 };

    (void)state;
    wpipe__loop_stay(&loop, &a);
    wpipe__loop_note_wake(&loop);
    wpipe__loop_part(&loop, &a);
    wpipe__loop_stay(&loop, &b);
    assert_int_equal(wpipe__loop_woken(&loop, &b), 1);
    wpipe__loop_part(&loop, &b);
    assert_int_equal(loop.woken, 0);
}

static void stopped_loop_ends_each_wait(void **state)
{
    struct wpipe__loop loop = { .stopped = 1 };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct wpipe__stay a = { 0 };

        wpipe__loop_stay(&loop, &a);
        assert_int_equal(wpipe__loop_woken(&loop, &a), 1);
        wpipe__loop_part(&loop, &a);
    }
}

static const struct support_case cases[] = {
    TEST(wake_ends_all_that_wait),
    TEST(wake_without_waits_ends_one),
    TEST(wake_not_seen_goes_on),
    TEST(stopped_loop_ends_each_wait),
};

TEST_MAIN(cases)
