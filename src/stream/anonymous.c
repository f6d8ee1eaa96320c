/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anonymous pipes: one end here, one for a child. Between two ends of
 * windpipe it is a native link over a pair of sockets, of which the parent is
 * the end that dials, so that it may write before there is a child; for
 * everybody else it is a system pipe. The calls are for users; what becomes of
 * the child's end is in child_end.c, and spawn.c starts children with it.
 */
#include <limits.h>
#include <string.h>
#include <windpipe/error.h>
#include <windpipe/stream.h>

#include "base/base.h"
#include "base/options.h"
#include "base/ring.h"
#include "stream/stream.h"

#define NUMBER_MAX 10 /* digits of a descriptor */

static int is_direction(int direction)
{
    return direction == WPIPE_DUPLEX || direction == WPIPE_IN ||
           direction == WPIPE_OUT;
}

/* ---- system pipes -------------------------------------------------------- */

/* The size of buffer that the caller asked for, 0 when he did not: options
 * that were taken have a default in its place. */
static uint32_t asked_size(const wpipe_options *given,
                           const wpipe_options *taken, int direction)
{
    size_t offset = direction == WPIPE_IN ? offsetof(wpipe_options, buffer_in)
                                          : offsetof(wpipe_options, buffer_out);
    uint32_t size;

    if (given == NULL || given->size < offset + sizeof(size))
        return 0;
    memcpy(&size, (const char *)given + offset, sizeof(size));
    if (size == 0)
        return 0;
    return direction == WPIPE_IN ? taken->buffer_in : taken->buffer_out;
}

/* Complete the options of an end of a system pipe: its type is a matter of
 * framing, and its buffer is what the system made. */
static int fit_system(wpipe_options *o, wpipe__handle end)
{
    uint32_t size = wpipe__os_pipe_size(end);

    if (o->type == WPIPE_MESSAGE && o->framing == WPIPE_FRAMING_RAW)
        return WPIPE_ESTATE;
    if (o->type == WPIPE_DEFAULT_TYPE)
        o->type = o->framing == WPIPE_FRAMING_RAW ? WPIPE_BYTE : WPIPE_MESSAGE;
    if (wpipe__os_kind(end) != WPIPE__KIND_PIPE)
        return 0;
    if (size > 0) {
        o->buffer_in = size;
        o->buffer_out = size;
    }
    if (o->direction == WPIPE_IN)
        o->buffer_out = 0;
    else
        o->buffer_in = 0;
    return 0;
}

/* The kernel does not tell who is at the other end of a pipe: say what is
 * known, so that nobody takes zeros for root. */
static void name_peer(struct wpipe__link *link, wpipe__handle end)
{
    struct wpipe__file_facts facts;

    if (wpipe__os_handle_facts(end, &facts) < 0)
        return;
    link->peer.uid = facts.uid;
    link->own_user = facts.uid == wpipe__os_uid();
    link->peer.gid = facts.gid;
    link->peer.pid = 0;
}

/* The handle is the link's from then on, also when this fails. */
static int make_foreign(wpipe__handle end, wpipe_options *o,
                        struct wpipe__link **ret_link)
{
    struct wpipe__link *link = NULL;
    int r = wpipe__foreign_make(end, o, &link);

    if (r < 0)
        return r;
    if (wpipe__os_kind(end) == WPIPE__KIND_PIPE)
        name_peer(link, end);
    *ret_link = link;
    return 0;
}

static int make_system(const wpipe_options *given, wpipe_options *o,
                       struct wpipe__link **ret_link, wpipe__handle *ret_client)
{
    int writes = o->direction == WPIPE_OUT;
    wpipe__handle ends[2];
    int r;

    if (o->direction == WPIPE_DUPLEX) {
        wpipe__options_explain(o, "a system pipe has one direction only");
        return WPIPE_ENOTSUP;
    }
    if (o->type == WPIPE_MESSAGE && o->framing == WPIPE_FRAMING_RAW) {
        wpipe__options_explain(
            o, "messages on a system pipe need options.framing");
        return WPIPE_ENOTSUP;
    }
    r = wpipe__os_pipe(ends, asked_size(given, o, o->direction));
    if (r < 0) {
        wpipe__options_explain(o, "cannot make a pipe: %s",
                               wpipe__os_error_text());
        return r;
    }
    /* only our end: a child's program does not expect EAGAIN */
    r = wpipe__os_adopt(ends[writes]);
    if (r == 0)
        r = fit_system(o, ends[writes]);
    if (r < 0)
        wpipe__os_close(ends[writes]);
    else
        r = make_foreign(ends[writes], o, ret_link);
    if (r < 0)
        wpipe__os_close(ends[!writes]);
    else
        *ret_client = ends[!writes];
    return r;
}

/* ---- native pipes -------------------------------------------------------- */

static int make_native(wpipe_options *o, struct wpipe__link **ret_link,
                       wpipe__handle *ret_client)
{
    wpipe__handle ends[2];
    int r;

    if (o->type == WPIPE_DEFAULT_TYPE)
        o->type = WPIPE_BYTE;
    r = wpipe__os_socket_pair(ends);
    if (r < 0) {
        wpipe__options_explain(o, "cannot make a pipe: %s",
                               wpipe__os_error_text());
        return r;
    }
    r = wpipe__native_dial(ends[0], o, 0, 0, ret_link);
    if (r < 0) {
        wpipe__os_close(ends[1]);
        return r;
    }
    (*ret_link)->terms.type = o->type; /* the child takes what we say */
    atomic_store(&(*ret_link)->undecided, 0);
    (*ret_link)->peer.pid = 0; /* it says ours; nobody has the other end yet */
    if (o->direction != WPIPE_OUT) /* until there is a child to agree with */
        (*ret_link)->terms.ring_in =
            o->buffer_in == 0 ? WPIPE__BUFFER_DEFAULT : o->buffer_in;
    if (o->direction != WPIPE_IN)
        (*ret_link)->terms.ring_out = o->buffer_out;
    *ret_client = ends[1];
    return 0;
}

/* ---- the parent ---------------------------------------------------------- */

static void keep_client(struct wpipe_stream *s, wpipe__handle client)
{
    struct wpipe__file_facts facts = { 0 };

    (void)wpipe__os_handle_facts(client, &facts);
    s->anonymous = 1;
    s->client = client;
    s->client_device = facts.device;
    s->client_inode = facts.inode;
}

int wpipe_anonymous(wpipe_stream **ret, int direction,
                    const wpipe_options *options)
{
    wpipe__handle client = WPIPE__NO_HANDLE;
    struct wpipe__link *link = NULL;
    struct wpipe_stream *stream = NULL;
    wpipe_options o;
    int r;

    if (ret == NULL || !is_direction(direction))
        return WPIPE_EINVAL;
    r = wpipe__options_take(options, &o);
    if (r < 0)
        return r;
    o.direction = direction;
    if (o.foreign == WPIPE_FOREIGN_ONLY)
        r = make_system(options, &o, &link, &client);
    else
        r = make_native(&o, &link, &client);
    if (r < 0)
        return r;
    r = wpipe__stream_make(link, &o, 1, &stream);
    if (r < 0) {
        wpipe__os_close(client);
        return r;
    }
    keep_client(stream, client);
    *ret = stream;
    return 0;
}

/* ---- the child ----------------------------------------------------------- */

/* Digits and nothing else. */
static int parse_number(const char *text, wpipe__handle *ret_handle)
{
    int64_t number = 0;
    size_t i;

    for (i = 0; text[i] != '\0'; i++) {
        if (text[i] < '0' || text[i] > '9' || i == NUMBER_MAX)
            return WPIPE_EINVAL;
        number = number * 10 + (text[i] - '0');
    }
    if (i == 0 || number > INT_MAX)
        return WPIPE_EINVAL;
    *ret_handle = (wpipe__handle)number;
    return 0;
}

/* Can the end of a system pipe do what is asked of it? */
static int check_system(const wpipe_options *o, wpipe__handle end)
{
    int can = wpipe__os_access(end);

    if (can < 0)
        return WPIPE_EINVAL;
    if (o->direction == WPIPE_DUPLEX) {
        wpipe__options_explain(o, "a system pipe has one direction only");
        return WPIPE_ESTATE;
    }
    if (!(can &
          (o->direction == WPIPE_IN ? WPIPE__CAN_READ : WPIPE__CAN_WRITE))) {
        wpipe__options_explain(o, "descriptor %d is the %s end of a pipe", end,
                               o->direction == WPIPE_IN ? "writing"
                                                        : "reading");
        return WPIPE_ESTATE;
    }
    return 0;
}

static int open_foreign(wpipe_options *o, int kind, wpipe__handle end,
                        struct wpipe__link **ret_link)
{
    int r = kind == WPIPE__KIND_PIPE ? check_system(o, end) : 0;

    if (r < 0)
        return r;
    r = fit_system(o, end);
    if (r < 0) {
        wpipe__options_explain(o, "reading messages needs options.framing");
        return r;
    }
    r = wpipe__os_adopt(end);
    return r < 0 ? r : make_foreign(end, o, ret_link);
}

/* The parent's hello, and our answer. */
static int wait_hello(struct wpipe__link *link, int timeout_ms)
{
    uint64_t deadline = wpipe__os_deadline(timeout_ms);
    int r;

    for (;;) {
        r = wpipe__native_inherit(link);
        if (r != 0)
            return r < 0 ? r : 0;
        r = wpipe__os_wait(&link->socket, 1, deadline);
        if (r == 0)
            return WPIPE_ETIMEDOUT;
        if (r < 0 && (r != WPIPE_EWOKEN || link->signals))
            return r;
    }
}

/* What the end of a greeting means, and its sentence. */
static int explain_greeting(const wpipe_options *o, wpipe__handle end,
                            int error)
{
    switch (error) {
    case WPIPE_ETIMEDOUT:
        wpipe__options_explain(
            o,
            "the other end of descriptor %d sent nothing in %d ms: "
            "it is not windpipe",
            end, o->handshake_ms);
        return error;
    case WPIPE_EOF:
    case WPIPE_EDIED:
    case WPIPE_EDISCONNECTED:
    case WPIPE_EPIPE:
    case WPIPE_EPROTO:
        wpipe__options_explain(
            o, "the other end of descriptor %d does not speak windpipe", end);
        return WPIPE_EPROTO;
    case WPIPE_ESTATE:
        wpipe__options_explain(o, "descriptor %d does not allow that direction",
                               end);
        return error;
    default:
        wpipe__options_explain(o, "cannot open descriptor %d: %s", end,
                               wpipe_strerror(error));
        return error;
    }
}

/* The parent decides what the pipe is; we, how we read it. */
static int fit_native(wpipe_options *o, struct wpipe__link *link)
{
    if (o->type == WPIPE_DEFAULT_TYPE)
        o->type = link->terms.type;
    if (o->type == WPIPE_MESSAGE && link->terms.type == WPIPE_BYTE) {
        wpipe__options_explain(o, "it is a byte pipe, without messages");
        return WPIPE_ESTATE;
    }
    if (o->shared_memory == WPIPE_SHARED_REQUIRED &&
        link->transport->shared(link) < 0) {
        wpipe__options_explain(o, "the other end cannot use shared memory");
        return WPIPE_ENOTSUP;
    }
    return 0;
}

static int open_native(wpipe_options *o, wpipe__handle end,
                       struct wpipe__link **ret_link)
{
    struct wpipe__link *link = NULL;
    int r = wpipe__os_adopt(end);

    if (r < 0)
        return r;
    r = wpipe__native_accept(end, o, &link);
    if (r < 0)
        return r;
    r = wait_hello(link, o->handshake_ms);
    if (r < 0)
        r = explain_greeting(o, end, r);
    else
        r = fit_native(o, link);
    if (r < 0) {
        link->transport->leave(link, WPIPE__STATE_CLOSED);
        link->transport->free(link);
        return r;
    }
    *ret_link = link;
    return 0;
}

int wpipe_anonymous_open(wpipe_stream **ret, int direction, const char *string,
                         const wpipe_options *options)
{
    wpipe__handle end = WPIPE__NO_HANDLE;
    struct wpipe__link *link = NULL;
    wpipe_options o;
    int kind;
    int r;

    if (ret == NULL || string == NULL || !is_direction(direction))
        return WPIPE_EINVAL;
    r = wpipe__options_take(options, &o);
    if (r < 0)
        return r;
    o.direction = direction;
    r = parse_number(string, &end);
    if (r < 0) {
        wpipe__options_explain(&o, "'%.32s' is not a descriptor", string);
        return r;
    }
    kind = wpipe__os_kind(end);
    if (kind < 0 || kind == WPIPE__KIND_OTHER) {
        wpipe__options_explain(&o, "descriptor %d is %s", end,
                               kind < 0 ? "not open"
                                        : "neither a pipe nor a stream socket");
        return WPIPE_EINVAL;
    }
    if (kind == WPIPE__KIND_PIPE || o.foreign == WPIPE_FOREIGN_ONLY)
        r = open_foreign(&o, kind, end, &link);
    else
        r = open_native(&o, end, &link);
    if (r < 0)
        return r;
    return wpipe__stream_make(link, &o, 0, ret);
}
