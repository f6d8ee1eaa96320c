/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The columns of the table of ends, the rules that leave cells out, and what
 * is right in each. What is right follows <windpipe.h>, <windpipe/stream.h>,
 * docs/errors.md and section 11 of docs/wire.md, not the code.
 */
#include "matrix.h"

static const char *const operations[] = { "read",  "write",     "send_wait",
                                          "drain", "call",      "transact",
                                          "zero",  "disconnect" };
static const char *const roles[] = { "client", "server", "connected",
                                     "accepted" };
static const char *const fates[] = { "killed",  "closed",      "kicked",
                                     "stopped", "half-closed", "shut" };
static const char *const ways[] = { "socket", "shared", "moving", "raw",
                                    "le32" };
static const char *const crews[] = { "one", "pair", "lanes" };

const char *matrix_call(enum operation op)
{
    return operations[op];
}

void matrix_name(const struct cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%s/%s/%s/%s/%s", operations[cell->op],
             roles[cell->role], fates[cell->fate], ways[cell->way],
             crews[cell->crew]);
}

/* ---- what is left out ---------------------------------------------------- */

static const char *lacking_call(const struct cell *c)
{
    switch (c->op) {
    case OP_SEND_WAIT:
        return is_stream(c) ? "a stream has write, not send_wait" : NULL;
    case OP_WRITE:
    case OP_TRANSACT:
    case OP_ZERO_COPY:
        return is_stream(c) ? NULL : "a call of streams alone";
    case OP_CALL:
        return c->role == ROLE_CLIENT ? NULL : "only clients call";
    case OP_DISCONNECT:
        return is_host(c) ? NULL : "only a server's end disconnects";
    default:
        return NULL;
    }
}

const char *matrix_left_out(const struct cell *c)
{
    const char *lacking = lacking_call(c);

    if (lacking)
        return lacking;
    if (c->crew == CREW_LANES && c->role != ROLE_SERVER)
        return "options.threads is a server's";
#if defined(__SANITIZE_THREAD__)
    /* who closes a socket with a descriptor in its queue starts a thread */
    if (c->crew == CREW_LANES && c->fate == FATE_CLOSED)
        return "ThreadSanitizer follows no threads of a forked child";
#endif
    if (c->fate == FATE_KICKED && is_foreign(c) && !is_host(c))
        return "a plain socket has no word for a kick";
    if (c->op == OP_CALL && is_foreign(c) &&
        (c->fate != FATE_STOPPED || c->crew != CREW_ONE))
        return "a call at a foreign door does not wait for any fate";
    if (c->op == OP_TRANSACT && c->way == WAY_RAW)
        return "transact needs messages";
    if (c->op == OP_TRANSACT && c->crew == CREW_PAIR)
        return "transact is both the reader and the writer";
    if (c->op == OP_DISCONNECT && is_stream(c) && c->crew == CREW_PAIR)
        return "a stream's disconnect is one of its two threads";
    if (c->fate == FATE_KICKED && c->role == ROLE_ACCEPTED &&
        c->crew == CREW_PAIR)
        return "a stream's disconnect is one of its two threads";
    return NULL;
}

/* ---- what is right ------------------------------------------------------- */

/* How a connection ends, and what it is called at a stream that reads, one
 * that writes or drains, and in an event. */
struct end {
    int reader;
    int writer;
    int reason;
};

static const struct end closed = { WPIPE_EOF, WPIPE_EPIPE,
                                   WPIPE_REASON_CLOSED };
static const struct end died = { WPIPE_EDIED, WPIPE_EDIED, WPIPE_REASON_DIED };
static const struct end kicked = { WPIPE_EDISCONNECTED, WPIPE_EDISCONNECTED,
                                   WPIPE_REASON_KICKED };

/*
 * At a foreign door a death cannot be told from a close (docs/interop.md). A
 * native end that goes without a word has died, also if only its descriptor
 * has gone (wire.md, 11).
 */
static const struct end *end_of(const struct cell *c)
{
    if (c->fate == FATE_KICKED)
        return &kicked;
    if (c->fate == FATE_CLOSED || is_foreign(c))
        return &closed;
    return &died;
}

static struct right at_deadline(void)
{
    struct right right = { AT_DEADLINE, WPIPE_ETIMEDOUT, 0, -1 };

    return right;
}

/* A call that tells the end by its code. */
static struct right at_end(int code, int reason)
{
    struct right right = { AT_EVENT, code, 0, reason };

    return right;
}

static struct right by_event(int type, int reason)
{
    struct right right = { AT_EVENT, 1, type, reason };

    return right;
}

/*
 * Nothing more will come, but all that is sent still goes: readers are told,
 * writers go on waiting. So does a drain: the peer may still read. An answer,
 * however, can not come any more, and who waits for one is told at once; .NET
 * sees a Read of 0 bytes.
 */
static struct right half_closed(const struct cell *c, enum operation op)
{
    if (op == OP_CALL)
        return at_end(WPIPE_ENOTCONN, -1);
    if (op == OP_TRANSACT || (op == OP_READ && is_stream(c)))
        return at_end(WPIPE_EOF, -1);
    if (op == OP_READ)
        return by_event(WPIPE_EVENT_FINISHED, -1);
    return at_deadline();
}

/* wpipe_disconnect does not wait: it follows the fate. Windows, rows 87-89:
 * it works in every state but the disconnected one. */
static struct right stream_disconnect(const struct cell *c)
{
    struct right right = { AT_ONCE, 0, 0, -1 };

    if (c->fate == FATE_KICKED)
        right.code = WPIPE_EDISCONNECTED;
    return right;
}

/*
 * wpipe_server_disconnect does not wait: the call here is that, and then a wait
 * for the event. The queue is full and the client does not read, so the end
 * comes with the fate, also by a kick, or else when options.linger_ms is over.
 * Which reason the first has the header leaves open.
 */
static struct right server_disconnect(const struct cell *c, enum operation op)
{
    struct right right = by_event(WPIPE_EVENT_DISCONNECTED, -1);

    if (op == OP_DRAIN)
        right = at_end(WPIPE_ENOTCONN, -1);
    if (c->fate == FATE_STOPPED || c->fate == FATE_HALF_CLOSED) {
        right.when = AT_DEADLINE;
        right.reason = op == OP_DRAIN ? -1 : WPIPE_REASON_CLOSED;
    }
    return right;
}

struct right matrix_right(const struct cell *c, enum operation op)
{
    const struct end *end = end_of(c);
    struct right no_calls = { AT_ONCE, WPIPE_ENOTSUP, 0, -1 };

    if (op == OP_CALL && is_foreign(c))
        return no_calls; /* byte streams have no ids of calls */
    if (op == OP_DISCONNECT && is_stream(c))
        return stream_disconnect(c);
    if (c->op == OP_DISCONNECT)
        return server_disconnect(c, op);
    if (c->fate == FATE_STOPPED)
        return at_deadline();
    if (c->fate == FATE_HALF_CLOSED)
        return half_closed(c, op);
    if (!is_stream(c))
        return op == OP_READ ? by_event(WPIPE_EVENT_DISCONNECTED, end->reason)
                             : at_end(WPIPE_ENOTCONN, end->reason);
    if (op == OP_READ || op == OP_TRANSACT)
        return at_end(end->reader, -1);
    return at_end(end->writer, -1);
}

enum operation matrix_companion(const struct cell *c)
{
    if (c->op == OP_READ)
        return is_stream(c) ? OP_WRITE : OP_SEND_WAIT;
    /* with a full queue a call could not even begin; who disconnects a client
     * waits for its event */
    return c->op == OP_CALL || c->op == OP_DISCONNECT ? OP_DRAIN : OP_READ;
}
