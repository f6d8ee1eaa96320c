/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop on its way to sleep: what happens between the last look and the
 * moment the peer knows that somebody waits must not be slept through. The
 * peer here is a link that does it right then.
 */
#include "support.h"

#include <windpipe.h>

#include "base/ring.h"
#include "loop/loop.h"

/* Everything is read by the peer the moment it is asked to ring for that. */
struct late_reader {
    struct wpipe__link link;
    int drained;
    unsigned armed; /* times that somebody waited for it */
};

static struct late_reader *late(struct wpipe__link *link)
{
    return (struct late_reader *)(void *)link;
}

static int late_look(struct wpipe__link *link, struct wpipe__record *ret)
{
    (void)link;
    (void)ret;
    return 0;
}

static void late_arm(struct wpipe__link *link, unsigned mask)
{
    if (mask & WPIPE__WANT_DRAINED) {
        late(link)->armed++;
        late(link)->drained = 1;
    }
}

static int late_drained(struct wpipe__link *link)
{
    return late(link)->drained;
}

static int late_in_memory(struct wpipe__link *link, unsigned mask)
{
    (void)link;
    (void)mask;
    return 0;
}

static int late_same_core(struct wpipe__link *link)
{
    (void)link;
    return 0;
}

static const struct wpipe__transport late_transport = {
    .name = "late",
    .look = late_look,
    .arm = late_arm,
    .drained = late_drained,
    .in_memory = late_in_memory,
    .same_core = late_same_core,
};

static void never_ready(struct wpipe__loop *loop, uint64_t tag)
{
    (void)loop;
    (void)tag;
}

static const struct wpipe__loop_owner owner = { .ready = never_ready };

static void drain_that_ends_while_arming_is_seen(void **state)
{
    wpipe_options options = { .size = sizeof options, .spin_us = 0 };
    struct late_reader reader = { .drained = 0 };
    struct wpipe__conn conn = { .link = &reader.link };
    struct wpipe__rest rest = { .timer = { 300, 0 } };
    struct wpipe__loop loop;

    (void)state;
    assert_int_equal(
        wpipe__link_init(&reader.link, &late_transport, WPIPE__NO_HANDLE), 0);
    assert_int_equal(wpipe__loop_init(&loop, &owner, &options), 0);
    wpipe__list_init(&conn.active);
    wpipe__list_init(&conn.notice);
    wpipe__loop_lock(&loop);
    wpipe__loop_activate(&loop, &conn);
    wpipe__loop_drainer(&loop, &conn, 1);
    assert_int_equal(reader.drained, 0); /* the caller would wait now */
    assert_int_equal(wpipe__loop_follow(&loop, &rest), 0);
    assert_int_equal(reader.armed, 1);
    assert_int_equal(wpipe__loop_drained(&loop, &conn), 1);
    wpipe__loop_drainer(&loop, &conn, 0);
    wpipe__loop_unlock(&loop);
    wpipe__loop_done(&loop);
    wpipe__link_done(&reader.link);
}

static const struct support_case cases[] = {
    TEST(drain_that_ends_while_arming_is_seen),
};

TEST_MAIN(cases)
