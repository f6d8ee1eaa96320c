/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments: how long a wait stays awake, and that it learns from waiting in
 * vain.
 */
#include "transport/moment.h"

#include <sched.h>
#include <unistd.h>

#include "os/os.h"
#include "support.h"

#define SPIN_NS 1000000u

/* Where others want the core a moment may be left out or given up at any of
 * its yields: so it may always be shorter than it could. */
#define GIVEN_UP 3

/* Looks until it says that it is enough. */
static unsigned look_on(struct wpipe__habit *habit, int64_t pid)
{
    struct wpipe__moment moment = {
        .habit = habit, .pid = pid, .spin_ns = SPIN_NS, .until = UINT64_MAX
    };
    unsigned looks = 0;

    while (wpipe__moment_more(&moment))
        looks++;
    return looks;
}

static void moment_of_no_length_is_over_at_once(void **state)
{
    struct wpipe__habit habit = { 0 };
    struct wpipe__moment moment = { .habit = &habit };

    (void)state;
    assert_false(wpipe__moment_more(&moment));
    assert_int_equal(habit.vain, 0);
}

static void moment_ends_with_the_wait(void **state)
{
    struct wpipe__habit habit = { 0 };
    struct wpipe__moment moment = { .habit = &habit,
                                    .spin_ns = 1000000000u,
                                    .until = wpipe__os_now() + SPIN_NS };

    (void)state;
    while (wpipe__moment_more(&moment))
        assert_true(wpipe__os_now() < moment.until + 500000000u);
    assert_true(wpipe__os_now() < moment.until + 500000000u);
}

static void moment_that_spins_ends_and_counts(void **state)
{
    struct wpipe__habit habit = { 0 };
    uint64_t before = wpipe__os_now();

    (void)state;
    if (wpipe__os_one_core(0))
        support_skip("one core");
    if (look_on(&habit, 0) <= GIVEN_UP)
        return;
    assert_true(habit.vain == 1);
    assert_true(wpipe__os_now() - before < 1000u * SPIN_NS);
}

/* After some that came to nothing only few are tried; one that pays counts. */
static void moment_in_vain_is_rarely_tried_again(void **state)
{
    struct wpipe__habit habit = { 0 };
    struct wpipe__moment paid;
    unsigned spun = 0;

    (void)state;
    if (wpipe__os_one_core(0))
        support_skip("one core");
    for (int i = 0; i < 36; i++)
        spun += look_on(&habit, 0) > GIVEN_UP;
    assert_in_range(spun, 0, 8);
    habit.vain = 16; /* one that is tried */
    paid = (struct wpipe__moment){ .habit = &habit,
                                   .spin_ns = SPIN_NS,
                                   .until = UINT64_MAX };
    while (wpipe__moment_more(&paid) && paid.end == 0)
        ;
    wpipe__moment_paid(&paid);
    assert_int_equal(habit.vain, paid.end == 0 ? 16 : 0);
}

/* Only one of us can run: it would wait for itself. */
static void moment_on_the_only_core_is_short(void **state)
{
    struct wpipe__habit habit = { 0 };
    cpu_set_t set;

    (void)state;
    CPU_ZERO(&set);
    CPU_SET((size_t)wpipe__os_core(), &set);
    assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
    assert_true(wpipe__os_one_core(getpid()));
    assert_in_range(look_on(&habit, getpid()), 0, 12);
}

static const struct support_case cases[] = {
    TEST(moment_of_no_length_is_over_at_once),
    TEST(moment_that_spins_ends_and_counts),
    TEST(moment_ends_with_the_wait),
    TEST(moment_in_vain_is_rarely_tried_again),
    TEST(moment_on_the_only_core_is_short),
};

TEST_MAIN(cases)
