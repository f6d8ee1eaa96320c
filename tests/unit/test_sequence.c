/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge of what may come after what (src/base/sequence.c), record by
 * record.
 */
#include "base/sequence.h"

#include <windpipe/error.h>

#include "support/support.h"

enum {
    LIMIT = 100,
    MORE = WPIPE__RECORD_MORE,
    TOTAL = WPIPE__RECORD_TOTAL,
    REQUEST = WPIPE__RECORD_REQUEST,
    REPLY = WPIPE__RECORD_REPLY
};

static struct wpipe__record record(uint32_t flags, uint32_t size,
                                   uint64_t total)
{
    const struct wpipe__record r = {
        .flags = flags, .size = size, .total = total, .request = 7
    };

    return r;
}

static void expect(const struct wpipe__sequence *s, uint32_t flags,
                   uint32_t size, uint64_t total, int code)
{
    const struct wpipe__record r = record(flags, size, total);

    assert_int_equal(wpipe__sequence_judge(s, &r, LIMIT), code);
}

/* It may come, comes, and ends the message or not. */
static void pass(struct wpipe__sequence *s, uint32_t flags, uint32_t size,
                 uint64_t total)
{
    const struct wpipe__record r = record(flags, size, total);

    expect(s, flags, size, total, 0);
    assert_int_equal(wpipe__sequence_take(s, &r, size), !(flags & MORE));
    assert_int_equal(s->begun, !!(flags & MORE));
}

static void sequence_in_good_order_passes(void **state)
{
    struct wpipe__sequence s = { 0 };

    (void)state;
    pass(&s, 0, 0, 0);
    pass(&s, 0, LIMIT, 0);
    pass(&s, REQUEST, 5, 0);
    pass(&s, REPLY, 5, 0);
    pass(&s, MORE, 50, 0);
    pass(&s, MORE, 50, 0);
    pass(&s, 0, 0, 0); /* ends in an empty one */
    pass(&s, MORE | TOTAL | REQUEST, 10, 30);
    pass(&s, MORE, 20, 0);
    pass(&s, 0, 0, 0);
    pass(&s, MORE | TOTAL, 10, LIMIT);
    pass(&s, 0, LIMIT - 10, 0);
    pass(&s, 0, 1, 0); /* nothing of the one before it counts */
}

static void sequence_first_words_later_is_eproto(void **state)
{
    static const uint32_t flags[] = { TOTAL | MORE, REQUEST, REPLY,
                                      REQUEST | MORE };
    struct wpipe__sequence s = { 0 };
    size_t i;

    (void)state;
    pass(&s, MORE, 5, 0);
    for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        expect(&s, flags[i], 5, 10, WPIPE_EPROTO);
    expect(&s, 0, 5, 0, 0);
}

static void sequence_total_not_met_is_eproto(void **state)
{
    struct wpipe__sequence s = { 0 };

    (void)state;
    expect(&s, MORE | TOTAL, 5, 4, WPIPE_EPROTO); /* at once */
    expect(&s, MORE | TOTAL, 5, 0, WPIPE_EPROTO);
    expect(&s, TOTAL, 5, 6, WPIPE_EPROTO);
    pass(&s, MORE | TOTAL, 5, 9);
    expect(&s, 0, 3, 0, WPIPE_EPROTO);
    expect(&s, 0, 5, 0, WPIPE_EPROTO);
    expect(&s, MORE, 5, 0, WPIPE_EPROTO);
    expect(&s, 0, 4, 0, 0);
    pass(&s, MORE, 4, 0);
    expect(&s, MORE, 1, 0, WPIPE_EPROTO);
    pass(&s, 0, 0, 0);
}

static void sequence_call_without_id_is_eproto(void **state)
{
    struct wpipe__record r = record(REQUEST, 5, 0);
    struct wpipe__sequence s = { 0 };

    (void)state;
    r.request = 0;
    assert_int_equal(wpipe__sequence_judge(&s, &r, LIMIT), WPIPE_EPROTO);
    r.flags = REPLY;
    assert_int_equal(wpipe__sequence_judge(&s, &r, LIMIT), WPIPE_EPROTO);
    s.no_replies = 1;
    expect(&s, REPLY, 5, 0, WPIPE_EPROTO);
    expect(&s, REQUEST, 5, 0, 0);
}

static void sequence_over_limit_is_emsgsize(void **state)
{
    struct wpipe__sequence s = { 0 };

    (void)state;
    expect(&s, 0, LIMIT + 1, 0, WPIPE_EMSGSIZE);
    expect(&s, MORE | TOTAL, 1, LIMIT + 1, WPIPE_EMSGSIZE);
    expect(&s, MORE | TOTAL, 1, UINT64_MAX, WPIPE_EMSGSIZE);
    pass(&s, MORE, LIMIT, 0);
    expect(&s, 0, 1, 0, WPIPE_EMSGSIZE);
    expect(&s, 0, UINT32_MAX, 0, WPIPE_EMSGSIZE);
}

/* What is left of a record that was taken in part was judged. */
static void sequence_rest_of_a_record_passes(void **state)
{
    struct wpipe__record r = record(MORE | TOTAL | REQUEST, 10, 12);
    struct wpipe__sequence s = { 0 };

    (void)state;
    assert_int_equal(wpipe__sequence_judge(&s, &r, LIMIT), 0);
    assert_int_equal(wpipe__sequence_take(&s, &r, 4), 0);
    r.size = 6;
    assert_int_equal(wpipe__sequence_judge(&s, &r, LIMIT), 0);
    assert_int_equal(wpipe__sequence_take(&s, &r, 6), 0);
    expect(&s, 0, 1, 0, WPIPE_EPROTO);
    pass(&s, 0, 2, 0);
    r = record(0, 10, 0);
    assert_int_equal(wpipe__sequence_take(&s, &r, 0), 0);
    assert_int_equal(wpipe__sequence_take(&s, &r, 10), 1);
    assert_int_equal(s.begun, 0);
}

static void sequence_cleared_begins_anew(void **state)
{
    struct wpipe__sequence s = { .no_replies = 1 };

    (void)state;
    pass(&s, MORE | TOTAL, 5, 9);
    wpipe__sequence_clear(&s);
    assert_int_equal(s.no_replies, 1);
    pass(&s, MORE | TOTAL, 5, 6);
    pass(&s, 0, 1, 0);
}

static const struct support_case cases[] = {
    TEST(sequence_in_good_order_passes),
    TEST(sequence_first_words_later_is_eproto),
    TEST(sequence_total_not_met_is_eproto),
    TEST(sequence_call_without_id_is_eproto),
    TEST(sequence_over_limit_is_emsgsize),
    TEST(sequence_rest_of_a_record_passes),
    TEST(sequence_cleared_begins_anew),
};

TEST_MAIN(cases)
