/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open calls, by id and by connection. Deadlines are looked for by going
 * through all of them, at most once a millisecond: timeouts are milliseconds,
 * and most calls are answered.
 */
#include "loop/calls.h"

#include <string.h>

#include "base/memory.h"
#include "base/ring.h"
#include "loop/loop.h"

enum {
    LOOK_NS = 1000000, /* between two looks at the deadlines */
    ANSWERS_KEPT = 16  /* threads whose end is not looked for */
};

/* Where the last answer of a thread lies. */
struct thread_answer {
    struct wpipe__list node;
    uint32_t thread;
    struct wpipe__received received;
};

static struct wpipe__call *call_of(struct wpipe__list *node)
{
    return wpipe__container_of(node, struct wpipe__call, node);
}

static struct thread_answer *answer_of(struct wpipe__list *node)
{
    return wpipe__container_of(node, struct thread_answer, node);
}

/* ---- life --------------------------------------------------------------- */

void wpipe__calls_init(struct wpipe__calls *calls)
{
    memset(calls, 0, sizeof(*calls));
    wpipe__list_init(&calls->ended);
    wpipe__list_init(&calls->answers);
    calls->at = UINT64_MAX;
}

static void drop_answer(struct wpipe__calls *calls, struct thread_answer *a)
{
    wpipe__list_remove(&a->node);
    wpipe__received_done(&a->received);
    wpipe__free(a);
    calls->answer_count--;
}

void wpipe__calls_done(struct wpipe__calls *calls)
{
    struct wpipe__list *node;
    struct wpipe__call *call;
    size_t cursor = 0;

    if (calls->ended.next == NULL)
        return; /* never initialized */
    while ((call = wpipe__table_next(&calls->open, &cursor)) != NULL)
        if (call->answer == NULL)
            wpipe__free(call);
    wpipe__table_done(&calls->open);
    while ((node = wpipe__list_first(&calls->ended)) != NULL) {
        wpipe__list_remove(node);
        wpipe__free(call_of(node));
    }
    while ((node = wpipe__list_first(&calls->answers)) != NULL)
        drop_answer(calls, answer_of(node));
}

/* ---- open --------------------------------------------------------------- */

static uint64_t slot_of(const struct wpipe__calls *calls, uint64_t id)
{
    return id & ~calls->mark;
}

/* It is open no more. */
static void leave(struct wpipe__calls *calls, struct wpipe__call *call)
{
    (void)wpipe__table_remove(&calls->open, slot_of(calls, call->id));
    wpipe__list_remove(&call->node);
    if (wpipe__table_count(&calls->open) == 0)
        calls->at = UINT64_MAX;
}

int wpipe__call_send(struct wpipe__loop *loop, struct wpipe__conn *conn,
                     struct wpipe__call *call, struct wpipe__outgoing *outgoing,
                     int want_writable)
{
    struct wpipe__calls *calls = &loop->calls;
    uint64_t slot;
    int r;

    if (conn->finished)
        return WPIPE_ENOTCONN; /* no answer will come any more */
    r = wpipe__table_add(&calls->open, call, &slot);
    if (r < 0)
        return r;
    outgoing->kind = WPIPE__RECORD_REQUEST;
    outgoing->request = slot | calls->mark;
    r = slot >> WPIPE__CALL_MARK_SHIFT & 63
            ? WPIPE_ELIMIT
            : wpipe__loop_send(loop, conn, outgoing, want_writable);
    if (r < 0) {
        (void)wpipe__table_remove(&calls->open, slot);
        return r;
    }
    call->id = outgoing->request;
    call->conn = conn->id;
    wpipe__list_append(&conn->calls, &call->node);
    conn->inbox.order.no_replies = 0;
    return 0;
}

/* Somebody has to look at its deadline. */
static void set_deadline(struct wpipe__loop *loop, struct wpipe__call *call,
                         int timeout_ms)
{
    struct wpipe__calls *calls = &loop->calls;

    call->deadline = wpipe__os_deadline(timeout_ms);
    if (call->deadline == 0)
        call->deadline = wpipe__os_now();
    if (call->deadline >= calls->at)
        return;
    calls->at = call->deadline;
    if (calls->at >= loop->timer)
        return;
    wpipe__loop_set_timer(loop, calls->at);
    wpipe__loop_attend(loop);
}

int wpipe__call_begin(struct wpipe__loop *loop, struct wpipe__conn *conn,
                      struct wpipe__outgoing *outgoing, int timeout_ms,
                      uint64_t *ret_id)
{
    struct wpipe__call *call = wpipe__alloc(sizeof(*call));
    int r;

    if (call == NULL)
        return WPIPE_ENOMEM;
    wpipe__list_init(&call->node);
    r = wpipe__call_send(loop, conn, call, outgoing, 1);
    if (r < 0) {
        wpipe__free(call);
        return r;
    }
    set_deadline(loop, call, timeout_ms);
    *ret_id = call->id;
    return 0;
}

void wpipe__call_forget(struct wpipe__loop *loop, struct wpipe__call *call)
{
    if (call->id != 0 && call->result == 0)
        leave(&loop->calls, call);
}

void wpipe__call_fill(const struct wpipe__call *call, wpipe_event *ret_event)
{
    memset(ret_event, 0, sizeof(*ret_event));
    ret_event->type = WPIPE_EVENT_MESSAGE;
    ret_event->from = call->conn;
    ret_event->data = wpipe__received_data(call->answer);
    ret_event->size = wpipe__received_size(call->answer);
}

/* ---- ended -------------------------------------------------------------- */

/* With this result: who waits, or the next wait, is to know. */
static void end(struct wpipe__loop *loop, struct wpipe__call *call, int result)
{
    leave(&loop->calls, call);
    call->result = result;
    if (call->answer == NULL) {
        wpipe__list_append(&loop->calls.ended, &call->node);
        wpipe__loop_attend(loop);
    } else {
        wpipe__waiters_tell(&loop->waiters);
    }
}

int wpipe__calls_answered(struct wpipe__loop *loop,
                          const struct wpipe__conn *conn,
                          struct wpipe__received *received)
{
    struct wpipe__calls *calls = &loop->calls;
    struct wpipe__call *call =
        wpipe__table_find(&calls->open, slot_of(calls, received->request));
    struct wpipe__received other;

    if (call == NULL || call->id != received->request || call->conn != conn->id)
        return 0; /* too late, twice, or nobody's */
    if (call->answer == NULL) {
        leave(calls, call);
        wpipe__free(call);
        return 1;
    }
    other = *call->answer;
    *call->answer = *received;
    *received = other;
    end(loop, call, 1);
    return 0;
}

void wpipe__calls_end(struct wpipe__loop *loop, struct wpipe__conn *conn,
                      int error)
{
    struct wpipe__list *node;

    while ((node = wpipe__list_first(&conn->calls)) != NULL)
        end(loop, call_of(node), error);
}

void wpipe__calls_expire(struct wpipe__loop *loop)
{
    struct wpipe__calls *calls = &loop->calls;
    uint64_t now = wpipe__os_now();
    uint64_t next = UINT64_MAX;
    struct wpipe__call *call;
    size_t cursor = 0;

    if (now < calls->at)
        return;
    while ((call = wpipe__table_next(&calls->open, &cursor)) != NULL) {
        if (call->answer != NULL)
            continue; /* its thread has a clock of its own */
        if (call->deadline <= now)
            end(loop, call, WPIPE_ETIMEDOUT);
        else
            next = wpipe__min_u64(next, call->deadline);
    }
    calls->at = next == UINT64_MAX ? next : wpipe__max_u64(next, now + LOOK_NS);
}

int wpipe__calls_next_ended(struct wpipe__loop *loop, wpipe_event *ret_event)
{
    struct wpipe__list *node = wpipe__list_first(&loop->calls.ended);
    struct wpipe__call *call;

    if (node == NULL)
        return 0;
    call = call_of(node);
    memset(ret_event, 0, sizeof(*ret_event));
    ret_event->type = WPIPE_EVENT_REPLY;
    ret_event->from = call->conn;
    ret_event->request = call->id;
    ret_event->error = call->result;
    wpipe__list_remove(node);
    wpipe__free(call);
    return 1;
}

/* ---- the answers of threads --------------------------------------------- */

/* Those of threads that have ended: before there are twice as many. */
static void drop_ended_threads(struct wpipe__calls *calls)
{
    struct wpipe__list *node = wpipe__list_first(&calls->answers);

    while (node != NULL) {
        struct thread_answer *a = answer_of(node);

        node = wpipe__list_next(&calls->answers, node);
        if (!wpipe__os_thread_exists(a->thread))
            drop_answer(calls, a);
    }
}

struct wpipe__received *wpipe__calls_answer(struct wpipe__calls *calls)
{
    struct wpipe__list *node = wpipe__list_first(&calls->answers);
    uint32_t thread = wpipe__os_thread();
    struct thread_answer *a;

    for (; node != NULL; node = wpipe__list_next(&calls->answers, node))
        if (answer_of(node)->thread == thread)
            return &answer_of(node)->received;
    if (calls->answer_count >= calls->answers_most) {
        drop_ended_threads(calls);
        calls->answers_most = calls->answer_count * 2 + ANSWERS_KEPT;
    }
    a = wpipe__alloc(sizeof(*a));
    if (a == NULL)
        return NULL;
    a->thread = thread;
    wpipe__list_append(&calls->answers, &a->node);
    calls->answer_count++;
    return &a->received;
}
