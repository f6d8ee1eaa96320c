/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing the two kinds of endpoint. Descriptors are polled
 * together with a bell so that a wait can be ended; pipes have a wake of
 * their own. Commands are in exec.c.
 */
#include "endpoint.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "output.h"
#include "text.h"

enum {
    CHUNK = 256 * 1024
};

int endpoint_init(struct endpoint *e, const struct options *options)
{
    static atomic_bool never;

    *e = (struct endpoint){
        .options = options, .in = -1, .out = -1, .stop = &never
    };
    e->lines.limit = options_message_limit(options);
    e->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return e->bell < 0 ? WPIPE_ELIMIT : 0;
}

static int failed(struct endpoint *e, int number)
{
    e->os_error = number;
    return number == EPIPE || number == ECONNRESET ? WPIPE_EPIPE
                                                   : WPIPE_ESYSTEM;
}

/* Wait for `events` on `fd`. Returns 0 or WPIPE_ETIMEDOUT, WPIPE_EWOKEN. */
static int wait_for(struct endpoint *e, int fd, short events, int timeout_ms)
{
    struct pollfd set[2] = { { .fd = fd, .events = events },
                             { .fd = e->bell, .events = POLLIN } };
    uint64_t rung;
    int r;

    do {
        r = poll(set, 2, timeout_ms);
    } while (r < 0 && errno == EINTR);
    if (r < 0)
        return failed(e, errno);
    if (r == 0)
        return WPIPE_ETIMEDOUT;
    if (set[1].revents != 0 && read(e->bell, &rung, sizeof(rung)) > 0)
        return WPIPE_EWOKEN;
    return 0;
}

static int read_descriptor(struct endpoint *e, char **ret_data,
                           size_t *ret_size, int timeout_ms)
{
    const bool lines = e->options->type == WPIPE_MESSAGE;
    long got;
    int r;

    for (;;) {
        if (lines ? lines_next(&e->lines, ret_data, ret_size)
                  : lines_bytes(&e->lines, ret_data, ret_size))
            return 1;
        if (e->lines.ended || e->in < 0)
            return 0;
        r = wait_for(e, e->in, POLLIN, timeout_ms);
        if (r < 0)
            return r;
        got = lines_fill(&e->lines, e->in);
        if (got == -EMSGSIZE)
            return WPIPE_EMSGSIZE;
        if (got == -EIO && isatty(e->in))
            return 0; /* the terminal is not ours any more */
        if (got < 0 && got != -EAGAIN)
            return failed(e, (int)-got);
    }
}

static int make_room(struct endpoint *e)
{
    size_t room = e->room == 0 ? (size_t)CHUNK : e->room * 2;
    char *message;

    if (e->used < e->room)
        return 0;
    message = realloc(e->message, room);
    if (message == NULL)
        return WPIPE_ENOMEM;
    e->message = message;
    e->room = room;
    return 0;
}

/* The library holds messages to the limit, so the buffer stays within twice
 * of it. */
static int read_stream(struct endpoint *e, char **ret_data, size_t *ret_size,
                       int timeout_ms)
{
    int64_t got;
    int r;

    do {
        r = make_room(e);
        if (r < 0)
            return r;
        got = wpipe_read(e->stream, e->message + e->used, e->room - e->used,
                         timeout_ms);
        if (got == WPIPE_EOF)
            return 0;
        if (got == WPIPE_EABORTED) { /* no message: the next one */
            e->used = 0;
            continue;
        }
        if (got < 0)
            return (int)got;
        e->used += (size_t)got;
    } while (got == WPIPE_EABORTED ||
             !wpipe_stream_message_complete(e->stream));
    wpipe_stream_call(e->stream, &e->call);
    *ret_data = e->message;
    *ret_size = e->used;
    e->used = 0;
    return 1;
}

int endpoint_read(struct endpoint *e, char **ret_data, size_t *ret_size,
                  int timeout_ms)
{
    if (e->stream != NULL)
        return read_stream(e, ret_data, ret_size, timeout_ms);
    return read_descriptor(e, ret_data, ret_size, timeout_ms);
}

int endpoint_read_rest(struct endpoint *e, char **ret_data, size_t *ret_size)
{
    if (e->stream != NULL)
        return 0;
    return e->options->type == WPIPE_MESSAGE
               ? lines_next(&e->lines, ret_data, ret_size)
               : lines_bytes(&e->lines, ret_data, ret_size);
}

static int write_descriptor(struct endpoint *e, const char *data, size_t size,
                            int timeout_ms)
{
    ssize_t put;
    int r;

    while (size > 0) {
        if (e->out < 0)
            return WPIPE_EPIPE;
        put = write(e->out, data, size);
        if (put > 0) {
            data += put;
            size -= (size_t)put;
            continue;
        }
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno != EAGAIN)
            return failed(e, errno);
        r = wait_for(e, e->out, POLLOUT, timeout_ms);
        if (r < 0 && (r != WPIPE_EWOKEN || atomic_load(e->stop)))
            return r;
    }
    return 0;
}

/* `call` is NULL for a plain message. */
static int write_stream(struct endpoint *e, const wpipe_call *call,
                        const char *data, size_t size, int timeout_ms)
{
    int64_t put;

    for (;;) {
        put = call == NULL
                  ? wpipe_write(e->stream, data, size, timeout_ms)
                  : wpipe_write_call(e->stream, call, data, size, timeout_ms);
        if (put == WPIPE_EWOKEN && !atomic_load(e->stop))
            continue;
        if (put < 0)
            return (int)put;
        data += put;
        size -= (size_t)put; /* a byte pipe may take a part */
        if (size == 0)
            return 0;
    }
}

int endpoint_write(struct endpoint *e, const char *data, size_t size,
                   int timeout_ms)
{
    const struct output_message shown = { .event = "message",
                                          .data = data,
                                          .size = size };
    int r;

    if (e->stream != NULL)
        return write_stream(e, NULL, data, size, timeout_ms);
    if (e->shows) {
        r = output_message(e->options, &shown);
        e->complained = r != STATUS_DONE;
        return r == STATUS_DONE ? 0 : WPIPE_ESYSTEM;
    }
    r = write_descriptor(e, data, size, timeout_ms);
    if (r == 0 && e->options->type == WPIPE_MESSAGE)
        r = write_descriptor(e, "\n", 1, timeout_ms);
    return r;
}

/* No more than once in a process: with -k every visitor may call. */
static void say_no_calls(const struct endpoint *e)
{
    static atomic_bool said;

    if (!atomic_exchange(&said, true))
        say(e->options,
            "%s does not support calls: a call is passed on as a message "
            "and gets no reply",
            e->label);
}

int endpoint_pass(struct endpoint *e, const struct endpoint *from,
                  const char *data, size_t size, int timeout_ms)
{
    int r;

    if (from->stream == NULL || from->call.kind == WPIPE_CALL_NONE)
        return endpoint_write(e, data, size, timeout_ms);
    if (e->stream != NULL) {
        r = write_stream(e, &from->call, data, size, timeout_ms);
        if (r != WPIPE_ENOTSUP && r != WPIPE_ESTATE)
            return r;
    }
    say_no_calls(e);
    return endpoint_write(e, data, size, timeout_ms);
}

void endpoint_finish(struct endpoint *e)
{
    if (e->stream != NULL) {
        wpipe_finish(e->stream);
    } else if (e->borrowed) {
        return;
    } else if (e->out >= 0 && e->out == e->in) {
        shutdown(e->out, SHUT_WR);
    } else if (e->out >= 0) {
        close(e->out);
        e->out = -1;
    }
}

bool endpoint_gone(struct endpoint *e)
{
    struct pollfd set = { .fd = e->out };
    void *room;
    int r;

    if (e->stream == NULL)
        return poll(&set, 1, 0) > 0 && set.revents != 0;
    wpipe_peek(e->stream, NULL, 0, NULL, NULL); /* hear what came */
    r = wpipe_write_begin(e->stream, 1, &room, 0);
    if (r >= 0)
        wpipe_write_abort(e->stream);
    return r < 0 && wpipe_error_class(r) == WPIPE_CLASS_PEER;
}

void endpoint_linger(struct endpoint *e)
{
    if (e->stream == NULL && e->out >= 0)
        wait_for(e, e->out, 0, -1);
}

void endpoint_wake(struct endpoint *e)
{
    const uint64_t one = 1;

    if (e->stream != NULL)
        wpipe_stream_wake(e->stream);
    else if (write(e->bell, &one, sizeof(one)) < 0)
        return; /* it rings already */
}

void endpoint_say_peer(const struct endpoint *e)
{
    wpipe_peer peer = { .size = sizeof(peer) };
    char text[200];

    if (e->options->verbose && wpipe_stream_peer(e->stream, &peer) == 0)
        say(e->options, "connected to %s: %s", e->label,
            text_peer(text, sizeof(text), &peer));
}

int endpoint_say(const struct endpoint *e, int error)
{
    if (e->complained)
        return STATUS_FAILED;
    if (error == WPIPE_ESYSTEM && e->os_error != 0) {
        say(e->options, "%s: %s", e->label, strerror(e->os_error));
        return STATUS_FAILED;
    }
    return say_error(e->options, e->label, error);
}
