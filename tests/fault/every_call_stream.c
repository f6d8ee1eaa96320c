/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: listen, connect, accept and all that two connected ends can do, from
 * one thread; and the same over anonymous pipes.
 */
#include "every_call.h"

#include <string.h>

enum {
    LARGE = 9000,
    SOON_MS = 20,
    WARM = 18
};

static wpipe_options options_of(const struct trial *trial, int type)
{
    return (wpipe_options){ .size = sizeof(wpipe_options),
                            .type = type,
                            .shared_memory = trial->shared_memory,
                            .flags = WPIPE_CONNECT_EARLY,
                            .handshake_ms = SOON_MS * 10,
                            .buffer_in = 65536,
                            .buffer_out = 65536 };
}

static void fill(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(size * 131 + i + i / 251);
}

/* ---- what two ends do ---------------------------------------------------- */

/* A message is written, and what comes of it is it. */
static void pass(struct trial *t, wpipe_stream *from, wpipe_stream *to,
                 size_t size)
{
    static uint8_t bytes[LARGE];
    static uint8_t buf[LARGE];
    int64_t r;

    fill(bytes, size);
    r = TRIAL(t, wpipe_write(from, bytes, size, 0));
    if (r < 0)
        return;
    t->accepted++;
    r = TRIAL(t, wpipe_read(to, buf, sizeof buf, SOON_MS));
    if (r < 0) {
        t->ended += r != WPIPE_ETIMEDOUT;
        return;
    }
    assert_int_equal(r, size);
    assert_memory_equal(buf, bytes, size);
    t->arrived++;
}

static void pass_pieces(struct trial *t, wpipe_stream *from, wpipe_stream *to)
{
    uint8_t bytes[64];
    uint8_t buf[64];
    wpipe_piece out[] = { { bytes, 10 }, { bytes + 10, 20 } };
    wpipe_piece in[] = { { buf, 5 }, { buf + 5, 40 } };
    size_t available = 0;

    fill(bytes, sizeof bytes);
    if (TRIAL(t, wpipe_writev(from, out, 2, 0)) < 0)
        return;
    (void)TRIAL(t, wpipe_peek(to, buf, sizeof buf, &available, NULL));
    if (TRIAL(t, wpipe_readv(to, in, 2, SOON_MS)) >= 0)
        assert_memory_equal(buf, bytes, 30);
}

static void pass_zero_copy(struct trial *t, wpipe_stream *from,
                           wpipe_stream *to)
{
    const void *theirs;
    void *ours;
    size_t size;

    if (TRIAL(t, wpipe_write_begin(from, 100, &ours, 0)) == 0) {
        memset(ours, 'x', 100);
        (void)TRIAL(t, wpipe_write_commit(from, 50, 1));
    }
    (void)TRIAL(t, wpipe_write_begin(from, 100, &ours, 0));
    wpipe_write_abort(from);
    if (TRIAL(t, wpipe_write_begin(from, 100, &ours, 0)) == 0) {
        memset(ours, 'y', 100);
        if (TRIAL(t, wpipe_write_commit(from, 100, 0)) == 100 &&
            TRIAL(t, wpipe_read_begin(to, &theirs, &size, SOON_MS)) == 0) {
            assert_true(size <= 100);
            assert_memory_equal(theirs, "yyyyyyyy", size < 8 ? size : 8);
            (void)TRIAL(t, wpipe_read_end(to, size));
        }
    }
}

/* What only asks, and what would have to wait for the other end. */
static void ask(struct trial *t, wpipe_stream *a, wpipe_stream *b)
{
    wpipe_stream_facts facts = { .size = sizeof facts };
    wpipe_peer peer = { .size = sizeof peer };
    wpipe_call mark;
    char buf[8];

    (void)TRIAL(t, wpipe_stream_info(a, &facts));
    (void)TRIAL(t, wpipe_stream_peer(b, &peer));
    (void)TRIAL(t, wpipe_stream_call(b, &mark));
    (void)TRIAL(t, wpipe_stream_fd(a));
    (void)TRIAL(t, wpipe_stream_fd(b));
    (void)TRIAL(t, wpipe_drain(a, 0));
    (void)TRIAL(t, wpipe_drain(a, 1));
    (void)TRIAL(t, wpipe_read(a, buf, sizeof buf, 1));
}

static void transact(struct trial *t, wpipe_stream *a, wpipe_stream *b)
{
    const wpipe_call mark = { .kind = WPIPE_CALL_REQUEST, .request = 7 };
    char buf[8];

    if (TRIAL(t, wpipe_transact(a, "ask", 3, buf, sizeof buf, 1)) ==
        WPIPE_ETIMEDOUT)
        (void)TRIAL(t, wpipe_read(b, buf, sizeof buf, 0));
    if (TRIAL(t, wpipe_write_call(a, &mark, "call", 4, 0)) == 4)
        (void)TRIAL(t, wpipe_read(b, buf, sizeof buf, SOON_MS));
}

static void converse(struct trial *t, wpipe_stream *a, wpipe_stream *b)
{
    char byte;

    for (size_t i = 0; i < WARM; i++) {
        pass(t, a, b, 10 + i);
        pass(t, b, a, 10 + i);
    }
    pass(t, a, b, LARGE);
    pass(t, b, a, LARGE);
    pass_pieces(t, a, b);
    ask(t, a, b);
    wpipe_stream_wake(a);
    (void)wpipe_read(a, &byte, 1, 1); /* it is that one which is woken */
    pass(t, a, b, 40);
}

static void finish(struct trial *t, wpipe_stream *a, wpipe_stream *b)
{
    char buf[8];
    int64_t r;

    if (TRIAL(t, wpipe_finish(a)) < 0)
        return;
    r = wpipe_read(b, buf, sizeof buf, SOON_MS);
    if (r != WPIPE_EOF)
        (void)trial_saw(t, "read after finish", r);
}

/* ---- over a name --------------------------------------------------------- */

static void expect_recovery(struct trial *t, wpipe_listener *listener,
                            const wpipe_options *options)
{
    wpipe_stream *client = NULL;
    wpipe_stream *server = NULL;
    char buf[8];

    if (!t->calm)
        return;
    t->calm();
    if (!listener)
        return;
    assert_int_equal(wpipe_connect(&client, t->name, options, SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(wpipe_accept(listener, &server, SUPPORT_WAIT_MS), 0);
    assert_int_equal(wpipe_write(client, "anew", 4, 0), 4);
    assert_int_equal(wpipe_read(server, buf, sizeof buf, SUPPORT_WAIT_MS), 4);
    wpipe_stream_close(client);
    wpipe_stream_close(server);
}

static void run_named(struct trial *trial, int type,
                      void (*act)(struct trial *t, wpipe_stream *a,
                                  wpipe_stream *b))
{
    const wpipe_options options = options_of(trial, type);
    wpipe_listener *listener = NULL;
    wpipe_stream *client = NULL;
    wpipe_stream *server = NULL;

    if (TRIAL(trial, wpipe_listen(&listener, trial->name, &options)) == 0) {
        (void)TRIAL(trial, wpipe_listener_fd(listener));
        (void)TRIAL(trial, wpipe_accept(listener, &server, 0));
        (void)TRIAL(trial,
                    wpipe_connect(&client, trial->name, &options, SOON_MS));
    }
    if (client && TRIAL(trial, wpipe_accept(listener, &server, SOON_MS)) == 0)
        act(trial, client, server);
    trial->ended += !server;
    wpipe_stream_close(client);
    wpipe_stream_close(server);
    expect_recovery(trial, listener, &options);
    wpipe_listener_close(listener);
}

static void all_messages(struct trial *t, wpipe_stream *a, wpipe_stream *b)
{
    converse(t, a, b);
    transact(t, a, b);
    finish(t, a, b);
    (void)TRIAL(t, wpipe_disconnect(b));
}

void trial_stream(struct trial *trial)
{
    run_named(trial, WPIPE_MESSAGE, all_messages);
}

static void all_bytes(struct trial *t, wpipe_stream *a, wpipe_stream *b)
{
    for (int i = 0; i < WARM; i++)
        pass_zero_copy(t, a, b);
    finish(t, a, b);
}

void trial_zero_copy(struct trial *trial)
{
    run_named(trial, WPIPE_MESSAGE, all_bytes);
}

/* ---- anonymous ----------------------------------------------------------- */

/* The child's end in this process: its descriptor is given to open. */
static void run_anonymous(struct trial *trial, const wpipe_options *options,
                          int direction, int child_direction)
{
    wpipe_options child_options = *options;
    wpipe_stream *parent = NULL;
    wpipe_stream *child = NULL;
    char string[16];

    child_options.foreign = WPIPE_FOREIGN_DEFAULT;
    if (TRIAL(trial, wpipe_anonymous(&parent, direction, options)) < 0)
        return;
    if (TRIAL(trial,
              wpipe_anonymous_client_string(parent, string, sizeof string)) > 0)
        (void)TRIAL(trial, wpipe_anonymous_open(&child, child_direction, string,
                                                &child_options));
    if (child && direction == WPIPE_DUPLEX)
        converse(trial, parent, child);
    else if (child)
        for (size_t i = 0; i < WARM; i++)
            pass(trial, parent, child, 10 + i);
    wpipe_stream_close(child);
    wpipe_stream_close(parent);
}

void trial_anonymous(struct trial *trial)
{
    wpipe_options options = options_of(trial, WPIPE_MESSAGE);
    struct trial again;

    run_anonymous(trial, &options, WPIPE_DUPLEX, WPIPE_DUPLEX);
    options.foreign = WPIPE_FOREIGN_ONLY;
    options.framing = WPIPE_FRAMING_LE32;
    run_anonymous(trial, &options, WPIPE_OUT, WPIPE_IN);
    if (trial->calm) {
        trial->calm();
        trial_begin(&again, trial->shared_memory, NULL);
        run_anonymous(&again, &options, WPIPE_OUT, WPIPE_IN);
        assert_null(again.call);
    }
}

void trial_spawn(struct trial *trial)
{
    const char *const arguments[] = { "sh", "-c", "exit 3", "sh", "{0}", NULL };
    const wpipe_options options = options_of(trial, WPIPE_BYTE);
    wpipe_stream *parent = NULL;
    int64_t pid = 0;

    if (TRIAL(trial, wpipe_anonymous(&parent, WPIPE_OUT, &options)) < 0)
        return;
    if (TRIAL(trial, wpipe_spawn(&pid, arguments, &parent, 1)) == 0) {
        int64_t r = TRIAL(trial, wpipe_reap(pid, SUPPORT_WAIT_MS));

        if (trial->calm)
            trial->calm();
        if (r < 0)
            r = wpipe_reap(pid, SUPPORT_WAIT_MS);
        assert_int_equal(r, 3);
    }
    (void)TRIAL(trial, wpipe_anonymous_release_client(parent));
    wpipe_stream_close(parent);
}
