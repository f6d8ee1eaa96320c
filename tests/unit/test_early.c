/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ringing early: that it is tried in conversations alone, and less and less
 * often where it was in vain.
 */
#include "transport/early.h"

#include "support.h"

/* One who reads and writes between two sleeps, for the given time. */
static void talk(struct wpipe__early *e, int sleeps)
{
    uint64_t head = atomic_load(&e->head);
    uint64_t tail = atomic_load(&e->tail);

    for (int i = 0; i < sleeps; i++) {
        head += 16;
        tail += 16;
        wpipe__early_sleep(e, head, tail);
    }
}

/* Wakes that leave it out before one that does not. */
static unsigned left_out(struct wpipe__early *e)
{
    unsigned count = 0;

    while (!wpipe__early_due(e))
        count++;
    return count;
}

static void conversation_takes_some_sleeps(void **state)
{
    struct wpipe__early e = { 0 };

    (void)state;
    talk(&e, WPIPE__EARLY_TALK - 1);
    assert_false(wpipe__early_talks(&e));
    talk(&e, 1);
    assert_true(wpipe__early_talks(&e));
    assert_int_equal(left_out(&e), 0);
}

static void reader_who_does_not_write_does_not_talk(void **state)
{
    struct wpipe__early e = { 0 };
    uint64_t head;
    uint64_t tail;

    (void)state;
    for (uint64_t i = 1; i < 100; i++)
        wpipe__early_sleep(&e, 0, i * 16);
    assert_false(wpipe__early_talks(&e));
    talk(&e, WPIPE__EARLY_TALK);
    assert_true(wpipe__early_talks(&e));
    head = atomic_load(&e.head);
    tail = atomic_load(&e.tail);
    wpipe__early_sleep(&e, head, tail); /* woken for nothing */
    wpipe__early_sleep(&e, head + 16, tail);
    assert_true(wpipe__early_talks(&e));
    wpipe__early_sleep(&e, head + 16, tail + 16);
    assert_true(wpipe__early_talks(&e));
    wpipe__early_sleep(&e, head + 16, tail + 32);
    assert_false(wpipe__early_talks(&e));
}

static void vain_one_leaves_out_more_each_time(void **state)
{
    static const unsigned expected[] = { 16, 64, 256, 1024, 1024 };
    struct wpipe__early e = { 0 };

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        wpipe__early_rung(&e);
        wpipe__early_judge(&e, 1);
        assert_int_equal(left_out(&e), expected[i]);
    }
}

static void one_that_paid_is_not_held_back(void **state)
{
    struct wpipe__early e = { 0 };

    (void)state;
    for (int i = 0; i < 10; i++) {
        wpipe__early_rung(&e);
        wpipe__early_judge(&e, 0);
        assert_int_equal(left_out(&e), 0);
    }
    wpipe__early_rung(&e);
    wpipe__early_judge(&e, 1);
    assert_int_equal(left_out(&e), 16);
    for (int i = 0; i < 2; i++) { /* one vain in three: stays where it is */
        wpipe__early_rung(&e);
        wpipe__early_judge(&e, 0);
    }
    wpipe__early_rung(&e);
    wpipe__early_judge(&e, 1);
    assert_int_equal(left_out(&e), 16);
}

/* Only the first write after an early bell says anything about it. */
static void each_is_judged_once(void **state)
{
    struct wpipe__early e = { 0 };

    (void)state;
    wpipe__early_judge(&e, 1); /* nothing was rung */
    assert_int_equal(left_out(&e), 0);
    wpipe__early_rung(&e);
    wpipe__early_judge(&e, 0);
    wpipe__early_judge(&e, 1);
    assert_int_equal(left_out(&e), 0);
}

static void unanswered_one_was_in_vain(void **state)
{
    struct wpipe__early e = { 0 };

    (void)state;
    talk(&e, WPIPE__EARLY_TALK);
    wpipe__early_rung(&e);
    wpipe__early_sleep(&e, atomic_load(&e.head), atomic_load(&e.tail) + 16);
    assert_int_equal(left_out(&e), 16);
    wpipe__early_judge(&e, 1);
    assert_int_equal(left_out(&e), 0);
    /* the other end was awake when it was answered: nobody knows */
    wpipe__early_rung(&e);
    talk(&e, 1);
    wpipe__early_judge(&e, 1);
    assert_int_equal(left_out(&e), 0);
}

static const struct support_case cases[] = {
    TEST(conversation_takes_some_sleeps),
    TEST(reader_who_does_not_write_does_not_talk),
    TEST(vain_one_leaves_out_more_each_time),
    TEST(one_that_paid_is_not_held_back),
    TEST(each_is_judged_once),
    TEST(unanswered_one_was_in_vain),
};

TEST_MAIN(cases)
