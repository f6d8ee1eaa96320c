/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusals: counted by kind, the first told at once, the rest together.
 */
#include "connect/refusals.h"

#include <string.h>

#include "support.h"

#define MS UINT64_C(1000000)

static const struct wpipe__refusal full = { .reason = 6, .error = -9 };
static const struct wpipe__refusal denied = { .reason = 5, .error = -11 };

static void expect(struct wpipe__refusals *r, uint64_t now,
                   const struct wpipe__refusal *why, uint64_t count)
{
    struct wpipe__refusal got;
    uint64_t n = 0;

    assert_int_equal(wpipe__refusals_next(r, now, &got, &n), 1);
    assert_int_equal(got.reason, why->reason);
    assert_int_equal(got.error, why->error);
    assert_int_equal(n, count);
}

static void expect_none(struct wpipe__refusals *r, uint64_t now)
{
    struct wpipe__refusal got;
    uint64_t n;

    assert_int_equal(wpipe__refusals_next(r, now, &got, &n), 0);
}

static void refusals_storm_is_one_with_a_count(void **state)
{
    struct wpipe__refusals r = { 0 };
    uint64_t now = 1000 * MS;

    (void)state;
    assert_true(wpipe__refusals_due(&r) == UINT64_MAX);
    assert_int_equal(wpipe__refusals_add(&r, &full, now), 1);
    expect(&r, now, &full, 1);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(wpipe__refusals_add(&r, &full, now + MS), 0);
    expect_none(&r, now + MS);
    assert_true(wpipe__refusals_due(&r) == now + 250 * MS);
    assert_int_equal(wpipe__refusals_add(&r, &denied, now + MS), 1);
    expect(&r, now + MS, &denied, 1); /* another kind is told at once */
    expect_none(&r, now + 249 * MS);
    expect(&r, now + 250 * MS, &full, 1000);
    expect_none(&r, now + 1000 * MS);
    assert_true(wpipe__refusals_due(&r) == UINT64_MAX);
    /* long after that it is a first one again */
    assert_int_equal(wpipe__refusals_add(&r, &full, now + 1000 * MS), 1);
    expect(&r, now + 1000 * MS, &full, 1);
}

static void refusals_of_more_kinds_than_places_keep_their_counts(void **state)
{
    struct wpipe__refusals r = { 0 };
    struct wpipe__refusal why = full;
    unsigned told = 0;
    uint64_t count;

    (void)state;
    for (unsigned i = 0; i < 3 * WPIPE__REFUSAL_KINDS; i++) {
        why.os_error = (int)i;
        (void)wpipe__refusals_add(&r, &why, MS);
    }
    while (wpipe__refusals_next(&r, MS, &why, &count)) {
        assert_int_equal(count, 1);
        told++;
    }
    assert_int_equal(told, WPIPE__REFUSAL_KINDS);
    assert_int_equal(r.waiting, 0);
    /* a kind that was told makes room once its time is over */
    why.os_error = 1000;
    assert_int_equal(wpipe__refusals_add(&r, &why, 2 * MS), 0);
    assert_int_equal(wpipe__refusals_add(&r, &why, 500 * MS), 1);
}

static const struct support_case cases[] = {
    TEST(refusals_storm_is_one_with_a_count),
    TEST(refusals_of_more_kinds_than_places_keep_their_counts),
};

TEST_MAIN(cases)
