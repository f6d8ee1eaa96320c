/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a client comes by its connection without blocking: it looks for the
 * server when it is told that one appeared (the watch of the name), and after a
 * delay that grows when the server was there and did not take us. A server with
 * second pipes sends it on: then it looks for the pipe it was sent to, and for
 * the first one again when that does not come.
 */
#include "client/client.h"

#include "base/ring.h"
#include "connect/connect.h"
#include "loop/half.h"

enum {
    DELAY_FIRST_MS = 10, /* the retry before it is made at once */
    DELAY_MOST_MS = 1000,
    DIAL_SHORTENS = 10,     /* a delay to a tenth */
    STEADY_NS = 1000000000, /* a connection that held so long was a good one */
    REST_MS = 50            /* until the watch can be closed at no cost */
};

static struct wpipe_client *client_of(struct wpipe__loop *loop)
{
    return wpipe__container_of(loop, struct wpipe_client, loop);
}

/* Who waits for a connection beside a call is to look again. */
static void tell_followers(struct wpipe_client *c)
{
    wpipe__waiters_tell(&c->loop.waiters);
}

static void set_timer(struct wpipe_client *c)
{
    uint64_t when = wpipe__min_u64(c->retry_at, c->give_up);

    when = wpipe__min_u64(when, c->loop.calls.at);
    wpipe__loop_set_timer(&c->loop, wpipe__min_u64(when, c->loop.half_at));
}

/* ---- the watch of the name
 * ---------------------------------------------------------- */

static void poll_name_watch(struct wpipe_client *c)
{
    c->listening = 1;
    if (c->name_watch.watch != WPIPE__NO_HANDLE &&
        wpipe__os_poller_add(c->loop.poller, c->name_watch.watch,
                             WPIPE__TAG_NAME_WATCH) < 0)
        wpipe__name_watch_done(&c->name_watch);
}

static void rest_name_watch(struct wpipe_client *c)
{
    if (c->listening && c->name_watch.watch != WPIPE__NO_HANDLE) {
        wpipe__os_poller_remove(c->loop.poller, c->name_watch.watch);
        wpipe__name_watch_rest(&c->name_watch);
    }
    c->listening = 0;
}

/* The options for the pipe that we look for now. */
static wpipe_options look_options(const struct wpipe_client *c)
{
    return c->second[0] == '\0'
               ? c->options
               : wpipe__introduced_options(&c->introduced, &c->options);
}

static const char *look_name(const struct wpipe_client *c)
{
    return c->second[0] == '\0' ? c->name : c->second;
}

/* Hear of new doors: before the look that counts. A watch that comes only now
 * is polled from now on. */
static void listen_up(struct wpipe_client *c)
{
    const wpipe_options options = look_options(c);
    wpipe__handle before = c->name_watch.watch;

    if (before == WPIPE__NO_HANDLE)
        wpipe__name_watch_open(&c->name_watch);
    else
        wpipe__name_watch_listen(&c->name_watch);
    c->silent = wpipe__connect_watch(look_name(c), &options, &c->name_watch);
    if (!c->listening || c->name_watch.watch != before)
        poll_name_watch(c);
}

/* ---- one try ------------------------------------------------------------ */

static void drop_greeting(struct wpipe_client *c)
{
    struct wpipe__link *link = c->greeting;

    if (link == NULL)
        return;
    c->greeting = NULL;
    wpipe__os_poller_remove(c->loop.poller, link->socket);
    link->transport->leave(link, WPIPE__STATE_CLOSED);
    link->transport->free(link);
}

static void drop_introduction(struct wpipe_client *c)
{
    if (c->introduced.socket == WPIPE__NO_HANDLE)
        return;
    wpipe__os_poller_remove(c->loop.poller, c->introduced.socket);
    wpipe__introduced_done(&c->introduced);
}

/* Reconnecting clients never give up; others do on an answer that stays. */
static int is_final(const struct wpipe_client *c, int error)
{
    if (c->options.flags & WPIPE_RECONNECT)
        return 0;
    return !wpipe__connect_may_retry(error) ||
           (c->give_up != UINT64_MAX && wpipe__os_now() >= c->give_up);
}

static void give_up(struct wpipe_client *c, int error)
{
    wpipe__client_stop_trying(c);
    c->failure = error == WPIPE_EAGAIN ? WPIPE_EBUSY : error;
    c->state = WPIPE__CLIENT_FAILED;
    wpipe__loop_attend(&c->loop);
}

/* The second pipe may come a moment after its name. 1 when we go on looking
 * for it; 0 when it is the first one's turn again. */
static int look_on(struct wpipe_client *c, int error)
{
    if (c->second[0] == '\0')
        return 0;
    if ((error == WPIPE_ENOTFOUND || error == WPIPE_EAGAIN) &&
        wpipe__os_now() < c->second_until) {
        c->retry_at = c->silent || error == WPIPE_EAGAIN
                          ? wpipe__os_deadline(DELAY_FIRST_MS)
                          : wpipe__name_watch_until(&c->name_watch, error);
        c->retry_at = wpipe__min_u64(c->retry_at, c->second_until);
        set_timer(c);
        return 1;
    }
    c->second[0] = '\0';
    return 0;
}

static void lengthen_delay(struct wpipe_client *c)
{
    c->delay_ms = c->delay_ms == 0 ? DELAY_FIRST_MS : c->delay_ms * 2;
    if (c->delay_ms > DELAY_MOST_MS)
        c->delay_ms = DELAY_MOST_MS;
}

static void try_failed(struct wpipe_client *c, int error)
{
    int sent_on = c->second[0] != '\0';

    if (look_on(c, error))
        return;
    if (sent_on && wpipe__connect_may_retry(error))
        error = WPIPE_EPIPE; /* the server was there, and went away */
    else if (sent_on && error == WPIPE_ENAME)
        error = WPIPE_EPROTO;
    c->failure = error;
    if (is_final(c, error)) {
        give_up(c, error);
        return;
    }
    if (error == WPIPE_ENOTFOUND && !c->silent) {
        c->retry_at = wpipe__name_watch_until(&c->name_watch, error);
        c->looking = !c->name_watch.blind;
    } else {
        c->retry_at = wpipe__os_deadline(c->delay_ms);
        lengthen_delay(c);
    }
    set_timer(c);
}

/* How far is the greeting? 1 done; 0 not yet; < 0. */
static int check_greeting(struct wpipe_client *c)
{
    struct wpipe__link *link = c->greeting;
    int r = wpipe__native_greeted(link);

    if (r != WPIPE__GREET_DONE)
        return r < 0 ? r : 0;
    if (c->options.shared_memory != WPIPE_SHARED_REQUIRED)
        return 1;
    r = link->transport->shared(link);
    return r > 0 ? 1 : r; /* we write there; the server will, see connect.c */
}

static void go_on_greeting(struct wpipe_client *c)
{
    struct wpipe__link *link = c->greeting;
    int r;

    if (link == NULL)
        return;
    r = check_greeting(c);
    if (r < 0) {
        drop_greeting(c);
        try_failed(c, r);
    } else if (r > 0) {
        c->greeting = NULL;
        wpipe__os_poller_remove(c->loop.poller, link->socket);
        r = wpipe__client_connected(c, link);
        if (r < 0)
            try_failed(c, r);
    }
}

/* Say hello on a new socket. */
static int greet(struct wpipe_client *c, wpipe__handle socket)
{
    struct wpipe__link *link = NULL;
    int r = wpipe__native_dial(socket, &c->options, 1, 0, &link);

    if (r < 0)
        return r;
    r = wpipe__os_poller_add(c->loop.poller, link->socket, WPIPE__TAG_GREETING);
    if (r < 0) {
        link->transport->free(link);
        return r;
    }
    c->greeting = link;
    return 0;
}

/* At the first door: hear where to go. */
static int hear(struct wpipe_client *c, wpipe__handle socket)
{
    int r = wpipe__introduced_begin(&c->introduced, socket);

    if (r == 0)
        r = wpipe__os_poller_add(c->loop.poller, c->introduced.socket,
                                 WPIPE__TAG_GREETING);
    if (r < 0)
        wpipe__introduced_done(&c->introduced);
    return r;
}

/* Find the server; 0 when it is being greeted or heard, or needs neither. */
static int dial(struct wpipe_client *c)
{
    const wpipe_options options = look_options(c);
    wpipe__handle socket = WPIPE__NO_HANDLE;
    struct wpipe__link *link = NULL;
    int foreign = 0;
    int r = wpipe__connect_find(look_name(c), &options, &socket, &foreign);

    if (r == WPIPE_ENOTFOUND && !c->listening) {
        listen_up(c);
        r = wpipe__connect_find(look_name(c), &options, &socket, &foreign);
    }
    if (r < 0)
        return r;
    if (!foreign)
        return greet(c, socket);
    if (options.second_pipe != WPIPE_SECOND_PIPE_NONE)
        return hear(c, socket);
    c->second[0] = '\0';
    r = wpipe__foreign_make(socket, &c->options, &link);
    return r < 0 ? r : wpipe__client_connected(c, link);
}

static void go_on_hearing(struct wpipe_client *c);

static void try_now(struct wpipe_client *c)
{
    int r;

    if (c->listening)
        listen_up(c); /* forgets what was heard, too */
    if (c->greeting != NULL || c->introduced.socket != WPIPE__NO_HANDLE)
        return;
    c->retry_at = UINT64_MAX;
    c->looking = 0;
    r = dial(c);
    if (r < 0) {
        try_failed(c, r);
        return;
    }
    set_timer(c);
    go_on_greeting(c);
    go_on_hearing(c);
}

/* What does the server say? When it has told a name, look for that pipe. */
static void go_on_hearing(struct wpipe_client *c)
{
    int r;

    if (c->introduced.socket == WPIPE__NO_HANDLE)
        return;
    r = wpipe__introduced_read(&c->introduced, c->name, c->second);
    if (r == 0)
        return;
    drop_introduction(c);
    if (r < 0) {
        try_failed(c, r);
        return;
    }
    c->second_until = wpipe__os_deadline(c->options.handshake_ms);
    try_now(c);
}

/* A door has appeared. It may be that of a new server, which the delay is not
 * meant for; but it may be anybody's, so a delay gets shorter, and not void. */
static void hear_name_watch(struct wpipe_client *c)
{
    uint64_t soon = wpipe__os_deadline(c->delay_ms / DIAL_SHORTENS);

    if (c->retry_at == UINT64_MAX || c->looking) {
        try_now(c);
        return;
    }
    listen_up(c); /* or it would be heard again at once */
    c->retry_at = wpipe__min_u64(c->retry_at, soon);
    set_timer(c);
}

/* ---- the loop's owner --------------------------------------------------- */

static void on_timer(struct wpipe_client *c)
{
    if (c->state == WPIPE__CLIENT_UP) {
        wpipe__loop_half_turn(&c->loop);
        wpipe__calls_expire(&c->loop);
        if (c->state == WPIPE__CLIENT_UP && wpipe__os_now() >= c->retry_at) {
            wpipe__name_watch_done(
                &c->name_watch); /* it has rested long enough */
            c->retry_at = UINT64_MAX;
        }
        set_timer(c);
        return;
    }
    if (wpipe__os_now() >= c->give_up)
        give_up(c, c->failure < 0 ? c->failure : WPIPE_ETIMEDOUT);
    else
        try_now(c);
}

static void on_ready(struct wpipe__loop *loop, uint64_t tag)
{
    struct wpipe_client *c = client_of(loop);

    if (tag == WPIPE__TAG_FLAG)
        wpipe__loop_feed(loop);
    if (tag == WPIPE__TAG_GREETING) {
        go_on_greeting(c);
        go_on_hearing(c);
    }
    if (tag == WPIPE__TAG_NAME_WATCH && c->listening)
        hear_name_watch(c);
    else if (tag == WPIPE__TAG_TIMER)
        on_timer(c);
    else if (c->conn != NULL && c->conn->id == tag)
        wpipe__loop_pump(loop, c->conn);
}

/* Try again, or it is over; the end is told by and by. */
static void on_ended(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    struct wpipe_client *c = client_of(loop);
    int lost = conn->lost_messages > 0 || conn->lost_bytes > 0 ||
               (conn->drainers > 0 && conn->error == WPIPE_EDISCONNECTED);

    c->conn = NULL;
    if (lost)
        c->lossy = conn->id;
    if (!(c->options.flags & WPIPE_RECONNECT) || loop->closing) {
        wpipe__client_stop_trying(c); /* its timer */
        c->state = WPIPE__CLIENT_OVER;
        return;
    }
    if (wpipe__os_now() - c->up_since >= STEADY_NS)
        c->delay_ms = 0;
    wpipe__client_try(c);
    if (c->delay_ms > 0)
        listen_up(c);
    lengthen_delay(c);
}

const struct wpipe__loop_owner wpipe__client_loop_owner = {
    .ready = on_ready,
    .ended = on_ended,
};

/* ---- up and down -------------------------------------------------------- */

void wpipe__client_try(struct wpipe_client *c)
{
    c->state = WPIPE__CLIENT_TRYING;
    c->failure = 0;
    c->looking = 0;
    c->retry_at = wpipe__os_deadline(c->delay_ms);
    set_timer(c);
    wpipe__loop_attend(&c->loop);
}

/* A number that was never used, and whose low half is not 0: it is a tag. */
static uint64_t next_id(struct wpipe_client *c)
{
    do
        c->last_id++;
    while ((c->last_id & UINT32_MAX) == 0);
    return c->last_id;
}

int wpipe__client_connected(struct wpipe_client *c, struct wpipe__link *link)
{
    struct wpipe__conn *conn;
    int r = wpipe__conn_make(link, &c->options, &conn);

    if (r < 0)
        return r;
    conn->id = next_id(c);
    r = wpipe__loop_join(&c->loop, conn);
    if (r < 0) {
        wpipe__conn_end(conn, &c->loop.budget, WPIPE__STATE_CLOSED,
                        WPIPE_REASON_CLOSED, 0);
        wpipe__conn_free(conn, &c->loop.budget);
        return r;
    }
    c->conn = conn;
    c->state = WPIPE__CLIENT_UP;
    c->up_since = wpipe__os_now();
    c->give_up = UINT64_MAX;
    rest_name_watch(c);
    c->retry_at = c->name_watch.watch == WPIPE__NO_HANDLE
                      ? UINT64_MAX
                      : wpipe__os_deadline(REST_MS);
    set_timer(c);
    wpipe__loop_activate(&c->loop, conn);
    if (c->options.flags & (WPIPE_RECONNECT | WPIPE_CONNECT_LATER))
        wpipe__loop_tell(&c->loop, conn, WPIPE__TELL_CONNECTED);
    tell_followers(c);
    return 0;
}

void wpipe__client_stop_trying(struct wpipe_client *c)
{
    drop_greeting(c);
    drop_introduction(c);
    c->second[0] = '\0';
    rest_name_watch(c);
    wpipe__name_watch_done(&c->name_watch);
    c->retry_at = UINT64_MAX;
    c->give_up = UINT64_MAX;
    set_timer(c);
}
