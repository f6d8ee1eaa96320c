/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several loops are driven by one thread, in turn.
 */
#include "loop/linger.h"

enum {
    LOOK_MS = 2, /* how often to ask what gives no sign */
    SLICE_MS = 5 /* of one loop, while others wait, too */
};

/* From here on nothing is accepted; and no stop or wake of before is to end
 * our waits. */
static void begin(struct wpipe__linger *l, enum wpipe__until until)
{
    struct wpipe__conn *conn;
    size_t cursor = 0;

    wpipe__loop_lock(l->loop);
    l->loop->closing = 1;
    l->loop->stopped = 0;
    while ((conn = l->next(l->user, &cursor)) != NULL) {
        if (conn->link == NULL)
            continue;
        wpipe__calls_end(l->loop, conn, WPIPE_ENOTCONN); /* nobody reads */
        if (until == WPIPE__UNTIL_READ)
            wpipe__loop_drainer(l->loop, conn, 1);
        wpipe__loop_activate(l->loop, conn);
    }
    l->waiting = 1;
    wpipe__loop_attend(l->loop);
    wpipe__loop_unlock(l->loop);
}

/* How long to sleep: 0 nothing to wait for; LOOK_MS; WPIPE_FOREVER. Locked. */
static int wait_ms(struct wpipe__linger *l, enum wpipe__until until)
{
    struct wpipe__conn *conn;
    size_t cursor = 0;
    int ms = 0;

    while ((conn = l->next(l->user, &cursor)) != NULL) {
        struct wpipe__link *link = conn->link;

        if (link == NULL)
            continue;
        (void)wpipe__conn_flush(conn, l->loop->shared_budget);
        if (wpipe__loop_reached(l->loop, conn, until) != 0)
            continue;
        if (link->transport->interest(link) & WPIPE__INTEREST_SOON)
            return LOOK_MS;
        ms = WPIPE_FOREVER;
    }
    return ms;
}

/* Look at all of one loop, and sleep for it; `alone`: no other waits. */
static void turn(struct wpipe__linger *l, enum wpipe__until until,
                 uint64_t deadline, int alone)
{
    struct wpipe__rest rest = { .timer = { WPIPE_FOREVER, deadline } };
    int ms;

    wpipe__loop_lock(l->loop);
    ms = wait_ms(l, until);
    l->waiting = ms != 0;
    if (ms == WPIPE_FOREVER && !alone)
        ms = SLICE_MS;
    if (ms > 0)
        rest.timer.deadline = wpipe__min_u64(deadline, wpipe__os_deadline(ms));
    if (l->waiting && wpipe__os_now() < deadline)
        (void)wpipe__loop_follow(l->loop, &rest);
    wpipe__loop_unlock(l->loop);
}

static unsigned count_waiting(const struct wpipe__linger *loops, unsigned count)
{
    unsigned waiting = 0;
    unsigned i;

    for (i = 0; i < count; i++)
        waiting += loops[i].waiting != 0;
    return waiting;
}

static void end_all(struct wpipe__linger *l, wpipe_lost *lost)
{
    struct wpipe__conn *conn;
    size_t cursor = 0;

    wpipe__loop_lock(l->loop);
    while ((conn = l->next(l->user, &cursor)) != NULL) {
        if (conn->link == NULL)
            continue;
        wpipe__loop_close(l->loop, conn);
        wpipe__lost_add(lost, conn);
    }
    wpipe__loop_unlock(l->loop);
}

int wpipe__linger(struct wpipe__linger *loops, unsigned count, int timeout_ms,
                  enum wpipe__until until, wpipe_lost *lost)
{
    uint64_t deadline = wpipe__os_deadline(timeout_ms);
    unsigned waiting = count;
    unsigned i;
    int over;

    for (i = 0; i < count; i++)
        begin(&loops[i], until);
    do {
        over = deadline == 0 || wpipe__os_now() >= deadline;
        for (i = 0; i < count; i++)
            if (loops[i].waiting)
                turn(&loops[i], until, deadline, waiting == 1);
        waiting = count_waiting(loops, count);
    } while (waiting > 0 && !over);
    for (i = 0; i < count; i++)
        end_all(&loops[i], lost);
    return waiting > 0 ? WPIPE_ETIMEDOUT : 0;
}
