/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that begins a message and does not finish it: it has message_ms, not
 * more by saying a little now and then, and not less because we were busy. What
 * was gathered of it is freed.
 */
#include "poll.h"
#include "service.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/record.h"

enum {
    DUE_MS = 100,
    LATE_MS = 1000 * SUPPORT_LIMIT_FACTOR, /* how late that may be seen */
    PART = 100,
    LIMIT = 400000
};

static wpipe_options due_options(void **state)
{
    wpipe_options o = service_options(state);

    o.message_ms = DUE_MS;
    return o;
}

/* The name of a server, and a stream that it let in. */
static wpipe_stream *connect_to(void **state, wpipe_server *server,
                                wpipe_id *ret_id)
{
    wpipe_options o = service_options(state);
    wpipe_stream *s;

    o.type = WPIPE_MESSAGE;
    o.flags = WPIPE_CONNECT_EARLY;
    if (o.shared_memory == WPIPE_SHARED_REQUIRED)
        o.shared_memory = WPIPE_SHARED_NOW;
    assert_int_equal(
        wpipe_connect(&s, wpipe_server_name(server), &o, SUPPORT_WAIT_MS), 0);
    *ret_id = server_expect(server, WPIPE_EVENT_CONNECTED).from;
    return s;
}

/* A part of a message, or its end. */
static void write_part(wpipe_stream *s, size_t size, int more)
{
    void *data;

    assert_int_equal(wpipe_write_begin(s, size, &data, 0), 0);
    memset(data, 'x', size);
    assert_int_equal(wpipe_write_commit(s, size, more), size);
}

static void is_overdue(const wpipe_event *e, wpipe_id from)
{
    assert_int_equal(e->type, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e->reason, WPIPE_REASON_SLOW);
    assert_int_equal(e->error, WPIPE_ETIMEDOUT);
    assert_int_equal(e->from, from);
}

/* ---- servers ------------------------------------------------------------- */

static void half_message_ends(void **state, bool polls)
{
    wpipe_options o = due_options(state);
    struct waiter w = { .polls = polls };
    int64_t began;
    wpipe_stream *s;
    wpipe_id id;
    char byte;

    w.server = service_open(state, &o);
    s = connect_to(state, w.server, &id);
    began = support_now_ms();
    write_part(s, PART, 1);
    assert_int_equal(waiter_next(&w, DUE_MS + LATE_MS), 1);
    is_overdue(&w.event, id);
    assert_true(support_now_ms() - began >= DUE_MS);
    assert_int_equal(wpipe_read(s, &byte, 1, SUPPORT_WAIT_MS),
                     WPIPE_EDISCONNECTED);
    wpipe_stream_close(s);
    wpipe_server_close(w.server);
}

static void half_message_of_waited_server_ends(void **state)
{
    half_message_ends(state, false);
}

static void half_message_of_polled_server_ends(void **state)
{
    half_message_ends(state, true);
}

/* It says a byte whenever it was heard. */
static void half_message_in_drops_ends(void **state)
{
    wpipe_options o = due_options(state);
    int64_t end = support_now_ms() + DUE_MS + LATE_MS;
    wpipe_server *server;
    wpipe_event e = { 0 };
    wpipe_stream *s;
    wpipe_id id;
    void *data;

    server = service_open(state, &o);
    s = connect_to(state, server, &id);
    while (wpipe_write_begin(s, 1, &data, 0) == 0) {
        assert_true(support_now_ms() < end);
        *(char *)data = 'x';
        (void)wpipe_write_commit(s, 1, 1);
        if (wpipe_server_wait(server, &e, 2) == 1)
            break;
        e.type = 0;
    }
    if (e.type == 0) /* found at the end of the last wait */
        e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    is_overdue(&e, id);
    wpipe_stream_close(s);
    wpipe_server_close(server);
}

/* Its messages are half most of the time, and each is finished in time. */
static void each_message_has_its_own_time(void **state)
{
    wpipe_options o = due_options(state);
    int64_t end = support_now_ms() + INT64_C(4) * DUE_MS;
    wpipe_server *server;
    wpipe_stream *s;
    wpipe_event e;
    wpipe_id id;

    server = service_open(state, &o);
    s = connect_to(state, server, &id);
    while (support_now_ms() < end) {
        write_part(s, PART, 1);
        assert_int_equal(wpipe_server_wait(server, &e, DUE_MS / 4),
                         WPIPE_ETIMEDOUT);
        write_part(s, PART, 0);
        e = server_expect(server, WPIPE_EVENT_MESSAGE);
        assert_int_equal(e.size, 2 * PART);
    }
    wpipe_stream_close(s);
    wpipe_server_close(server);
}

/* The rest came while the server's program did something else for long. */
static void time_of_a_busy_server_does_not_count(void **state)
{
    wpipe_options o = due_options(state);
    int pair[2];
    wpipe_server *server;
    wpipe_stream *s;
    wpipe_event e;
    wpipe_id id;

    server = service_open(state, &o);
    s = connect_to(state, server, &id);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                     0);
    write_part(s, PART, 1);
    assert_int_equal(wpipe_server_wait(server, &e, 1), WPIPE_ETIMEDOUT);
    write_part(s, PART, 1);
    assert_false(support_wait_readable(pair[0], 2 * DUE_MS)); /* the work */
    assert_int_equal(wpipe_server_wait(server, &e, 1), WPIPE_ETIMEDOUT);
    write_part(s, PART, 0);
    e = server_expect(server, WPIPE_EVENT_MESSAGE);
    assert_int_equal(e.size, 3 * PART);
    close(pair[0]);
    close(pair[1]);
    wpipe_stream_close(s);
    wpipe_server_close(server);
}

/* The rest lies here, and whoever is inside takes no messages: it drains. */
static void time_of_unread_parts_does_not_count(void **state)
{
    wpipe_options o = due_options(state);
    wpipe_server *server;
    wpipe_stream *s;
    wpipe_event e;
    wpipe_id id;

    server = service_open(state, &o);
    s = connect_to(state, server, &id);
    write_part(s, PART, 1);
    assert_int_equal(wpipe_server_wait(server, &e, 1), WPIPE_ETIMEDOUT);
    server_send_text(server, id, "not read");
    write_part(s, PART, 1);
    assert_int_equal(wpipe_server_drain(server, id, 2 * DUE_MS),
                     WPIPE_ETIMEDOUT);
    write_part(s, PART, 0);
    e = server_expect(server, WPIPE_EVENT_MESSAGE);
    assert_int_equal(e.size, 3 * PART);
    wpipe_stream_close(s);
    wpipe_server_close(server);
}

static void message_of_forever_may_wait(void **state)
{
    wpipe_options o = service_options(state);
    wpipe_server *server;
    wpipe_stream *s;
    wpipe_event e;
    wpipe_id id;

    o.message_ms = WPIPE_FOREVER;
    server = service_open(state, &o);
    s = connect_to(state, server, &id);
    write_part(s, PART, 1);
    assert_int_equal(wpipe_server_wait(server, &e, 2 * DUE_MS),
                     WPIPE_ETIMEDOUT);
    write_part(s, PART, 0);
    (void)server_expect(server, WPIPE_EVENT_MESSAGE);
    wpipe_stream_close(s);
    wpipe_server_close(server);
}

/* ---- clients ------------------------------------------------------------- */

static void half_message_of_client_ends(void **state)
{
    bool polls[] = { false, true };
    wpipe_options o = due_options(state);
    wpipe_options listening = service_options(state);
    wpipe_listener *listener;

    listening.type = WPIPE_MESSAGE;
    listening.flags = WPIPE_CONNECT_EARLY;
    assert_int_equal(wpipe_listen(&listener, NULL, &listening), 0);
    for (int i = 0; i < 2; i++) {
        struct waiter w = { .polls = polls[i] };
        wpipe_stream *s;

        o.flags = WPIPE_CONNECT_LATER;
        assert_int_equal(
            wpipe_client_open(&w.client, wpipe_listener_name(listener), &o), 0);
        assert_int_equal(wpipe_client_wait(w.client, &w.event, 0),
                         WPIPE_ETIMEDOUT);
        assert_int_equal(wpipe_accept(listener, &s, SUPPORT_WAIT_MS), 0);
        assert_int_equal(waiter_next(&w, SUPPORT_WAIT_MS), 1);
        assert_int_equal(w.event.type, WPIPE_EVENT_CONNECTED);
        write_part(s, PART, 1);
        assert_int_equal(waiter_next(&w, DUE_MS + LATE_MS), 1);
        is_overdue(&w.event, w.event.from);
        wpipe_client_close(w.client);
        wpipe_stream_close(s);
    }
    wpipe_listener_close(listener);
}

/* It dies amid a message, and does not come again: that the message had a time
 * wakes nobody any more. */
static void half_message_of_lost_server_is_forgotten(void **state)
{
    enum {
        VAIN_MOST = 20 /* tries to connect */
    };
    wpipe_options o = due_options(state);
    wpipe_options listening = service_options(state);
    struct waiter w = { .polls = true };
    wpipe_listener *listener;
    wpipe_stream *s;

    listening.type = WPIPE_MESSAGE;
    listening.flags = WPIPE_CONNECT_EARLY;
    assert_int_equal(wpipe_listen(&listener, NULL, &listening), 0);
    o.flags = WPIPE_CONNECT_LATER | WPIPE_RECONNECT;
    assert_int_equal(
        wpipe_client_open(&w.client, wpipe_listener_name(listener), &o), 0);
    assert_int_equal(wpipe_client_wait(w.client, &w.event, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_accept(listener, &s, SUPPORT_WAIT_MS), 0);
    assert_int_equal(waiter_next(&w, SUPPORT_WAIT_MS), 1);
    assert_int_equal(w.event.type, WPIPE_EVENT_CONNECTED);
    write_part(s, PART, 1);
    assert_int_equal(waiter_next(&w, 1), WPIPE_ETIMEDOUT);
    wpipe_listener_close(listener);
    wpipe_stream_close(s);
    assert_int_equal(waiter_next(&w, SUPPORT_WAIT_MS), 1);
    assert_int_equal(w.event.type, WPIPE_EVENT_DISCONNECTED);
    w.in_vain = 0;
    assert_int_equal(waiter_next(&w, 2 * DUE_MS), WPIPE_ETIMEDOUT);
    assert_true(w.in_vain < VAIN_MOST);
    wpipe_client_close(w.client);
}

/* ---- raw peers ----------------------------------------------------------- */

/* A socket that a server let in. */
static int raw_join(wpipe_server *server, wpipe_id *ret_id)
{
    int fd = service_dial_raw(wpipe_server_name(server));

    service_hello_raw(fd);
    *ret_id = server_expect(server, WPIPE_EVENT_CONNECTED).from;
    return fd;
}

static void say(int fd, uint8_t type, uint16_t flags, uint32_t size,
                size_t sent)
{
    struct wpipe__frame frame = { .type = type, .flags = flags, .size = size };
    static uint8_t bytes[WPIPE__FRAME_HEADER + WPIPE__FRAME_DATA_MAX];

    wpipe__frame_encode(&frame, bytes);
    assert_int_equal(send(fd, bytes, sent, MSG_NOSIGNAL), sent);
}

/* Not even a frame is whole: a part of a header, or of a body. */
static void half_frame_ends(void **state)
{
    static const size_t sizes[] = { 1, WPIPE__FRAME_HEADER,
                                    WPIPE__FRAME_HEADER + 50 };
    static const int types[] = { WPIPE_MESSAGE, WPIPE_BYTE };

    for (size_t i = 0; i < 6; i++) {
        wpipe_options o = due_options(state);
        struct waiter w = { .polls = true };
        wpipe_id id;
        int fd;

        o.type = types[i % 2];
        w.server = service_open(state, &o);
        fd = raw_join(w.server, &id);
        say(fd, WPIPE__FRAME_DATA, 0, PART, sizes[i / 2]);
        assert_int_equal(waiter_next(&w, DUE_MS + LATE_MS), 1);
        is_overdue(&w.event, id);
        close(fd);
        wpipe_server_close(w.server);
    }
}

/* Nor are there messages on a byte pipe, whole or half. */
static void messages_on_byte_pipe_end(void **state)
{
    static const struct {
        uint16_t flags;
        uint32_t size;
    } records[] = { { WPIPE__RECORD_ABORT, 0 },
                    { WPIPE__RECORD_MORE, PART },
                    { WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL, PART },
                    { WPIPE__RECORD_REQUEST, PART } };

    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        wpipe_options o = due_options(state);
        wpipe_server *server;
        wpipe_event e;
        wpipe_id id;
        int fd;

        o.type = WPIPE_BYTE;
        server = service_open(state, &o);
        fd = raw_join(server, &id);
        say(fd, WPIPE__FRAME_DATA, records[i].flags, records[i].size,
            WPIPE__FRAME_HEADER + records[i].size);
        e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
        assert_int_equal(e.from, id);
        assert_int_equal(e.reason, WPIPE_REASON_PROTOCOL);
        assert_int_equal(e.error, WPIPE_EPROTO);
        close(fd);
        wpipe_server_close(server);
    }
}

/* It says that nothing more comes, amid a message, and stays: the beginning is
 * void, and its memory another one's. */
static void half_message_before_fin_is_freed(void **state)
{
    enum {
        PIECES = 3,
        SIZE = 15000, /* within the window */
        PEERS = 2 * LIMIT / (PIECES * SIZE)
    };
    wpipe_options o = service_options(state);
    wpipe_server *server;
    wpipe_id id;
    int fds[PEERS];

    o.memory_limit = LIMIT;
    o.message_ms = WPIPE_FOREVER;
    server = service_open(state, &o);
    for (int i = 0; i < PEERS; i++) {
        fds[i] = raw_join(server, &id);
        for (int k = 0; k < PIECES; k++)
            say(fds[i], WPIPE__FRAME_DATA, WPIPE__RECORD_MORE, SIZE,
                WPIPE__FRAME_HEADER + SIZE);
        say(fds[i], WPIPE__FRAME_DATA, WPIPE__RECORD_FIN, 0,
            WPIPE__FRAME_HEADER);
        assert_int_equal(server_expect(server, WPIPE_EVENT_FINISHED).from, id);
    }
    for (int i = 0; i < PEERS; i++)
        close(fds[i]);
    wpipe_server_close(server);
}

static const struct service_case cases[] = {
    EACH(half_message_of_waited_server_ends),
    EACH(half_message_of_polled_server_ends),
    EACH(half_message_in_drops_ends),
    EACH(each_message_has_its_own_time),
    EACH(time_of_a_busy_server_does_not_count),
    EACH(time_of_unread_parts_does_not_count),
    EACH(message_of_forever_may_wait),
    EACH(half_message_of_client_ends),
    EACH(half_message_of_lost_server_is_forgotten),
    ONCE(half_frame_ends),
    ONCE(messages_on_byte_pipe_end),
    ONCE(half_message_before_fin_is_freed),
};

SERVICE_MAIN(cases)
