/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's ends in good order: drain, disconnect, shutdown, close.
 */
#include <string.h>

#include "loop/linger.h"
#include "server/server.h"

/* ---- drain -------------------------------------------------------------- */

static int drain_one(wpipe_server *s, wpipe_id who, struct wpipe__rest *rest)
{
    struct wpipe__lane *lane;
    struct wpipe__conn *conn;
    int r = wpipe__server_lock(s, who, &lane);

    if (r < 0)
        return r;
    conn = wpipe__table_find(&lane->clients, who & ~WPIPE__LANE_MASK);
    r = conn == NULL ? WPIPE_ENOTCONN
                     : wpipe__loop_drain(&lane->loop, conn, rest);
    wpipe__loop_unlock(&lane->loop);
    return r;
}

/* One after the other: what was sent before the call has been read then. */
static int drain_lane(struct wpipe__lane *lane, struct wpipe__rest *rest)
{
    struct wpipe__conn *conn;
    size_t cursor = 0;
    int r = wpipe__loop_use(&lane->loop);

    if (r < 0)
        return r;
    while (r == 0 &&
           (conn = wpipe__table_next(&lane->clients, &cursor)) != NULL) {
        r = wpipe__loop_drain(&lane->loop, conn, rest);
        if (r == WPIPE_ENOTCONN)
            r = 0; /* its end tells */
    }
    wpipe__loop_unlock(&lane->loop);
    return r;
}

int wpipe_server_drain(wpipe_server *server, wpipe_id who, int timeout_ms)
{
    struct wpipe__rest rest = { .timer = { timeout_ms, 0 } };
    unsigned i;
    int r = 0;

    if (server == NULL)
        return WPIPE_EINVAL;
    if (who != WPIPE_ALL)
        return drain_one(server, who, &rest);
    for (i = 0; r == 0 && i < server->lane_count; i++)
        r = drain_lane(&server->lanes[i], &rest);
    return r;
}

/* ---- the end of one ----------------------------------------------------- */

int wpipe_server_disconnect(wpipe_server *server, wpipe_id who)
{
    struct wpipe__lane *lane;
    struct wpipe__conn *conn;
    int r;

    if (server == NULL)
        return WPIPE_EINVAL;
    r = wpipe__server_lock(server, who, &lane);
    if (r < 0)
        return r;
    conn = wpipe__lane_client(lane, who);
    r = conn == NULL ? WPIPE_ENOTCONN
                     : wpipe__loop_disconnect(&lane->loop, conn,
                                              server->options.linger_ms);
    wpipe__lane_set_timer(lane);
    wpipe__loop_unlock(&lane->loop);
    return r;
}

/* ---- the end of all ----------------------------------------------------- */

static struct wpipe__conn *next_client(void *user, size_t *cursor)
{
    const struct wpipe__lane *lane = user;

    return wpipe__table_next(&lane->clients, cursor);
}

/* The name is given back first: a new server may begin while we linger. */
static void give_name_back(struct wpipe_server *s)
{
    wpipe__loop_lock(&s->lanes[0].loop);
    if (!s->shut)
        wpipe__acceptor_close(&s->acceptor);
    s->shut = 1;
    wpipe__loop_unlock(&s->lanes[0].loop);
}

int wpipe__server_end(struct wpipe_server *s, int timeout_ms,
                      enum wpipe__until until, wpipe_lost *lost)
{
    struct wpipe__linger loops[WPIPE_THREADS_MAX];
    unsigned i;

    wpipe_server_stop(s);
    give_name_back(s);
    for (i = 0; i < s->lane_count; i++) {
        loops[i].loop = &s->lanes[i].loop;
        loops[i].next = next_client;
        loops[i].user = &s->lanes[i];
    }
    return wpipe__linger(loops, s->lane_count, timeout_ms, until, lost);
}

int wpipe_server_shutdown(wpipe_server *server, int timeout_ms,
                          wpipe_lost *ret_lost)
{
    wpipe_lost lost = { .size = sizeof(lost) };
    int r;

    if (server == NULL || wpipe__lost_check(ret_lost) < 0)
        return WPIPE_EINVAL;
    if (server->lanes[0].loop.generation != wpipe__os_generation() ||
        wpipe__server_own_thread(server))
        return WPIPE_ESTATE;
    r = wpipe__server_end(server, timeout_ms, WPIPE__UNTIL_READ, &lost);
    wpipe__lost_give(&lost, ret_lost);
    return r;
}
