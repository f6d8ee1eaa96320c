/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's events: what the acceptor and the loop find, in order.
 */
#include "server/server.h"

#include <string.h>

#include "base/ring.h"
#include "connect/facts.h"
#include "loop/half.h"

static struct wpipe__shard *shard_of(struct wpipe__loop *loop)
{
    return wpipe__container_of(loop, struct wpipe__shard, loop);
}

/* ---- the loop's owner --------------------------------------------------- */

/* Clients that come, go or say nothing change when we have to look again. */
void wpipe__shard_set_timer(struct wpipe__shard *shard)
{
    struct wpipe_server *s = shard->server;
    uint64_t when = wpipe__min_u64(shard->loop.leave_at, shard->loop.half_at);

    when = wpipe__min_u64(when, shard->loop.calls.at);
    if (shard->number == 0 && !s->shut) {
        when = wpipe__min_u64(when, wpipe__acceptor_until(&s->acceptor));
        when = wpipe__min_u64(when, wpipe__refusals_due(&s->refusals));
    }
    wpipe__loop_set_timer(&shard->loop, when);
}

/* A slot is free. On the first shard, whose lock is the acceptor's. */
static void slot(struct wpipe_server *s)
{
    if (!s->shut)
        wpipe__acceptor_admit(&s->acceptor, UINT32_MAX);
    wpipe__shard_set_timer(&s->shards[0]);
}

static void on_ready(struct wpipe__loop *loop, uint64_t tag)
{
    struct wpipe__shard *shard = shard_of(loop);
    struct wpipe__conn *conn;

    if (tag == WPIPE__TAG_FLAG) {
        wpipe__loop_feed(loop);
        if (shard->number == 0)
            slot(shard->server);
        return;
    }
    if (tag == WPIPE__TAG_ACCEPTOR || tag == WPIPE__TAG_TIMER) {
        wpipe__loop_see_off(loop);
        wpipe__loop_half_turn(loop);
        wpipe__calls_expire(loop);
        if (shard->number == 0 && !shard->server->shut)
            wpipe__acceptor_turn(&shard->server->acceptor, UINT32_MAX);
        wpipe__shard_set_timer(shard);
        return;
    }
    conn = wpipe__table_find(&shard->clients, tag & ~WPIPE__SHARD_MASK);
    if (conn == NULL)
        return;
    wpipe__loop_pump(loop, conn);
    wpipe__loop_shed(loop, conn);
}

static void on_ended(struct wpipe__loop *loop, struct wpipe__conn *conn)
{
    struct wpipe__shard *shard = shard_of(loop);
    struct wpipe_server *s = shard->server;

    atomic_fetch_sub_explicit(&shard->connected, 1, memory_order_relaxed);
    wpipe__slots_give(s->slots, conn->uid);
    if (shard->number == 0)
        slot(s);
    else
        wpipe__loop_nudge(&s->shards[0].loop);
}

static struct wpipe__conn *greatest(
    struct wpipe__loop *loop, const struct wpipe__account *of,
    int (*is_greater)(const struct wpipe__conn *conn,
                      const struct wpipe__conn *other))
{
    struct wpipe__shard *shard = shard_of(loop);
    struct wpipe__conn *best = NULL;
    struct wpipe__conn *conn;
    size_t cursor = 0;

    while ((conn = wpipe__table_next(&shard->clients, &cursor)) != NULL)
        if (conn->account != NULL && (of == NULL || conn->account == of) &&
            (best == NULL || is_greater(conn, best)))
            best = conn;
    return best;
}

/* Memory became free that others wait for: on any shard. */
void wpipe__server_freed(struct wpipe__budget *budget)
{
    struct wpipe__loop *first =
        wpipe__container_of(budget, struct wpipe__loop, budget);
    struct wpipe_server *s = shard_of(first)->server;
    unsigned i;

    for (i = 0; i < s->shard_count; i++)
        wpipe__loop_nudge(&s->shards[i].loop);
}

const struct wpipe__loop_owner wpipe__server_loop_owner = {
    .ready = on_ready,
    .ended = on_ended,
    .greatest = greatest,
};

/* ---- the acceptor's owner ----------------------------------------------- */

static struct wpipe_server *host_of(struct wpipe__acceptor *a)
{
    return wpipe__container_of(a, struct wpipe_server, acceptor);
}

static void on_refused(struct wpipe__acceptor *a,
                       const struct wpipe__refusal *why)
{
    struct wpipe_server *s = host_of(a);

    if (wpipe__refusals_add(&s->refusals, why, wpipe__os_now()))
        wpipe__loop_attend(&s->shards[0].loop);
}

static void on_named(struct wpipe__acceptor *a, int error)
{
    struct wpipe_server *s = host_of(a);

    s->name_changed = 1; /* the last word is the one that counts */
    s->name_error = error;
    wpipe__loop_attend(&s->shards[0].loop);
}

/* A link that cannot be kept after all. */
static void send_away(struct wpipe_server *s, uint32_t uid, int error)
{
    struct wpipe__refusal why = { .reason = WPIPE_REASON_MEMORY,
                                  .error = error };

    if (error == WPIPE_ELIMIT)
        why.reason = WPIPE_REASON_FULL;
    else if (error == WPIPE_ENOTSUP)
        why.reason = WPIPE_REASON_DENIED;
    wpipe__slots_give(s->acceptor.slots, uid);
    s->acceptor.refused++;
    on_refused(&s->acceptor, &why);
}

/* Where the next client goes: to those with the fewest. */
static struct wpipe__shard *emptiest(struct wpipe_server *s)
{
    struct wpipe__shard *best = &s->shards[0];
    unsigned i;

    for (i = 1; i < s->shard_count; i++)
        if (atomic_load_explicit(&s->shards[i].connected,
                                 memory_order_relaxed) <
            atomic_load_explicit(&best->connected, memory_order_relaxed))
            best = &s->shards[i];
    return best;
}

static int keep(struct wpipe__shard *shard, struct wpipe__conn *conn)
{
    uint64_t id;
    int r = wpipe__table_add(&shard->clients, conn, &id);

    if (r < 0)
        return r;
    conn->id = id | (uint64_t)shard->number << WPIPE__SHARD_SHIFT;
    r = id & WPIPE__SHARD_MASK ? WPIPE_ELIMIT
                               : wpipe__loop_join(&shard->loop, conn);
    if (r < 0)
        (void)wpipe__table_remove(&shard->clients, id);
    return r;
}

/* Make it one of the shard's. 0; < 0, and it is gone. */
static int take_in(struct wpipe__shard *shard, struct wpipe__conn *conn)
{
    struct wpipe__link *link = conn->link;
    int r = 0;

    if (shard->server->options.shared_memory == WPIPE_SHARED_REQUIRED &&
        link->transport->shared(link) < 0)
        r = WPIPE_ENOTSUP;
    if (r == 0)
        r = keep(shard, conn);
    if (r < 0) {
        wpipe__conn_end(conn, shard->loop.shared_budget,
                        WPIPE__STATE_DISCONNECTED, WPIPE_REASON_DENIED, r);
        wpipe__conn_free(conn, shard->loop.shared_budget);
        return r;
    }
    atomic_fetch_add_explicit(&shard->connected, 1, memory_order_relaxed);
    wpipe__loop_tell(&shard->loop, conn, WPIPE__TELL_CONNECTED);
    return 0;
}

static void on_admitted(struct wpipe__acceptor *a, struct wpipe__link *link)
{
    struct wpipe_server *s = host_of(a);
    struct wpipe__shard *shard = emptiest(s);
    uint32_t uid = link->peer.uid;
    struct wpipe__conn *conn;
    int r = wpipe__conn_make(link, &s->options, &conn);

    if (r == 0) {
        wpipe__shard_enter(shard);
        r = take_in(shard, conn);
        wpipe__shard_leave(shard);
    }
    if (r < 0)
        send_away(s, uid, r);
}

static int describe_client(struct wpipe__shard *shard, struct wpipe__conn *conn,
                           struct wpipe__buffer *ret)
{
    struct wpipe__link *link = conn->link;
    uint64_t now = wpipe__os_now();
    struct wpipe__link_fact fact = {
        .id = conn->id,
        .uid = link->peer.uid,
        .gid = link->peer.gid,
        .pid = link->peer.pid,
        .shared = (uint32_t)wpipe__loop_shared(&shard->loop, conn),
        .messages_in = conn->messages_in,
        .messages_out = conn->messages_out,
        .bytes_in = conn->bytes_in,
        .bytes_out = conn->bytes_out,
        .queued = conn->outbox.bytes,
        .age_us = (now - conn->since) / 1000,
        .dropped = conn->dropped,
    };

    wpipe__conn_note_use(conn);
    now = wpipe__max_u64(now, conn->used_at);
    fact.idle_us = (now - conn->used_at) / 1000;
    return wpipe__facts_add(ret, &fact);
}

static int describe_shard(struct wpipe__shard *shard, unsigned *left,
                          struct wpipe__buffer *ret)
{
    struct wpipe__conn *conn;
    size_t cursor = 0;
    int r = 0;

    while (r == 0 && *left > 0 &&
           (conn = wpipe__table_next(&shard->clients, &cursor)) != NULL) {
        if (conn->link == NULL)
            continue;
        r = describe_client(shard, conn, ret);
        wpipe__loop_shed(&shard->loop, conn); /* asking it receives, too */
        (*left)--;
    }
    return r;
}

static int on_describe(struct wpipe__acceptor *a, struct wpipe__buffer *ret)
{
    struct wpipe_server *s = host_of(a);
    wpipe_pipe_facts facts = { .size = sizeof(facts) };
    unsigned left = WPIPE__FACTS_LINKS;
    unsigned i;
    int r;

    facts.type = s->options.type;
    facts.access = s->options.access;
    facts.clients = (uint32_t)wpipe__server_connected(s);
    facts.max_clients = s->options.max_clients;
    facts.total_clients = a->total;
    facts.refused = a->refused;
    r = wpipe__facts_begin(ret, &facts);
    for (i = 0; r == 0 && i < s->shard_count; i++) {
        wpipe__shard_enter(&s->shards[i]);
        r = describe_shard(&s->shards[i], &left, ret);
        wpipe__shard_leave(&s->shards[i]);
    }
    return r;
}

const struct wpipe__acceptor_owner wpipe__server_acceptor_owner = {
    .admitted = on_admitted,
    .refused = on_refused,
    .named = on_named,
    .describe = on_describe,
};

/* ---- the next event ----------------------------------------------------- */

static int next_refusal(struct wpipe_server *s, wpipe_event *ret_event)
{
    struct wpipe__refusal why;
    uint64_t count;

    if (s->refusals.waiting == 0 ||
        !wpipe__refusals_next(&s->refusals, wpipe__os_now(), &why, &count))
        return 0;
    memset(ret_event, 0, sizeof(*ret_event));
    ret_event->type = WPIPE_EVENT_REFUSED;
    ret_event->reason = why.reason;
    ret_event->error = why.error;
    ret_event->os_error = why.os_error;
    ret_event->count = count;
    wpipe__log_refused(s->log, why.reason, why.error, count);
    wpipe__shard_set_timer(&s->shards[0]);
    return 1;
}

static int next_name(struct wpipe_server *s, wpipe_event *ret_event)
{
    if (!s->name_changed)
        return 0;
    s->name_changed = 0;
    memset(ret_event, 0, sizeof(*ret_event));
    ret_event->type = WPIPE_EVENT_NAME;
    ret_event->error = s->name_error;
    return 1;
}

static int next_notice(struct wpipe__shard *shard, wpipe_event *ret_event)
{
    struct wpipe__conn *conn;

    if (!wpipe__loop_notice(&shard->loop, ret_event, &conn))
        return 0;
    if (ret_event->type != WPIPE_EVENT_DISCONNECTED)
        return 1;
    /* a client cannot kick a server: it left, saying that it threw away what
     * we sent */
    if (conn->error == WPIPE_EDISCONNECTED &&
        conn->reason == WPIPE_REASON_KICKED)
        ret_event->reason = WPIPE_REASON_CLOSED;
    (void)wpipe__table_remove(&shard->clients, conn->id & ~WPIPE__SHARD_MASK);
    wpipe__conn_free(conn, shard->loop.shared_budget);
    return 1;
}

/* A call that ended without an answer. */
static int next_ended_call(struct wpipe__shard *shard, wpipe_event *ret_event)
{
    const struct wpipe__conn *conn;

    if (!wpipe__calls_next_ended(&shard->loop, ret_event))
        return 0;
    conn = wpipe__table_find(&shard->clients,
                             ret_event->from & ~WPIPE__SHARD_MASK);
    ret_event->user = conn == NULL ? NULL : conn->user;
    return 1;
}

static int next_message(struct wpipe__shard *shard, wpipe_event *ret_event)
{
    struct wpipe__received *received = &shard->received;
    struct wpipe__conn *conn;
    int r = wpipe__loop_take(&shard->loop, received, &conn);

    if (r != 1)
        return r;
    memset(ret_event, 0, sizeof(*ret_event));
    ret_event->type = WPIPE_EVENT_MESSAGE;
    ret_event->request = received->kind != 0 ? received->request : 0;
    if (received->kind == WPIPE__RECORD_REPLY) {
        if (!wpipe__calls_answered(&shard->loop, conn, received))
            return 2; /* a thread has it, or nobody waits for it */
        ret_event->type = WPIPE_EVENT_REPLY;
    }
    ret_event->from = conn->id;
    ret_event->user = conn->user;
    ret_event->data = wpipe__received_data(received);
    ret_event->size = wpipe__received_size(received);
    return 1;
}

/* 1 an event; 0 none; 2 none yet, but there is more to look at. */
static int find_event(struct wpipe__shard *shard, wpipe_event *ret_event)
{
    int r;

    wpipe__loop_glance(&shard->loop);
    r = next_ended_call(shard, ret_event); /* before the end of its client */
    if (r == 0)
        r = next_notice(shard, ret_event);
    if (r == 0 && shard->number == 0)
        r = next_refusal(shard->server, ret_event);
    if (r == 0 && shard->number == 0)
        r = next_name(shard->server, ret_event);
    if (r == 0)
        r = next_message(shard, ret_event);
    return r;
}

/* Are the events of this shard for the handlers alone? */
static int is_served(const struct wpipe__shard *shard)
{
    return shard->server->shard_count > 1 ||
           shard->server->thread_state != WPIPE__THREAD_NONE;
}

int wpipe__shard_next(struct wpipe__shard *shard, wpipe_event *ret_event,
                      int timeout_ms, int own)
{
    struct wpipe__rest rest = { .timer = { timeout_ms, 0 } };
    struct wpipe__loop *loop = &shard->loop;
    int r = wpipe__loop_enter(loop, &rest);

    if (r < 0)
        return r;
    do {
        r = 0;
        if (loop->stopped || loop->closing)
            break;
        if (!own && is_served(shard)) {
            r = WPIPE_ESTATE;
            break;
        }
        shard->waiter = own ? 0 : wpipe__os_thread();
        if (wpipe__loop_woken(loop, &rest))
            break;
        r = find_event(shard, ret_event);
        if (r == 1)
            break;
        r = wpipe__loop_rest(loop, &rest, r == 2);
    } while (r == 0);
    wpipe__loop_exit(loop, &rest, r == 1);
    return r;
}

int wpipe_server_wait(wpipe_server *server, wpipe_event *ret_event,
                      int timeout_ms)
{
    if (server == NULL || ret_event == NULL || !wpipe__is_timeout(timeout_ms))
        return WPIPE_EINVAL;
    return wpipe__shard_next(&server->shards[0], ret_event, timeout_ms, 0);
}
