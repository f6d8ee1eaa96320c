/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that die, break the protocol, say nothing or are stopped: the server
 * says which, and the others notice nothing.
 */
#include "service.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/ring.h"

/* ---- clients that die --------------------------------------------------- */

struct plan {
    const char *name;
    int shared_memory;
    int messages; /* each way */
};

/* Talks, then waits for its end. */
static int talk_then_wait(int fd, void *argument)
{
    const struct plan *plan = argument;
    wpipe_options options = { .size = sizeof options };
    wpipe_client *client = NULL;

    options.shared_memory = plan->shared_memory;
    assert_int_equal(wpipe_client_open(&client, plan->name, &options), 0);
    for (int i = 0; i < plan->messages; i++) {
        client_send_text(client, "hello");
        client_expect_text(client, "hello");
    }
    event_send(fd, 1);
    event_wait(fd);
    return 0;
}

/* A helper that is connected and has talked. */
static void start_talker(struct helper *helper, struct plan *plan, void **state,
                         wpipe_server *server)
{
    plan->name = wpipe_server_name(server);
    plan->shared_memory = service_options(state).shared_memory;
    plan->messages = 40;
    helper_start(helper, talk_then_wait, plan);
    (void)server_expect(server, WPIPE_EVENT_CONNECTED);
    for (int i = 0; i < plan->messages; i++) {
        wpipe_event e = server_expect(server, WPIPE_EVENT_MESSAGE);

        assert_int_equal(wpipe_server_send(server, e.from, e.data, e.size), 0);
    }
    event_expect(helper->fd, 1);
}

static void peer_killed_reported_at_once(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct helper helper;
    struct plan plan;
    wpipe_client *other;
    wpipe_id id;
    wpipe_event e;
    int64_t start;

    start_talker(&helper, &plan, state, server);
    other = service_join(state, server, NULL, &id);
    start = support_now_ms();
    helper_kill(&helper);
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_true(support_now_ms() - start < SUPPORT_SOON_MS);
    assert_int_equal(e.reason, WPIPE_REASON_DIED);
    assert_int_equal(e.error, WPIPE_EDIED);
    assert_int_not_equal(e.from, id);
    client_send_text(other, "nothing happened");
    server_expect_text(server, id, "nothing happened");
    wpipe_client_close(other);
    wpipe_server_close(server);
}

/* What it was sent and had not read is counted. */
static void peer_killed_unread_counted(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct helper helper;
    struct plan plan;
    wpipe_event e;

    start_talker(&helper, &plan, state, server);
    for (int i = 0; i < 100; i++)
        assert_int_equal(wpipe_server_broadcast(server, "unread", 6), 1);
    helper_kill(&helper);
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_DIED);
    assert_in_range(e.lost_messages, 100, 116); /* see kick: not all is told */
    assert_in_range(e.lost_bytes, 600, 696);
    wpipe_server_close(server);
}

/* A stopped client is slow, not dead; and it does not hold up the others. */
static void peer_stopped_others_served(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server;
    struct helper helper;
    struct plan plan;
    wpipe_client *other;
    wpipe_id id;
    wpipe_event e;
    static uint8_t data[1000];
    int r;

    options.queue_limit = 10000;
    server = service_open(state, &options);
    start_talker(&helper, &plan, state, server);
    other = service_join(state, server, NULL, &id);
    helper_stop(&helper);
    do {
        r = wpipe_server_broadcast(server, data, sizeof data);
        if (client_expect(other, WPIPE_EVENT_MESSAGE).size != sizeof data)
            fail_msg("not the broadcast");
    } while (r == 2);
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_SLOW);
    client_send_text(other, "still here");
    server_expect_text(server, id, "still here");
    helper_cont(&helper);
    helper_kill(&helper);
    wpipe_client_close(other);
    wpipe_server_close(server);
}

/* ---- raw peers ---------------------------------------------------------- */

static void say(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

static void say_frame(int fd, uint8_t type, uint16_t flags, uint64_t value,
                      const void *body, uint32_t size)
{
    struct wpipe__frame frame = {
        .type = type, .flags = flags, .size = size, .value = value
    };
    uint8_t bytes[WPIPE__FRAME_HEADER + 64];

    assert_true(size <= 64);
    wpipe__frame_encode(&frame, bytes);
    if (size > 0)
        memcpy(bytes + WPIPE__FRAME_HEADER, body, size);
    say(fd, bytes, WPIPE__FRAME_HEADER + size);
}

static void peer_nonsense_before_hello_refused(void **state)
{
    static const char *const words[] = {
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        "\x01",
    };
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *other;
    wpipe_id id;
    wpipe_event e;
    int fd;

    other = service_join(state, server, NULL, &id);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        fd = service_dial_raw(wpipe_server_name(server));
        say(fd, words[i], strlen(words[i]));
        if (i == 2) { /* half a header, and gone: nothing to tell */
            close(fd);
            continue;
        }
        e = server_expect(server, WPIPE_EVENT_REFUSED);
        assert_int_equal(e.reason, WPIPE_REASON_PROTOCOL);
        assert_int_equal(e.error, WPIPE_EPROTO);
        service_wait_hangup(fd);
        close(fd);
    }
    server_expect_none(server);
    client_send_text(other, "still here");
    server_expect_text(server, id, "still here");
    wpipe_client_close(other);
    wpipe_server_close(server);
}

static void peer_nonsense_after_hello_disconnected(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *other;
    wpipe_id id;
    wpipe_id raw;
    wpipe_event e;
    int fd;

    other = service_join(state, server, NULL, &id);
    fd = service_dial_raw(wpipe_server_name(server));
    service_hello_raw(fd);
    raw = server_expect(server, WPIPE_EVENT_CONNECTED).from;
    say_frame(fd, WPIPE__FRAME_DATA, 0, 0, "good", 4);
    server_expect_text(server, raw, "good");
    say(fd, "this is not a frame at all", 26);
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.from, raw);
    assert_int_equal(e.reason, WPIPE_REASON_PROTOCOL);
    assert_int_equal(e.error, WPIPE_EPROTO);
    service_wait_hangup(fd);
    close(fd);
    client_send_text(other, "still here");
    server_expect_text(server, id, "still here");
    wpipe_client_close(other);
    wpipe_server_close(server);
}

/* A client that sends `kind` and `total` with a first fragment is out. */
static void expect_broken(void **state, uint16_t flags, uint64_t word,
                          int reason)
{
    wpipe_options options = service_options(state);
    uint8_t body[16] = { 0 };
    wpipe_server *server;
    wpipe_event e;
    int fd;

    options.max_message = 65536;
    server = service_open(state, &options);
    fd = service_dial_raw(wpipe_server_name(server));
    service_hello_raw(fd);
    (void)server_expect(server, WPIPE_EVENT_CONNECTED);
    memcpy(body, &word, sizeof word);
    say_frame(fd, WPIPE__FRAME_DATA, flags, 0, body, sizeof body);
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, reason);
    close(fd);
    wpipe_server_close(server);
}

static void peer_announces_four_gigabytes_out_at_once(void **state)
{
    expect_broken(state, WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL,
                  UINT64_C(4) << 30, WPIPE_REASON_TOO_BIG);
    expect_broken(state, WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL, 65537,
                  WPIPE_REASON_TOO_BIG);
}

static void peer_answers_no_call_out(void **state)
{
    expect_broken(state, WPIPE__RECORD_REPLY, 1, WPIPE_REASON_PROTOCOL);
    expect_broken(state, WPIPE__RECORD_REQUEST, 0, WPIPE_REASON_PROTOCOL);
}

/* A client may throw away what it was sent; it cannot kick a server. */
static void peer_disconnects_has_closed(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_event e;
    int fd;

    fd = service_dial_raw(wpipe_server_name(server));
    service_hello_raw(fd);
    (void)server_expect(server, WPIPE_EVENT_CONNECTED);
    say_frame(fd, WPIPE__FRAME_STATE, 0, WPIPE__STATE_DISCONNECTED, NULL, 0);
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_CLOSED);
    close(fd);
    wpipe_server_close(server);
}

/* ---- other users -------------------------------------------------------- */

enum {
    NOBODY = 65534
};

/* Root can connect to anything; a server of somebody else does not serve it. */
static int serve_as_nobody(int fd, void *argument)
{
    wpipe_server *server = NULL;
    wpipe_event e;

    assert_int_equal(setenv("WINDPIPE_DIR", argument, 1), 0);
    assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
    assert_int_equal(wpipe_server_open(&server, "private", NULL), 0);
    event_send(fd, 1);
    e = server_expect(server, WPIPE_EVENT_REFUSED);
    assert_int_equal(e.reason, WPIPE_REASON_DENIED);
    assert_int_equal(e.error, WPIPE_EACCES);
    wpipe_server_close(server);
    event_send(fd, 2);
    event_wait(fd);
    return 0;
}

static void peer_root_not_served_by_others(void **state)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char folder[] = "/tmp/windpipe-nobody-XXXXXX";
    struct helper helper;
    int fd;

    (void)state;
    if (geteuid() != 0)
        support_skip("only root can be somebody else");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
    helper_start(&helper, serve_as_nobody, folder);
    event_expect(helper.fd, 1);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/private.pipe",
             folder);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address),
                     0);
    service_hello_raw(fd);
    service_wait_hangup(fd);
    close(fd);
    event_expect(helper.fd, 2);
    event_send(helper.fd, 3);
    assert_int_equal(helper_join(&helper), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* Others may connect where they are let in; only the server's user may ask. */
static int ask_as_nobody(int fd, void *argument)
{
    wpipe_pipe_facts facts = { .size = sizeof facts };
    wpipe_client *client = NULL;

    assert_int_equal(setenv("WINDPIPE_SHARED_DIR", argument, 1), 0);
    assert_int_equal(setenv("WINDPIPE_DIR", "/nonexistent", 1), 0);
    assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
    assert_int_equal(wpipe_client_open(&client, "open", NULL), 0);
    client_send_text(client, "let me in");
    client_expect_text(client, "let me in");
    assert_int_equal(wpipe_inspect("open", &facts, NULL, 0, SUPPORT_WAIT_MS),
                     WPIPE_EACCES);
    wpipe_client_close(client);
    event_send(fd, 1);
    return 0;
}

static void peer_of_other_user_may_not_ask(void **state)
{
    wpipe_options options = service_options(state);
    char folder[] = "/tmp/windpipe-open-XXXXXX";
    struct service_echo echo;
    struct helper helper;
    wpipe_server *server = NULL;

    if (geteuid() != 0)
        support_skip("only root can be somebody else");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 01777), 0);
    assert_int_equal(setenv("WINDPIPE_SHARED_DIR", folder, 1), 0);
    options.access = WPIPE_ACCESS_ANYONE;
    assert_int_equal(wpipe_server_open(&server, "open", &options), 0);
    service_echo_begin(&echo, server);
    helper_start(&helper, ask_as_nobody, folder);
    event_expect(helper.fd, 1);
    assert_int_equal(helper_join(&helper), 0);
    service_echo_end(&echo);
    assert_int_equal(echo.messages, 1);
    assert_int_equal(rmdir(folder), 0);
}

static void peer_silent_refused_in_time(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_server *server;
    wpipe_client *other;
    wpipe_id id;
    wpipe_event e;
    int64_t start;
    int fds[3];

    options.handshake_ms = 50;
    server = service_open(state, &options);
    other = service_join(state, server, NULL, &id);
    start = support_now_ms();
    for (int i = 0; i < 3; i++)
        fds[i] = service_dial_raw(wpipe_server_name(server));
    for (uint64_t told = 0; told < 3; told += e.count) {
        e = server_expect(server, WPIPE_EVENT_REFUSED);
        assert_int_equal(e.reason, WPIPE_REASON_PROTOCOL);
        assert_int_equal(e.error, WPIPE_ETIMEDOUT);
        assert_true(support_now_ms() - start >= 50);
    }
    for (int i = 0; i < 3; i++) {
        service_wait_hangup(fds[i]);
        close(fds[i]);
    }
    client_send_text(other, "still here");
    server_expect_text(server, id, "still here");
    wpipe_client_close(other);
    wpipe_server_close(server);
}

/* Somebody who connects and goes is nobody's trouble. */
static void peer_leaves_before_hello_not_told(void **state)
{
    wpipe_server *server = service_open(state, NULL);

    for (int i = 0; i < 20; i++)
        close(service_dial_raw(wpipe_server_name(server)));
    server_expect_none(server);
    server_expect_none(server);
    assert_int_equal(wpipe_server_count(server), 0);
    wpipe_server_close(server);
}

/* More silent guests than the server keeps: those who talk still come in. */
static void peer_silent_crowd_others_come_in(void **state)
{
    enum {
        CROWD = 1100
    };
    static int fds[CROWD];
    struct rlimit limit;
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    wpipe_event e;
    wpipe_id id;
    uint64_t refused = 0;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 3 * CROWD) {
        wpipe_server_close(server);
        support_skip("too few descriptors");
    }
    for (int i = 0; i < CROWD; i++) {
        fds[i] = service_dial_raw(wpipe_server_name(server));
        while (wpipe_server_wait(server, &e, 0) == 1) {
            assert_int_equal(e.type, WPIPE_EVENT_REFUSED);
            refused += e.count;
        }
    }
    while (refused < CROWD - 1024)
        refused += server_expect(server, WPIPE_EVENT_REFUSED).count;
    assert_in_range(refused, CROWD - 1024, CROWD - 1024 + 1);
    client = service_join(state, server, NULL, &id);
    wpipe_client_close(client);
    wpipe_server_close(server);
    for (int i = 0; i < CROWD; i++)
        close(fds[i]);
}

/* A storm is one event with a count, not sixty events; what comes right after
 * it is told together, a little later. */
static void peer_refused_often_is_one_event(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    wpipe_client *client;
    wpipe_event e;
    wpipe_id id;
    int fds[90];
    int64_t start;

    client = service_join(state, server, NULL, &id);
    for (int i = 0; i < 60; i++) {
        fds[i] = service_dial_raw(wpipe_server_name(server));
        say(fds[i], "nonsense nonsense nonsense", 26);
    }
    start = support_now_ms();
    e = server_expect(server, WPIPE_EVENT_REFUSED);
    assert_int_equal(e.reason, WPIPE_REASON_PROTOCOL);
    assert_int_equal(e.count, 60);
    for (int i = 60; i < 90; i++) {
        fds[i] = service_dial_raw(wpipe_server_name(server));
        say(fds[i], "nonsense nonsense nonsense", 26);
    }
    e = server_expect(server, WPIPE_EVENT_REFUSED);
    assert_true(support_now_ms() - start >= 249);
    for (uint64_t told = e.count; told < 30; told += e.count)
        e = server_expect(server, WPIPE_EVENT_REFUSED);
    for (int i = 0; i < 90; i++)
        close(fds[i]);
    client_send_text(client, "still here");
    server_expect_text(server, id, "still here");
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static const struct service_case cases[] = {
    EACH(peer_killed_reported_at_once),
    EACH(peer_killed_unread_counted),
    EACH(peer_stopped_others_served),
    ONCE(peer_nonsense_before_hello_refused),
    ONCE(peer_nonsense_after_hello_disconnected),
    ONCE(peer_announces_four_gigabytes_out_at_once),
    ONCE(peer_answers_no_call_out),
    ONCE(peer_disconnects_has_closed),
    ONCE(peer_root_not_served_by_others),
    ONCE(peer_of_other_user_may_not_ask),
    ONCE(peer_silent_refused_in_time),
    ONCE(peer_leaves_before_hello_not_told),
    ONCE(peer_silent_crowd_others_come_in),
    ONCE(peer_refused_often_is_one_event),
};

SERVICE_MAIN(cases)
