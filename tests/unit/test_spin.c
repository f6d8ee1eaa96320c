/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Staying awake: that it ends, also where others want the core all the time,
 * and what a wait that came to nothing, that paid or that lost the core does to
 * the next ones.
 */
#include "support.h"

#include <sched.h>
#include <stdatomic.h>

#include "link/spin.h"
#include "os/os.h"

#define SPIN_NS 50000u
/* Brief looks, questions while it spins, a crowd's worth of yields: 452 were
 * seen. One that goes on for ever has more. */
#define STEPS_MOST 5000u
#define OTHERS     3

/* Steps of one wait to which nothing comes. */
static unsigned wait_in_vain(struct wpipe__spin_record *record,
                             uint32_t spin_ns)
{
    struct wpipe__spin spin = { 0 };
    unsigned steps = 0;

    while (wpipe__spin_more(&spin, record, spin_ns, UINT64_MAX, 0))
        steps++;
    return steps;
}

static void spin_off_never_stays_awake(void **state)
{
    struct wpipe__spin_record record = { 0 };

    (void)state;
    assert_int_equal(wait_in_vain(&record, 0), 0);
    assert_int_equal(record.next, 0);
}

static void vain_waits_are_skipped_more_and_more(void **state)
{
    struct wpipe__spin_record record = { 0 };
    uint32_t before = 0;

    (void)state;
    for (int i = 0; i < 5; i++) {
        record.skip = 0;
        (void)wait_in_vain(&record, SPIN_NS);
        /* more, unless it is much already: the core may have been lost */
        assert_true(record.next > before || record.next >= 16);
        before = record.next;
    }
    record.skip = 3;
    for (uint32_t left = 3; left-- > 0;) {
        assert_int_equal(wait_in_vain(&record, SPIN_NS), 0);
        assert_int_equal(record.skip, left);
    }
}

/* What that cost is not asked again for as many turns as were lost. */
static void sharing_skips_its_turns(void **state)
{
    struct wpipe__spin_record record = { .skip = 3 };

    (void)state;
    for (uint32_t left = 3; left-- > 0;) {
        wpipe__spin_share(&record);
        assert_int_equal(record.skip, left);
    }
}

static void wait_that_pays_halves_what_is_skipped(void **state)
{
    struct wpipe__spin_record record = { .next = 16 };
    struct wpipe__spin spin = { 0 };

    (void)state;
    wpipe__spin_paid(&spin, &record); /* it was there at once */
    assert_int_equal(record.next, 16);
    spin.stage = WPIPE__SPIN_SPINS;
    wpipe__spin_paid(&spin, &record);
    assert_int_equal(record.next, 8);
}

/* Others had the core for so long, in the middle of a spin. */
static int lose(struct wpipe__spin_record *record, uint64_t ns)
{
    struct wpipe__spin spin = { .stage = WPIPE__SPIN_SPINS };

    spin.last = wpipe__os_now() - ns;
    spin.end = UINT64_MAX;
    spin.ask = UINT64_MAX;
    return wpipe__spin_more(&spin, record, SPIN_NS, UINT64_MAX, 0);
}

static void what_is_lost_makes_waits_sleep_unless_it_was_earned(void **state)
{
    struct wpipe__spin_record record = { .earned = 1000 };
    uint32_t skipped;

    (void)state;
    assert_int_equal(lose(&record, 3000000), 1);
    assert_int_equal(record.skip, 0);
    assert_in_range(record.earned, 1, 700);
    assert_int_equal(lose(&record, 30000000), 0);
    assert_int_equal(record.earned, 0);
    assert_true(record.skip >= 1000);
    skipped = record.skip;
    assert_int_equal(lose(&record, 2000000), 0);
    assert_true(record.skip >= 2 * skipped);
}

static void waits_that_pay_earn_up_to_a_limit(void **state)
{
    struct wpipe__spin_record record = { .earned = 0 };
    struct wpipe__spin spin = { .stage = WPIPE__SPIN_SPINS };

    (void)state;
    wpipe__spin_paid(&spin, &record);
    assert_int_equal(record.earned, 1);
    for (int i = 0; i < 100000; i++)
        wpipe__spin_paid(&spin, &record);
    assert_in_range(record.earned, 1000, 20000);
    /* half a second is more than anybody has earned */
    assert_int_equal(lose(&record, 500000000), 0);
}

static void *want_the_core(void *user)
{
    _Atomic int *stop = user;
    uint64_t until;

    while (!atomic_load(stop)) {
        until = wpipe__os_now() + 20000;
        while (wpipe__os_now() < until)
            ;
        sched_yield();
    }
    return NULL;
}

static void others_that_want_the_core_end_it(void **state)
{
    struct wpipe__thread others[OTHERS];
    struct wpipe__spin_record record = { 0 };
    _Atomic int stop = 0;
    cpu_set_t one;

    (void)state;
    CPU_ZERO(&one);
    CPU_SET((size_t)wpipe__os_core(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    for (int i = 0; i < OTHERS; i++)
        assert_int_equal(wpipe__thread_start(&others[i], want_the_core, &stop),
                         0);
    for (int i = 0; i < 20; i++) {
        record.skip = 0;
        assert_in_range(wait_in_vain(&record, SPIN_NS), 0, STEPS_MOST);
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < OTHERS; i++)
        wpipe__thread_join(&others[i]);
}

static const struct support_case cases[] = {
    TEST(spin_off_never_stays_awake),
    TEST(vain_waits_are_skipped_more_and_more),
    TEST(sharing_skips_its_turns),
    TEST(wait_that_pays_halves_what_is_skipped),
    TEST(what_is_lost_makes_waits_sleep_unless_it_was_earned),
    TEST(waits_that_pay_earn_up_to_a_limit),
    TEST(others_that_want_the_core_end_it),
};

TEST_MAIN(cases)
