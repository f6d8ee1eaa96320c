/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers that answer a hello with a refusal, with nothing, or with a lie: what
 * connect and client_open return, and what the explanation says.
 */
#include "support.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <windpipe.h>

#include "base/base.h"
#include "base/frame.h"
#include "base/record.h"
#include "door/door.h"

enum {
    HANG_UP = 100 /* instead of a verdict */
};

/* A server by hand, which gives everybody the same answer. */
struct false_server {
    struct wpipe__door door;
    uint32_t answer;       /* WPIPE__VERDICT_*, or HANG_UP */
    uint32_t record_flags; /* of a record behind the verdict; 0: none */
    _Atomic int over;
    pthread_t thread;
};

static void say(int fd, uint8_t type, uint16_t flags, uint64_t value,
                const void *body, uint32_t size)
{
    const struct wpipe__frame f = { type, flags, size, value };
    uint8_t bytes[WPIPE__FRAME_HEADER + 64];

    wpipe__frame_encode(&f, bytes);
    memcpy(bytes + WPIPE__FRAME_HEADER, body, size);
    (void)send(fd, bytes, WPIPE__FRAME_HEADER + size, MSG_NOSIGNAL);
}

static void answer(const struct false_server *s, int fd)
{
    static const uint8_t request[8 + 4] = { 1 }; /* its number, and bytes */
    const struct wpipe__greeting g = { .version_low = WPIPE__WIRE_VERSION,
                                       .version_high = WPIPE__WIRE_VERSION,
                                       .code = s->answer,
                                       .type = WPIPE_MESSAGE,
                                       .buffer_in = 65536,
                                       .buffer_out = 65536,
                                       .max_message = 65536 };
    uint8_t body[WPIPE__GREETING_SIZE];

    if (s->answer == HANG_UP)
        return;
    wpipe__greeting_encode(&g, body);
    say(fd, WPIPE__FRAME_VERDICT, 0, WPIPE__HELLO_MAGIC, body, sizeof(body));
    if (s->record_flags != 0)
        say(fd, WPIPE__FRAME_DATA, (uint16_t)s->record_flags, 0, request,
            sizeof(request));
}

/* Each client is answered when it has said hello, and kept until the next. */
static void *serve(void *argument)
{
    struct false_server *s = argument;
    int fd = -1;

    while (!s->over) {
        uint8_t hello[WPIPE__FRAME_HEADER + WPIPE__GREETING_SIZE];
        int next = -1;

        if (!support_wait_readable(s->door.listener, 10) ||
            (next = accept(s->door.listener, NULL, NULL)) < 0)
            continue;
        if (fd >= 0)
            close(fd);
        fd = next;
        if (recv(fd, hello, sizeof(hello), MSG_WAITALL) == sizeof(hello))
            answer(s, fd);
        if (s->answer == HANG_UP) {
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void server_begin(struct false_server *s, uint32_t code)
{
    memset(s, 0, sizeof(*s));
    s->answer = code;
    assert_int_equal(wpipe__door_open(&s->door, support_unique_name(), NULL),
                     0);
}

static void server_go(struct false_server *s)
{
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_end(struct false_server *s)
{
    s->over = 1;
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    wpipe__door_close(&s->door);
}

/* What becomes of those who come. */
static const struct row {
    uint32_t answer;
    int error;
    int timeout_ms; /* those that may change are tried again until then */
    const char *text;
} rows[] = {
    { WPIPE__VERDICT_DENIED, WPIPE_EACCES, SUPPORT_WAIT_MS, "denied us" },
    { WPIPE__VERDICT_REFUSED, WPIPE_EREFUSED, SUPPORT_WAIT_MS,
      "refused the connection" },
    { WPIPE__VERDICT_VERSION, WPIPE_EVERSION, SUPPORT_WAIT_MS,
      "another version" },
    { WPIPE__VERDICT_MODE, WPIPE_ESTATE, SUPPORT_WAIT_MS, "another type" },
    { WPIPE__VERDICT_PROTOCOL, WPIPE_EPROTO, SUPPORT_WAIT_MS,
      "does not speak windpipe" },
    { WPIPE__VERDICT_BUSY, WPIPE_EBUSY, 50, "cannot take another client" },
    { HANG_UP, WPIPE_ENOTFOUND, 50, "went away" },
};

/* On a busy machine the time may end before an answer came: then that is told,
 * and it is tried once more. */
static bool came_too_late(int r, int *tries)
{
    return r == WPIPE_ETIMEDOUT && ++*tries < 50;
}

static void connect_tells_what_the_server_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        char text[256] = "";
        wpipe_options o = { .size = sizeof(o),
                            .error_text = text,
                            .error_text_size = sizeof(text) };
        wpipe_stream *stream = NULL;
        struct false_server s;
        int tries = 0;
        int r;

        server_begin(&s, rows[i].answer);
        server_go(&s);
        do
            r = wpipe_connect(&stream, s.door.name, &o, rows[i].timeout_ms);
        while (came_too_late(r, &tries));
        assert_int_equal(r, rows[i].error);
        assert_null(stream);
        print_message("%s\n", text);
        assert_non_null(strstr(text, rows[i].text));
        assert_non_null(strstr(text, s.door.name));
        server_end(&s);
    }
}

static void client_open_tells_what_the_server_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        wpipe_options o = { .size = sizeof(o),
                            .connect_ms = rows[i].timeout_ms };
        wpipe_client *client = NULL;
        struct false_server s;
        int tries = 0;
        int r;

        server_begin(&s, rows[i].answer);
        server_go(&s);
        do
            r = wpipe_client_open(&client, s.door.name, &o);
        while (came_too_late(r, &tries));
        assert_int_equal(r, rows[i].error);
        assert_null(client);
        server_end(&s);
    }
}

/* A server answers no call that was not made. */
static void client_of_a_server_that_answers_nothing_is_told_of_a_lie(
    void **state)
{
    wpipe_options o = { .size = sizeof(o) };
    wpipe_client *client = NULL;
    struct false_server s;
    wpipe_event e;

    (void)state;
    server_begin(&s, WPIPE__VERDICT_ACCEPTED);
    s.record_flags = WPIPE__RECORD_REPLY;
    server_go(&s);
    assert_int_equal(wpipe_client_open(&client, s.door.name, &o), 0);
    do
        assert_int_equal(wpipe_client_wait(client, &e, SUPPORT_WAIT_MS), 1);
    while (e.type == WPIPE_EVENT_CONNECTED);
    assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_PROTOCOL);
    assert_int_equal(e.error, WPIPE_EPROTO);
    wpipe_client_close(client);
    server_end(&s);
}

static const struct support_case cases[] = {
    TEST(connect_tells_what_the_server_answered),
    TEST(client_open_tells_what_the_server_answered),
    TEST(client_of_a_server_that_answers_nothing_is_told_of_a_lie),
};

TEST_MAIN(cases)
