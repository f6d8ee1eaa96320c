/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox: messages into records, and what is kept when there is no room.
 */
#include "loop/outbox.h"

#include <string.h>

#include "base/memory.h"
#include "fake_link.h"
#include "support.h"

#define MORE    WPIPE__RECORD_MORE
#define TOTAL   WPIPE__RECORD_TOTAL
#define REQUEST WPIPE__RECORD_REQUEST
#define REPLY   WPIPE__RECORD_REPLY

struct box {
    struct fake_link fake;
    struct wpipe__outbox outbox;
    struct wpipe__budget budget;
    uint64_t held;
    struct wpipe__share share;
};

static void box_init(struct box *box)
{
    memset(box, 0, sizeof(*box));
    fake_link_init(&box->fake);
    box->budget.limit = 100000;
    box->share.budget = &box->budget;
    box->share.held = &box->held;
    box->outbox.limit = 1000;
}

static int post(struct box *box, const struct wpipe__outgoing *p, int wish)
{
    return wpipe__outbox_send(&box->outbox, &box->fake.link, &box->share, p,
                              wish);
}

static int send_text(struct box *box, const char *text)
{
    struct wpipe__outgoing p = { .data = text, .size = strlen(text) };

    return post(box, &p, 1);
}

static int send_zeros(struct box *box, size_t size)
{
    static const uint8_t zeros[5000];
    struct wpipe__outgoing p = { .data = zeros, .size = size };

    return post(box, &p, 1);
}

static int flush(struct box *box)
{
    return wpipe__outbox_flush(&box->outbox, &box->fake.link, &box->share);
}

static void box_done(struct box *box)
{
    wpipe__outbox_done(&box->outbox, &box->share);
    assert_int_equal(box->budget.used, 0);
    assert_int_equal(box->outbox.charge, 0);
    assert_int_equal(box->outbox.bytes, 0);
    assert_int_equal(box->outbox.count, 0);
    assert_int_equal(wpipe__memory_live(), 0);
}

static void outbox_room_sent_at_once(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    assert_int_equal(send_text(&box, "one"), 1);
    assert_int_equal(send_text(&box, ""), 1);
    assert_true(wpipe__outbox_empty(&box.outbox));
    fake_link_expect(&box.fake, 0, 0, "one");
    fake_link_expect(&box.fake, 1, 0, "");
    box_done(&box);
}

static void outbox_large_goes_in_fragments(void **state)
{
    struct wpipe__outgoing ask = { .data =
                                       "0123456789abcdefghijklmnopqrstuvwxyz",
                                   .size = 36,
                                   .kind = REQUEST,
                                   .request = 9 };
    struct box box;

    (void)state;
    box_init(&box);
    assert_int_equal(post(&box, &ask, 1), 1);
    assert_int_equal(box.fake.out_count, 3);
    fake_link_expect(&box.fake, 0, MORE | TOTAL | REQUEST, "0123456789abcdef");
    assert_int_equal(box.fake.out[0].record.total, 36);
    assert_int_equal(box.fake.out[0].record.request, 9);
    fake_link_expect(&box.fake, 1, MORE, "ghijklmnopqrstuv");
    fake_link_expect(&box.fake, 2, 0, "wxyz");
    box_done(&box);
}

/* What was cut too long by the time it is put is cut again. */
static void outbox_fragments_that_shrink_are_cut_again(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    box.fake.shrinks_to = 8;
    assert_int_equal(send_text(&box, "0123456789"), 1);
    assert_int_equal(box.fake.out_count, 2);
    fake_link_expect(&box.fake, 0, MORE | TOTAL, "01234567");
    assert_int_equal(box.fake.out[0].record.total, 10);
    fake_link_expect(&box.fake, 1, 0, "89");
    box_done(&box);
}

static void outbox_no_room_kept_in_order(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    box.fake.room = 1;
    assert_int_equal(send_text(&box, "first"), 1);
    assert_int_equal(send_text(&box, "second"), 0);
    assert_int_equal(send_text(&box, ""), 0);
    box.fake.room = 1;
    assert_int_equal(send_text(&box, "fourth"), 0); /* not past the others */
    assert_int_equal(box.fake.out_count, 1);
    assert_int_equal(flush(&box), 1);
    assert_int_equal(box.outbox.count, 2);
    box.fake.room = 10;
    assert_int_equal(flush(&box), 2);
    fake_link_expect(&box.fake, 1, 0, "second");
    fake_link_expect(&box.fake, 2, 0, "");
    fake_link_expect(&box.fake, 3, 0, "fourth");
    assert_true(wpipe__outbox_empty(&box.outbox));
    assert_int_equal(flush(&box), 0);
    box_done(&box);
}

static void outbox_half_gone_rest_kept(void **state)
{
    struct wpipe__outgoing answer = {
        .data = "0123456789abcdefghijklmnopqrstuvwxyz",
        .size = 36,
        .kind = REPLY,
        .request = 3
    };
    struct box box;

    (void)state;
    box_init(&box);
    box.fake.room = 1;
    assert_int_equal(post(&box, &answer, 1), 0);
    assert_int_equal(box.outbox.bytes, 20);
    assert_int_equal(wpipe__outbox_begun(&box.outbox), 16);
    box.fake.room = 1;
    assert_int_equal(flush(&box), 0);
    assert_int_equal(box.outbox.bytes, 4);
    assert_int_equal(wpipe__outbox_begun(&box.outbox), 32);
    box.fake.room = 1;
    assert_int_equal(flush(&box), 1);
    fake_link_expect(&box.fake, 0, MORE | TOTAL | REPLY, "0123456789abcdef");
    fake_link_expect(&box.fake, 1, MORE, "ghijklmnopqrstuv");
    fake_link_expect(&box.fake, 2, 0, "wxyz");
    box_done(&box);
}

static void outbox_limit_again(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    box.fake.room = 0;
    assert_int_equal(send_zeros(&box, 600), 0);
    assert_int_equal(send_zeros(&box, 401), WPIPE_EAGAIN);
    assert_int_equal(send_zeros(&box, 400), 0);
    assert_int_equal(send_zeros(&box, 0), WPIPE_EAGAIN);
    box_done(&box);
}

/* Empty messages cost memory, too. */
static void outbox_empty_messages_bounded(void **state)
{
    struct box box;
    int kept = 0;

    (void)state;
    box_init(&box);
    box.fake.room = 0;
    while (send_zeros(&box, 0) == 0)
        kept++;
    assert_int_equal(kept, 1000 / WPIPE__OUTBOX_LEAST);
    box_done(&box);
}

/* One that is over the limit goes when it is alone. */
static void outbox_larger_than_limit_alone(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    box.fake.link.terms.max_out = 5000;
    box.fake.room = 0;
    assert_int_equal(send_zeros(&box, 2000), 0);
    assert_int_equal(send_zeros(&box, 2000), WPIPE_EAGAIN);
    box.fake.fragment = FAKE_BYTES;
    box.fake.room = FAKE_RECORDS;
    assert_int_equal(flush(&box), 1);
    assert_true(wpipe__outbox_writable(&box.outbox));
    assert_int_equal(send_zeros(&box, 2000), 1);
    box_done(&box);
}

static void outbox_writable_when_it_would_fit(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    box.fake.fragment = FAKE_BYTES;
    box.fake.room = 0;
    for (int i = 0; i < 10; i++)
        assert_int_equal(send_zeros(&box, 100), 0);
    assert_false(wpipe__outbox_writable(&box.outbox)); /* nobody was refused */
    assert_int_equal(send_zeros(&box, 100), WPIPE_EAGAIN);
    box.fake.room = 4;
    assert_int_equal(flush(&box), 4);
    assert_false(wpipe__outbox_writable(&box.outbox)); /* more than half */
    box.fake.room = 1;
    assert_int_equal(flush(&box), 1);
    assert_true(wpipe__outbox_writable(&box.outbox));
    assert_false(wpipe__outbox_writable(&box.outbox)); /* once */
    assert_int_equal(send_zeros(&box, 900), WPIPE_EAGAIN);
    box.fake.room = 3;
    assert_int_equal(flush(&box), 3);
    assert_false(wpipe__outbox_writable(&box.outbox)); /* 900 do not fit */
    box.fake.room = 1;
    assert_int_equal(flush(&box), 1);
    assert_true(wpipe__outbox_writable(&box.outbox));
    box_done(&box);
}

static void outbox_waiting_sender_wishes_nothing(void **state)
{
    static const uint8_t zeros[1000];
    struct wpipe__outgoing p = { .data = zeros, .size = 1000 };
    struct box box;

    (void)state;
    box_init(&box);
    box.fake.room = 0;
    assert_int_equal(post(&box, &p, 0), 0);
    assert_int_equal(post(&box, &p, 0), WPIPE_EAGAIN);
    wpipe__outbox_done(&box.outbox, &box.share);
    assert_false(wpipe__outbox_writable(&box.outbox));
    box_done(&box);
}

static void outbox_over_peers_limit_refused(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    box.fake.fragment = FAKE_BYTES;
    assert_int_equal(send_zeros(&box, 1000), 1);
    assert_int_equal(send_zeros(&box, 1001), WPIPE_EMSGSIZE);
    assert_int_equal(box.fake.out_count, 4);
    box_done(&box);
}

static void outbox_link_ends_told(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    box.fake.room = 0;
    assert_int_equal(send_text(&box, "kept"), 0);
    box.fake.put_error = WPIPE_EPIPE;
    assert_int_equal(flush(&box), WPIPE_EPIPE);
    assert_int_equal(box.outbox.count, 1); /* it is lost, and counted so */
    wpipe__outbox_done(&box.outbox, &box.share);
    assert_int_equal(send_text(&box, "x"), WPIPE_EPIPE);
    box_done(&box);
}

static void outbox_no_memory_withdrawn(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    box.fake.room = 1;
    wpipe__memory_fail_at(1);
    assert_int_equal(send_zeros(&box, 40), WPIPE_ENOMEM);
    assert_int_equal(box.fake.out_count, 2);
    fake_link_expect(&box.fake, 1, WPIPE__RECORD_ABORT, "");
    /* nothing of it was in the link: nothing to withdraw */
    assert_int_equal(send_zeros(&box, 40), WPIPE_ENOMEM);
    assert_int_equal(box.fake.out_count, 2);
    wpipe__memory_fail_at(0);
    box.budget.limit = 30;
    box.fake.room = 1;
    /* over the budget it is not begun */
    assert_int_equal(send_zeros(&box, 100), WPIPE_EAGAIN);
    assert_int_equal(box.outbox.wanting, 100);
    assert_int_equal(box.fake.out_count, 2);
    /* in one record there was nothing to keep; now there is */
    assert_int_equal(send_zeros(&box, 10), 1);
    assert_int_equal(send_zeros(&box, 10), WPIPE_EAGAIN);
    assert_int_equal(box.fake.out_count, 3);
    box_done(&box);
}

static void outbox_bytewise_no_flags(void **state)
{
    struct box box;

    (void)state;
    box_init(&box);
    box.outbox.bytewise = 1;
    box.fake.link.terms.max_out = 1;
    assert_int_equal(send_text(&box, "0123456789abcdefghij"), 1);
    assert_int_equal(send_text(&box, ""), 1);
    assert_int_equal(box.fake.out_count, 2);
    fake_link_expect(&box.fake, 0, 0, "0123456789abcdef");
    fake_link_expect(&box.fake, 1, 0, "ghij");
    box_done(&box);
}

static const struct support_case cases[] = {
    TEST(outbox_room_sent_at_once),
    TEST(outbox_large_goes_in_fragments),
    TEST(outbox_fragments_that_shrink_are_cut_again),
    TEST(outbox_no_room_kept_in_order),
    TEST(outbox_half_gone_rest_kept),
    TEST(outbox_limit_again),
    TEST(outbox_empty_messages_bounded),
    TEST(outbox_larger_than_limit_alone),
    TEST(outbox_writable_when_it_would_fit),
    TEST(outbox_waiting_sender_wishes_nothing),
    TEST(outbox_over_peers_limit_refused),
    TEST(outbox_link_ends_told),
    TEST(outbox_no_memory_withdrawn),
    TEST(outbox_bytewise_no_flags),
};

TEST_MAIN(cases)
