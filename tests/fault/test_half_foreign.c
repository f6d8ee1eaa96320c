/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Half messages at a foreign door, by plain sockets: in each framing, cut
 * before, in and behind what stands in front of a message. The connection ends
 * after message_ms, and no other one.
 */
#include "second_pipe_tools.h"

#include "foreign/foreign.h"
#include "server/server.h"

enum {
    DUE_MS = 100,
    LATE_MS = 1000 * SUPPORT_LIMIT_FACTOR
};

struct beginning {
    int framing;
    const char *bytes;
    size_t size;
};

static const struct beginning beginnings[] = {
    { WPIPE_FRAMING_LE32, "\5", 1 },
    { WPIPE_FRAMING_LE32, "\5\0\0\0", 4 },
    { WPIPE_FRAMING_BE32, "\0\0\0\5half", 8 },
    { WPIPE_FRAMING_TYPE_LE32, "t", 1 },
    { WPIPE_FRAMING_TYPE_LE32, "t\5\0\0\0h", 6 },
    { WPIPE_FRAMING_HEADERS, "Content-Le", 10 },
    { WPIPE_FRAMING_HEADERS, "Content-Length: 5\r\n\r\n", 21 },
    { WPIPE_FRAMING_LINES, "half a line", 11 },
    { WPIPE_FRAMING_LINES, "\r", 1 },
};

/* Until something happens, by the descriptor alone. */
static void next_polled(wpipe_server *s, wpipe_event *e)
{
    int64_t end = support_now_ms() + DUE_MS + LATE_MS;

    do {
        assert_true(support_now_ms() < end);
        (void)support_wait_readable((int)wpipe_server_fd(s), LATE_MS);
    } while (wpipe_server_wait(s, e, 0) == WPIPE_ETIMEDOUT);
}

static void half_message_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        const struct beginning *b = &beginnings[i];
        const char *name = support_unique_name();
        wpipe_options o = sent_on();
        wpipe_server *server;
        wpipe_event e;
        wpipe_id id;
        int other;
        int fd;

        o.second_pipe = WPIPE_SECOND_PIPE_NONE;
        o.framing = b->framing;
        o.message_ms = DUE_MS;
        assert_int_equal(wpipe_server_open(&server, name, &o), 0);
        other = plain_knock(name);
        next_event(server, &e, WPIPE_EVENT_CONNECTED);
        fd = plain_knock(name);
        next_event(server, &e, WPIPE_EVENT_CONNECTED);
        id = e.from;
        assert_int_equal(send(fd, b->bytes, b->size, MSG_NOSIGNAL), b->size);
        next_polled(server, &e);
        assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
        assert_int_equal(e.from, id);
        assert_int_equal(e.reason, WPIPE_REASON_SLOW);
        assert_int_equal(e.error, WPIPE_ETIMEDOUT);
        plain_expect_end(fd);
        assert_int_equal(wpipe_server_count(server), 1);
        close(fd);
        close(other);
        wpipe_server_close(server);
    }
}

/* Raw bytes are no messages: nothing is ever half. */
static void raw_bytes_have_no_time(void **state)
{
    const char *name = support_unique_name();
    wpipe_options o = sent_on();
    wpipe_server *server;
    wpipe_event e;
    int fd;

    (void)state;
    o.second_pipe = WPIPE_SECOND_PIPE_NONE;
    o.framing = WPIPE_FRAMING_RAW;
    o.type = WPIPE_BYTE;
    o.message_ms = 10;
    assert_int_equal(wpipe_server_open(&server, name, &o), 0);
    fd = plain_knock(name);
    next_event(server, &e, WPIPE_EVENT_CONNECTED);
    assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
    next_event(server, &e, WPIPE_EVENT_MESSAGE);
    assert_int_equal(wpipe_server_wait(server, &e, 50), WPIPE_ETIMEDOUT);
    close(fd);
    wpipe_server_close(server);
}

/* Told again and again that there is more, a server with much else to do leaves
 * it in the system. */
static void unread_bytes_stay_in_the_system(void **state)
{
    enum {
        SIZE = 4000,
        COUNT = 30,
        LOOKS = 20
    };
    const char *name = support_unique_name();
    wpipe_options o = sent_on();
    static uint8_t bytes[COUNT][4 + SIZE];
    struct wpipe__foreign *link;
    struct wpipe__conn *conn;
    wpipe_server *server;
    wpipe_event e;
    int fd;

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        bytes[i][2] = SIZE >> 8;
        bytes[i][3] = SIZE & 0xff;
    }
    o.second_pipe = WPIPE_SECOND_PIPE_NONE;
    assert_int_equal(wpipe_server_open(&server, name, &o), 0);
    fd = plain_knock(name);
    next_event(server, &e, WPIPE_EVENT_CONNECTED);
    conn = wpipe__table_find(&server->shards[0].clients, e.from);
    link = wpipe__foreign(conn->link);
    assert_int_equal(send(fd, bytes, sizeof bytes, MSG_NOSIGNAL), sizeof bytes);
    for (int i = 0; i < LOOKS; i++)
        wpipe__loop_pump(&server->shards[0].loop, conn);
    assert_int_equal(link->unread, 0);
    for (int i = 0; i < COUNT; i++)
        next_event(server, &e, WPIPE_EVENT_MESSAGE);
    no_event(server);
    close(fd);
    wpipe_server_close(server);
}

static const struct support_case cases[] = {
    TEST(unread_bytes_stay_in_the_system),
    TEST(half_message_ends),
    TEST(raw_bytes_have_no_time),
};

TEST_MAIN(cases)
