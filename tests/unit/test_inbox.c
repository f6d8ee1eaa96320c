/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inbox: messages out of records, and what a peer may do wrong.
 */
#include "loop/inbox.h"

#include <string.h>

#include "base/memory.h"
#include "fake_link.h"
#include "support.h"

#define MORE    WPIPE__RECORD_MORE
#define TOTAL   WPIPE__RECORD_TOTAL
#define ABORT   WPIPE__RECORD_ABORT
#define REQUEST WPIPE__RECORD_REQUEST
#define REPLY   WPIPE__RECORD_REPLY

struct box {
    struct fake_link fake;
    struct wpipe__inbox inbox;
    struct wpipe__budget budget;
    uint64_t held;
    struct wpipe__share share;
    struct wpipe__received letter;
};

static void box_init(struct box *box)
{
    memset(box, 0, sizeof(*box));
    fake_link_init(&box->fake);
    box->budget.limit = 1000;
    box->share.budget = &box->budget;
    box->share.held = &box->held;
}

static int next(struct box *box)
{
    return wpipe__inbox_next(&box->inbox, &box->fake.link, &box->share,
                             &box->letter);
}

static void expect(struct box *box, const char *text)
{
    assert_int_equal(next(box), 1);
    assert_int_equal(wpipe__received_size(&box->letter), strlen(text));
    assert_memory_equal(wpipe__received_data(&box->letter), text, strlen(text));
}

static void box_done(struct box *box)
{
    wpipe__inbox_done(&box->inbox, &box->share);
    wpipe__received_done(&box->letter);
    assert_int_equal(box->budget.used, 0);
    assert_int_equal(wpipe__memory_live(), 0);
}

static void inbox_nothing_comes_is_empty(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    assert_int_equal(next(&box), 0);
    box.fake.end = WPIPE_EDIED;
    assert_int_equal(next(&box), WPIPE_EDIED);
    box_done(&box);
}

static void inbox_single_records_are_messages(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    fake_link_come(&box.fake, 0, "one");
    fake_link_come(&box.fake, 0, "");
    fake_link_come(&box.fake, 0, "three");
    expect(&box, "one");
    expect(&box, "");
    assert_non_null(wpipe__received_data(&box.letter));
    expect(&box, "three");
    assert_int_equal(box.letter.kind, 0);
    assert_int_equal(next(&box), 0);
    box_done(&box);
}

static void inbox_fragments_are_joined(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    fake_link_come_with(&box.fake, MORE | TOTAL, "frag", 9, 0);
    assert_int_equal(next(&box), 0);
    assert_int_equal(box.budget.used, 4);
    fake_link_come(&box.fake, MORE, "men");
    assert_int_equal(next(&box), 0);
    fake_link_come(&box.fake, 0, "ts");
    expect(&box, "fragments");
    assert_int_equal(box.budget.used, 0);
    fake_link_come(&box.fake, 0, "next");
    expect(&box, "next");
    box_done(&box);
}

static void inbox_total_not_told_is_joined(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    fake_link_come(&box.fake, MORE, "zero-");
    fake_link_come(&box.fake, 0, "copy");
    expect(&box, "zero-copy");
    fake_link_come(&box.fake, MORE, "empty end");
    fake_link_come(&box.fake, 0, "");
    expect(&box, "empty end");
    box_done(&box);
}

static void inbox_many_fragments_others_have_their_turn(void **state)
{
    struct box box;
    int turns = 0;
    int r;

    (void)state;
    box_init(&box);
    for (int i = 0; i < 40; i++)
        fake_link_come(&box.fake, MORE, "x");
    fake_link_come(&box.fake, 0, "x");
    while ((r = next(&box)) == 2)
        turns++;
    assert_int_equal(r, 1);
    assert_int_equal(turns, 5);
    assert_int_equal(wpipe__received_size(&box.letter), 41);
    box_done(&box);
}

static void inbox_request_and_reply_told(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    fake_link_come_with(&box.fake, REQUEST, "ask", 0, 7);
    fake_link_come_with(&box.fake, REPLY | MORE | TOTAL, "ans", 6, 8);
    fake_link_come(&box.fake, 0, "wer");
    fake_link_come(&box.fake, 0, "plain");
    expect(&box, "ask");
    assert_int_equal(box.letter.kind, REQUEST);
    assert_int_equal(box.letter.request, 7);
    expect(&box, "answer");
    assert_int_equal(box.letter.kind, REPLY);
    assert_int_equal(box.letter.request, 8);
    expect(&box, "plain");
    assert_int_equal(box.letter.kind, 0);
    assert_int_equal(box.letter.request, 0);
    box_done(&box);
}

static void inbox_withdrawn_message_dropped(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    fake_link_come(&box.fake, ABORT, ""); /* before it was begun */
    fake_link_come_with(&box.fake, MORE | TOTAL, "half a mes", 20, 0);
    fake_link_come(&box.fake, ABORT, "");
    fake_link_come(&box.fake, 0, "whole");
    expect(&box, "whole");
    assert_int_equal(next(&box), 0);
    box_done(&box);
}

/* What comes is refused with `error`. */
static void expect_refused(uint32_t first, uint64_t total, uint32_t second,
                           const char *rest, int error)
{
    struct box box;

    box_init(&box);
    box.fake.link.terms.max_in = 10;
    fake_link_come_with(&box.fake, first, "12345", total, 1);
    fake_link_come_with(&box.fake, second, rest, total, 1);
    assert_int_equal(next(&box), error);
    box_done(&box);
}

static void inbox_bad_order_refused(void **state)
{
    (void)state;
    /* more than was announced, and less */
    expect_refused(MORE | TOTAL, 7, 0, "678", WPIPE_EPROTO);
    expect_refused(MORE | TOTAL, 9, 0, "678", WPIPE_EPROTO);
    expect_refused(MORE | TOTAL, 7, MORE, "678", WPIPE_EPROTO);
    expect_refused(MORE | TOTAL, 4, 0, "", WPIPE_EPROTO);
    /* the words of a first record in a later one */
    expect_refused(MORE, 0, MORE | TOTAL, "6", WPIPE_EPROTO);
    expect_refused(MORE, 0, REQUEST, "6", WPIPE_EPROTO);
    expect_refused(MORE, 0, REPLY, "6", WPIPE_EPROTO);
    /* over the limit while it grows */
    expect_refused(MORE, 0, 0, "678901", WPIPE_EMSGSIZE);
}

static void inbox_announced_over_limit_refused_at_once(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    fake_link_come_with(&box.fake, MORE | TOTAL, "x", 1001, 0);
    assert_int_equal(next(&box), WPIPE_EMSGSIZE);
    assert_int_equal(box.fake.in_first, 0);
    box_done(&box);
}

static void inbox_single_over_limit_refused(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    box.fake.link.terms.max_in = 4;
    fake_link_come(&box.fake, 0, "four");
    fake_link_come(&box.fake, 0, "fives");
    expect(&box, "four");
    assert_int_equal(next(&box), WPIPE_EMSGSIZE);
    box_done(&box);
}

static void inbox_request_zero_refused(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    fake_link_come_with(&box.fake, REQUEST, "ask", 0, 0);
    assert_int_equal(next(&box), WPIPE_EPROTO);
    box_done(&box);
}

static void inbox_memory_follows_what_came(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    box.fake.link.terms.max_in = UINT64_MAX;
    fake_link_come_with(&box.fake, MORE | TOTAL, "tiny", UINT64_C(4) << 30, 0);
    assert_int_equal(next(&box), 0);
    assert_true(box.inbox.parts.capacity <= 4096);
    assert_int_equal(box.budget.used, 4);
    box_done(&box);
}

static void inbox_budget_over_refused(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    box.budget.limit = 7;
    fake_link_come(&box.fake, 0, "not gathered: free");
    fake_link_come(&box.fake, MORE, "1234");
    expect(&box, "not gathered: free");
    assert_int_equal(next(&box), 0);
    fake_link_come(&box.fake, MORE, "5678");
    assert_int_equal(next(&box), WPIPE_EAGAIN);
    box_done(&box);
}

static void inbox_heap_fails_refused(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    fake_link_come(&box.fake, 0, "one");
    wpipe__memory_fail_at(1);
    assert_int_equal(next(&box), WPIPE_ENOMEM);
    wpipe__memory_fail_at(0);
    expect(&box, "one");
    fake_link_come(&box.fake, MORE, "1234");
    wpipe__memory_fail_at(1);
    assert_int_equal(next(&box), WPIPE_ENOMEM);
    wpipe__memory_fail_at(0);
    assert_int_equal(box.budget.used, 0);
    box_done(&box);
}

static void inbox_bytes_no_boundaries(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    box.inbox.bytes = 1;
    box.fake.link.terms.max_in = 5;
    fake_link_come(&box.fake, MORE, "some ");
    fake_link_come(&box.fake, 0, "");
    fake_link_come(&box.fake, 0, "bytes");
    expect(&box, "some ");
    expect(&box, "bytes");
    assert_int_equal(next(&box), 0);
    box_done(&box);
}

static void inbox_letter_keeps_small_block_only(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    fake_link_come(&box.fake, 0, "one");
    fake_link_come(&box.fake, 0, "two");
    expect(&box, "one");
    wpipe__memory_fail_at(1); /* the second one needs no new block */
    expect(&box, "two");
    wpipe__memory_fail_at(0);
    box_done(&box);
}

static const struct support_case cases[] = {
    TEST(inbox_nothing_comes_is_empty),
    TEST(inbox_single_records_are_messages),
    TEST(inbox_fragments_are_joined),
    TEST(inbox_total_not_told_is_joined),
    TEST(inbox_many_fragments_others_have_their_turn),
    TEST(inbox_request_and_reply_told),
    TEST(inbox_withdrawn_message_dropped),
    TEST(inbox_bad_order_refused),
    TEST(inbox_announced_over_limit_refused_at_once),
    TEST(inbox_single_over_limit_refused),
    TEST(inbox_request_zero_refused),
    TEST(inbox_memory_follows_what_came),
    TEST(inbox_budget_over_refused),
    TEST(inbox_heap_fails_refused),
    TEST(inbox_bytes_no_boundaries),
    TEST(inbox_letter_keeps_small_block_only),
};

TEST_MAIN(cases)
