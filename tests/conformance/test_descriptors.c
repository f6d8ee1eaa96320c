/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of our descriptors: a program may run without standard input,
 * output and error, and nothing of ours may ever be found in their place.
 */
#include "support.h"

#include <fcntl.h>
#include <unistd.h>
#include <windpipe.h>

enum {
    MESSAGES = 40 /* and a connection has moved to shared memory */
};

/* Which of 0, 1 and 2 are open, as bits. */
static int low_ones(void)
{
    int bits = 0;

    for (int i = 0; i < 3; i++)
        bits |= (fcntl(i, F_GETFD) >= 0) << i;
    return bits;
}

static int seen; /* of low_ones, at any time */

static void look(void)
{
    seen |= low_ones();
}

/* In the middle of an accept. */
static int admit(const wpipe_peer *peer, void *user)
{
    (void)peer;
    (void)user;
    look();
    return 0;
}

static wpipe_options options_of(int foreign)
{
    return (wpipe_options){ .size = sizeof(wpipe_options),
                            .foreign = foreign,
                            .framing = WPIPE_FRAMING_LE32,
                            .shared_memory = WPIPE_SHARED_NOW,
                            .admit = admit };
}

static void echo(wpipe_server *server)
{
    wpipe_event event;

    while (wpipe_server_wait(server, &event, 0) == 1)
        if (event.type == WPIPE_EVENT_MESSAGE)
            (void)wpipe_server_send(server, event.from, event.data, event.size);
    look();
}

/* Both ends in one thread. Returns what became of the stream. */
static int converse(wpipe_server *server, wpipe_stream *stream)
{
    char bytes[8];
    int64_t r = 0;

    for (int i = 0; i < MESSAGES && r >= 0; i++) {
        r = wpipe_write(stream, "message", 7, 0);
        echo(server);
        if (r >= 0)
            r = wpipe_read(stream, bytes, sizeof bytes, SUPPORT_WAIT_MS);
        look();
    }
    return r < 0;
}

static int connect_and_converse(wpipe_server *server, int foreign)
{
    wpipe_options options = options_of(foreign);
    wpipe_stream_facts facts = { .size = sizeof facts };
    wpipe_stream *stream = NULL;
    int r;

    options.type = WPIPE_MESSAGE;
    options.flags = WPIPE_CONNECT_EARLY;
    r = wpipe_connect(&stream, wpipe_server_name(server), &options, 0);
    look();
    if (r == 0)
        r = converse(server, stream);
    if (r == 0 && foreign == WPIPE_FOREIGN_NEVER)
        r = wpipe_stream_info(stream, &facts) < 0 || facts.shared != 2;
    (void)wpipe_stream_fd(stream);
    look();
    wpipe_stream_close(stream);
    return r != 0;
}

static int serve_and_converse(int second_pipe)
{
    wpipe_options options = options_of(WPIPE_FOREIGN_ALSO);
    wpipe_server *server = NULL;
    int r;

    options.second_pipe = second_pipe;
    r = wpipe_server_open(&server, support_unique_name(), &options);
    look();
    if (r == 0)
        r = connect_and_converse(server, WPIPE_FOREIGN_NEVER);
    if (r == 0 && second_pipe == WPIPE_SECOND_PIPE_NONE)
        r = connect_and_converse(server, WPIPE_FOREIGN_ONLY);
    (void)wpipe_server_fd(server);
    look();
    wpipe_server_close(server);
    return r != 0;
}

/* A client without a server watches directories. */
static int wait_in_vain(void)
{
    wpipe_options options = options_of(WPIPE_FOREIGN_DEFAULT);
    wpipe_client *client = NULL;
    wpipe_event event;
    int r;

    options.flags = WPIPE_CONNECT_LATER | WPIPE_RECONNECT;
    r = wpipe_client_open(&client, support_unique_name(), &options);
    if (r == 0)
        r = wpipe_client_wait(client, &event, 1) != WPIPE_ETIMEDOUT;
    (void)wpipe_client_fd(client);
    look();
    wpipe_client_close(client);
    return r != 0;
}

static int listen_and_be_polled(void)
{
    wpipe_options options = options_of(WPIPE_FOREIGN_DEFAULT);
    wpipe_listener *listener = NULL;
    int r = wpipe_listen(&listener, NULL, &options);

    (void)wpipe_listener_fd(listener);
    look();
    wpipe_listener_close(listener);
    return r != 0;
}

static int make_anonymous(int direction, int foreign)
{
    wpipe_options options = options_of(foreign);
    const char *const arguments[] = { "true", "{0}", NULL };
    wpipe_stream *stream = NULL;
    int64_t pid = 0;
    int r = wpipe_anonymous(&stream, direction, &options);

    look();
    if (r == 0)
        r = wpipe_spawn(&pid, arguments, &stream, 1);
    if (r == 0)
        r = wpipe_reap(pid, SUPPORT_WAIT_MS);
    look();
    wpipe_stream_close(stream);
    return r != 0;
}

/* A bit for what did not work; 64 and more for descriptors that were seen. */
static int use_everything(int fd, void *argument)
{
    int bad;

    (void)fd;
    (void)argument;
    for (int i = 0; i < 3; i++)
        close(i);
    bad = serve_and_converse(WPIPE_SECOND_PIPE_NONE);
    bad |= serve_and_converse(WPIPE_SECOND_PIPE_H_PIPES) << 1;
    bad |= wait_in_vain() << 2;
    bad |= listen_and_be_polled() << 3;
    bad |= make_anonymous(WPIPE_DUPLEX, WPIPE_FOREIGN_DEFAULT) << 4;
    bad |= make_anonymous(WPIPE_OUT, WPIPE_FOREIGN_ONLY) << 5;
    return bad | (seen != 0) << 6;
}

static void descriptors_of_ours_are_above_two(void **state)
{
    struct helper helper;

    (void)state;
    helper_fork(&helper, use_everything, NULL);
    assert_int_equal(helper_join(&helper), 0);
}

static const struct support_case cases[] = {
    TEST(descriptors_of_ours_are_above_two),
};

TEST_MAIN(cases)
