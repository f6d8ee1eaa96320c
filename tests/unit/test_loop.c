/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop on its way to sleep: what happens between the last look and the
 * moment the peer knows that somebody waits must not be slept through. The
 * peer here is a link that does it right then.
 */
#include "support.h"

#include <sys/eventfd.h>
#include <unistd.h>
#include <windpipe.h>

#include "base/ring.h"
#include "loop/inside.h"

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

/* ---- turns --------------------------------------------------------------- */

/* Messages without end. */
static int flood_look(struct wpipe__link *link, struct wpipe__record *ret)
{
    static const uint8_t byte[1];

    (void)link;
    *ret = (struct wpipe__record){ .data = byte, .size = 1 };
    return 1;
}

static void flood_take(struct wpipe__link *link,
                       const struct wpipe__record *record, uint32_t bytes,
                       int whole)
{
    (void)link;
    (void)record;
    (void)bytes;
    (void)whole;
}

static const struct wpipe__transport flood_transport = {
    .name = "flood",
    .look = flood_look,
    .take = flood_take,
    .same_core = late_same_core,
};

enum {
    MANY = 1000,
    TURN = 32 /* messages */
};

/* A thousand connections of one user have one turn, as the one of another user
 * has; and in his turns each of them has its own. */
static void users_take_turns(void **state)
{
    static struct wpipe__conn conns[MANY + 1];
    static int taken[MANY + 1];
    wpipe_options options = { .size = sizeof options, .spin_us = 0 };
    struct wpipe__link link = { .transport = &flood_transport,
                                .terms.type = WPIPE_MESSAGE,
                                .terms.max_in = 1 };
    struct wpipe__received received = { .kind = 0 };
    struct wpipe__conn *conn;
    struct wpipe__loop loop;

    (void)state;
    assert_int_equal(wpipe__loop_init(&loop, &owner, &options), 0);
    loop.budget.limit = 1000000;
    for (uint32_t i = 0; i <= MANY; i++) {
        conns[i].link = &link;
        wpipe__list_init(&conns[i].active);
        assert_int_equal(wpipe__budget_join(&loop.budget, i < MANY ? 1 : 2,
                                            &conns[i].account),
                         0);
        wpipe__loop_activate(&loop, &conns[i]);
    }
    for (int i = 0; i < 2 * MANY * TURN; i++) {
        assert_int_equal(wpipe__loop_take(&loop, &received, &conn), 1);
        taken[conn - conns]++;
    }
    assert_int_equal(taken[MANY], MANY * TURN);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(taken[i], TURN);
    for (int i = 0; i <= MANY; i++)
        wpipe__budget_leave(&loop.budget, conns[i].account);
    wpipe__budget_done(&loop.budget);
    wpipe__received_done(&received);
    wpipe__loop_done(&loop);
}

/* ---- who has to go ------------------------------------------------------- */

enum {
    LIMIT = 8000
};

/* Connections of two users, and the last one that was ended. */
static struct wpipe__conn rich;
static struct wpipe__conn poor[2];
static struct wpipe__conn *ended;

static void note_end(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    (void)loop;
    ended = conn;
}

static struct wpipe__conn *find_greatest(
    struct wpipe__loop *loop, const struct wpipe__account *of,
    int (*is_greater)(const struct wpipe__conn *conn,
                      const struct wpipe__conn *other))
{
    struct wpipe__conn *all[] = { &rich, &poor[0], &poor[1] };
    struct wpipe__conn *best = NULL;

    (void)loop;
    for (int i = 0; i < 3; i++)
        if ((of == NULL || all[i]->account == of) &&
            (best == NULL || is_greater(all[i], best)))
            best = all[i];
    return best;
}

static void nothing_to_leave(struct wpipe__link *link, uint32_t state)
{
    (void)link;
    (void)state;
}

static void nothing_to_free(struct wpipe__link *link)
{
    (void)link;
}

static uint64_t nothing_unread(struct wpipe__link *link)
{
    (void)link;
    return 0;
}

static int all_drained(struct wpipe__link *link)
{
    (void)link;
    return 1;
}

static const struct wpipe__transport ending_transport = {
    .name = "ending",
    .drained = all_drained,
    .unread = nothing_unread,
    .leave = nothing_to_leave,
    .free = nothing_to_free,
};

static const struct wpipe__loop_owner ending_owner = {
    .ready = never_ready,
    .ended = note_end,
    .greatest = find_greatest,
};

static void join(struct wpipe__loop *loop, struct wpipe__link *link,
                 struct wpipe__conn *conn, uint32_t uid, uint64_t holds)
{
    struct wpipe__share share;

    *conn = (struct wpipe__conn){ .link = link, .uid = uid };
    wpipe__list_init(&conn->active);
    wpipe__list_init(&conn->notice);
    wpipe__list_init(&conn->aside);
    wpipe__list_init(&conn->half);
    assert_int_equal(
        wpipe__budget_join(loop->shared_budget, uid, &conn->account), 0);
    share = (struct wpipe__share){ loop->shared_budget, &conn->held,
                                   conn->account };
    wpipe__share_charge(&share, holds);
}

/* User 1 holds `rich_holds`; who asks is the second one of user 2. */
static struct wpipe__conn *who_goes(uint64_t rich_holds, uint64_t first,
                                    uint64_t second, uint64_t wants)
{
    wpipe_options options = { .size = sizeof options, .memory_limit = LIMIT };
    struct wpipe__link link = { .transport = &ending_transport };
    struct wpipe__loop loop;

    assert_int_equal(wpipe__loop_init(&loop, &ending_owner, &options), 0);
    join(&loop, &link, &rich, 1, rich_holds);
    join(&loop, &link, &poor[0], 2, first);
    join(&loop, &link, &poor[1], 2, second);
    ended = NULL;
    wpipe__loop_lock(&loop);
    wpipe__loop_make_room(&loop, &poor[1], wants);
    wpipe__loop_unlock(&loop);
    assert_int_equal(ended->reason, WPIPE_REASON_MEMORY);
    wpipe__conn_end(&rich, &loop.budget, 0, 0, 0);
    wpipe__conn_end(&poor[0], &loop.budget, 0, 0, 0);
    wpipe__conn_end(&poor[1], &loop.budget, 0, 0, 0);
    wpipe__budget_done(&loop.budget);
    wpipe__loop_done(&loop);
    return ended;
}

/* A user with connections that are small each, and over his share in all, does
 * not end what another one holds, however much that is. */
static void who_asks_for_little_pays_himself(void **state)
{
    (void)state;
    /* there is memory, only not for a share as small as his */
    assert_ptr_equal(who_goes(5000, 300, 100, 10), &poor[0]);
    assert_ptr_equal(who_goes(5000, 100, 300, 10), &poor[1]);
    /* there is none, and he is beyond his share of 2,000 */
    assert_ptr_equal(who_goes(5000, 2500, 500, 10), &poor[0]);
    /* there is none, and he has not had his share */
    assert_ptr_equal(who_goes(7900, 50, 40, 100), &rich);
}

/* ---- who has to go when too much is unread ------------------------------- */

static void receive(struct wpipe__loop *loop, struct wpipe__conn *conn,
                    uint64_t n)
{
    wpipe__budget_received(loop->shared_budget, conn->account, (int64_t)n);
    conn->received += n;
}

/* A user who is not here has unread all that there may be, as one on another
 * thread. What becomes of user 2, who has `unread` and comes by; user 1 is the
 * one on the other thread, too, if `same`. */
static struct wpipe__conn *who_is_shed(uint64_t unread, int same)
{
    wpipe_options options = { .size = sizeof options, .memory_limit = LIMIT };
    struct wpipe__link link = { .transport = &ending_transport };
    struct wpipe__conn away;
    struct wpipe__loop loop;

    assert_int_equal(wpipe__loop_init(&loop, &ending_owner, &options), 0);
    join(&loop, &link, &away, same ? 1 : 3, 0);
    join(&loop, &link, &rich, 1, 0);
    join(&loop, &link, &poor[0], 2, 0);
    join(&loop, &link, &poor[1], 2, 0);
    receive(&loop, &away, LIMIT + 1);
    receive(&loop, &poor[0], unread);
    ended = NULL;
    wpipe__loop_lock(&loop);
    wpipe__loop_shed(&loop, &poor[0]);
    wpipe__loop_unlock(&loop);
    wpipe__conn_end(&away, &loop.budget, 0, 0, 0);
    wpipe__conn_end(&rich, &loop.budget, 0, 0, 0);
    wpipe__conn_end(&poor[0], &loop.budget, 0, 0, 0);
    wpipe__conn_end(&poor[1], &loop.budget, 0, 0, 0);
    wpipe__budget_done(&loop.budget);
    wpipe__loop_done(&loop);
    return ended;
}

/* One with little unread does not pay for what another thread's have. */
static void little_unread_is_not_shed(void **state)
{
    (void)state;
    assert_null(who_is_shed(LIMIT / 4 / 3 - 1, 0));
    assert_null(who_is_shed(LIMIT / 4 / 2 - 1, 1));
}

/* One with much does, also while a user who has more is on another thread and
 * has nothing unread here. */
static void much_unread_is_shed_on_each_thread(void **state)
{
    (void)state;
    assert_ptr_equal(who_is_shed(LIMIT / 2, 0), &poor[0]);
    assert_ptr_equal(who_is_shed(LIMIT / 2, 1), &poor[0]);
}

/* ---- many sockets -------------------------------------------------------- */

enum {
    SOCKETS = 200 /* more than are asked for at a time */
};

static int asked;       /* sockets that were told as ready */
static int asked_awake; /* of those, by one that had stayed awake before */

static void note_ready(struct wpipe__loop *loop, uint64_t tag)
{
    (void)tag;
    asked++;
    asked_awake += loop->awake;
}

static const struct wpipe__loop_owner asking_owner = { .ready = note_ready };

/* While more sockets are ready than are asked for at a time it asks for the
 * rest, and does not stay awake in between. */
static void many_sockets_leave_no_time_to_spin(void **state)
{
    wpipe_options options = { .size = sizeof options, .spin_us = 10000 };
    struct wpipe__rest rest = { .timer = { WPIPE_FOREVER, 0 } };
    struct wpipe__loop loop;
    int fds[SOCKETS];
    int first;

    (void)state;
    assert_int_equal(wpipe__loop_init(&loop, &asking_owner, &options), 0);
    for (int i = 0; i < SOCKETS; i++) {
        fds[i] = eventfd(1, EFD_CLOEXEC);
        assert_int_not_equal(fds[i], -1);
        assert_int_equal(
            wpipe__os_poller_add(loop.poller, fds[i], (uint64_t)i + 1), 0);
    }
    asked = 0;
    asked_awake = 0;
    assert_int_equal(wpipe__loop_enter(&loop, &rest), 0);
    while (asked == 0)
        assert_int_equal(wpipe__loop_rest(&loop, &rest, 0), 0);
    first = asked;
    assert_true(first < SOCKETS);
    assert_int_equal(asked_awake, first);
    for (int i = 0; i < 10; i++)
        assert_int_equal(wpipe__loop_rest(&loop, &rest, 0), 0);
    assert_int_equal(asked_awake, first);
    assert_int_equal(asked, 11 * first);
    wpipe__loop_exit(&loop, &rest, 0);
    for (int i = 0; i < SOCKETS; i++)
        close(fds[i]);
    wpipe__loop_done(&loop);
}

static const struct support_case cases[] = {
    TEST(drain_that_ends_while_arming_is_seen),
    TEST(users_take_turns),
    TEST(who_asks_for_little_pays_himself),
    TEST(little_unread_is_not_shed),
    TEST(much_unread_is_shed_on_each_thread),
    TEST(many_sockets_leave_no_time_to_spin),
};

TEST_MAIN(cases)
