/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that only polls the descriptor of an object is told of all that
 * falls due in the library: guests that say nothing, connecting that takes too
 * long, servers that come later. And it is left alone when nothing does.
 */
#include "poll.h"
#include "service.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    DUE_MS = 100,                          /* the library's deadline */
    LATE_MS = 1000 * SUPPORT_LIMIT_FACTOR, /* how late that may be seen */
    IDLE_MS = 300,
    VAIN_MOST = 10 /* looks in vain in that time */
};

static wpipe_options due_options(void)
{
    wpipe_options o = { .size = sizeof o };

    o.handshake_ms = DUE_MS;
    o.connect_ms = DUE_MS;
    return o;
}

static void event_comes(struct waiter *w, int type, int reason)
{
    int64_t r = waiter_next(w, DUE_MS + LATE_MS);

    if (r != 1 || w->event.type != type || w->event.reason != reason)
        fail_msg("%s, type %d, reason %d instead of type %d, reason %d",
                 r < 0 ? wpipe_error_name((int)r) : "an event", w->event.type,
                 w->event.reason, type, reason);
}

/* ---- guests that say nothing --------------------------------------------- */

static void silent_guest_of_server_gone(void **state)
{
    wpipe_options o = due_options();
    struct waiter w = { .polls = true };
    int fd;

    (void)state;
    assert_int_equal(wpipe_server_open(&w.server, NULL, &o), 0);
    fd = service_dial_raw(wpipe_server_name(w.server));
    event_comes(&w, WPIPE_EVENT_REFUSED, WPIPE_REASON_PROTOCOL);
    service_wait_hangup(fd);
    close(fd);
    wpipe_server_close(w.server);
}

static void silent_guest_of_listener_gone(void **state)
{
    wpipe_options o = due_options();
    struct waiter w = { .polls = true };
    int64_t end = support_now_ms() + DUE_MS + LATE_MS;
    int fd;

    (void)state;
    assert_int_equal(wpipe_listen(&w.listener, NULL, &o), 0);
    fd = service_dial_raw(wpipe_listener_name(w.listener));
    do {
        if (support_now_ms() > end)
            fail_msg("the silent guest is still there");
        assert_int_equal(waiter_next(&w, DUE_MS), WPIPE_ETIMEDOUT);
    } while (!support_wait_readable(fd, 0));
    service_wait_hangup(fd);
    close(fd);
    wpipe_listener_close(w.listener);
}

/* ---- connecting ---------------------------------------------------------- */

static void open_later(struct waiter *w, const char *name, int connect_ms,
                       uint32_t flags)
{
    wpipe_options o = due_options();

    o.connect_ms = connect_ms;
    o.flags = WPIPE_CONNECT_LATER | flags;
    if (name[0] == '/')
        o.foreign = WPIPE_FOREIGN_ONLY;
    assert_int_equal(wpipe_client_open(&w->client, name, &o), 0);
}

static void connect_ms_over_told(void **state)
{
    struct waiter w = { .polls = true };

    (void)state;
    open_later(&w, support_unique_name(), DUE_MS, 0);
    assert_int_equal(waiter_next(&w, DUE_MS + LATE_MS), 1);
    assert_int_equal(w.event.type, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(w.event.error, WPIPE_ENOTFOUND);
    wpipe_client_close(w.client);
}

/* There is a server, and it never says its word. */
static void connect_ms_over_at_silent_server_told(void **state)
{
    struct waiter w = { .polls = true };
    wpipe_listener *listener;

    (void)state;
    assert_int_equal(wpipe_listen(&listener, NULL, NULL), 0);
    open_later(&w, wpipe_listener_name(listener), DUE_MS, 0);
    assert_int_equal(waiter_next(&w, DUE_MS + LATE_MS), 1);
    assert_int_equal(w.event.type, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(w.event.error, WPIPE_ETIMEDOUT);
    wpipe_client_close(w.client);
    wpipe_listener_close(listener);
}

/* Nothing comes: it has tried, and waits. */
static void try_once(struct waiter *w)
{
    assert_int_equal(waiter_next(w, 50), WPIPE_ETIMEDOUT);
}

static void native_server_comes_later(void **state)
{
    struct waiter server = { .polls = true };
    struct waiter w = { .polls = true };
    const char *name = support_unique_name();
    struct service_echo echo;

    (void)state;
    open_later(&w, name, WPIPE_FOREVER, 0);
    try_once(&w);
    assert_int_equal(wpipe_server_open(&server.server, name, NULL), 0);
    service_echo_begin(&echo, server.server);
    event_comes(&w, WPIPE_EVENT_CONNECTED, 0);
    wpipe_client_close(w.client);
    service_echo_end(&echo);
}

/* A path at the foreign door: first nothing there, or a socket on which nobody
 * listens yet; `state` says which. */
static void foreign_server_listens_later(void **state)
{
    bool bound_first = *state != NULL;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct waiter w = { .polls = true };
    int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s/door",
             support_dir());
    if (bound_first)
        assert_int_equal(
            bind(door, (struct sockaddr *)&address, sizeof address), 0);
    open_later(&w, address.sun_path, WPIPE_FOREVER, 0);
    try_once(&w);
    if (!bound_first)
        assert_int_equal(
            bind(door, (struct sockaddr *)&address, sizeof address), 0);
    try_once(&w);
    assert_int_equal(listen(door, 4), 0);
    event_comes(&w, WPIPE_EVENT_CONNECTED, 0);
    wpipe_client_close(w.client);
    close(door);
}

static void server_restarts_client_is_told(void **state)
{
    struct waiter w = { .polls = true };
    const char *name = support_unique_name();
    wpipe_server *server;
    struct service_echo echo;

    (void)state;
    assert_int_equal(wpipe_server_open(&server, name, NULL), 0);
    service_echo_begin(&echo, server);
    open_later(&w, name, WPIPE_FOREVER, WPIPE_RECONNECT);
    event_comes(&w, WPIPE_EVENT_CONNECTED, 0);
    service_echo_end(&echo);
    event_comes(&w, WPIPE_EVENT_DISCONNECTED, WPIPE_REASON_CLOSED);
    try_once(&w);
    assert_int_equal(wpipe_server_open(&server, name, NULL), 0);
    service_echo_begin(&echo, server);
    event_comes(&w, WPIPE_EVENT_CONNECTED, 0);
    wpipe_client_close(w.client);
    service_echo_end(&echo);
}

/* ---- idle ---------------------------------------------------------------- */

static int64_t cpu_us(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void is_idle(struct waiter *w, const char *what)
{
    int64_t end = support_now_ms() + IDLE_MS;
    int64_t before = cpu_us();
    int64_t left;

    w->polls = true;
    w->asks_again = true;
    while (waiter_next(w, 0) != WPIPE_ETIMEDOUT)
        continue; /* what has come so far */
    w->in_vain = 0;
    while ((left = end - support_now_ms()) > 0) {
        /* the descriptor is asked for again in each round */
        if (support_wait_readable(waiter_fd(w), (int)left)) {
            assert_int_equal(waiter_call(w, 0), WPIPE_ETIMEDOUT);
            w->in_vain++;
        }
    }
    if (w->in_vain > VAIN_MOST)
        fail_msg("%s: readable %d times in %d ms for nothing", what, w->in_vain,
                 IDLE_MS);
    if (cpu_us() - before > IDLE_MS * 1000 / 3)
        fail_msg("%s: %d us of CPU time in %d ms", what,
                 (int)(cpu_us() - before), IDLE_MS);
}

static void descriptors_are_quiet_when_idle(void **state)
{
    struct waiter server = { .server = service_open(state, NULL) };
    struct waiter client = { 0 };
    struct waiter listener = { 0 };
    struct waiter stream = { 0 };
    wpipe_options o = service_options(state);
    wpipe_stream *accepted;
    wpipe_id id;

    client.client = service_join(state, server.server, NULL, &id);
    o.flags = WPIPE_CONNECT_EARLY;
    assert_int_equal(wpipe_listen(&listener.listener, NULL, &o), 0);
    assert_int_equal(wpipe_connect(&stream.stream,
                                   wpipe_listener_name(listener.listener), &o,
                                   SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(
        wpipe_accept(listener.listener, &accepted, SUPPORT_WAIT_MS), 0);
    is_idle(&server, "server");
    is_idle(&client, "client");
    is_idle(&listener, "listener");
    is_idle(&stream, "stream");
    wpipe_stream_close(stream.stream);
    wpipe_stream_close(accepted);
    wpipe_listener_close(listener.listener);
    wpipe_client_close(client.client);
    wpipe_server_close(server.server);
}

/* One that looks for its server has little to do as well. */
static void descriptor_is_quiet_while_connecting(void **state)
{
    struct waiter w = { .polls = true };

    (void)state;
    open_later(&w, support_unique_name(), WPIPE_FOREVER, 0);
    is_idle(&w, "client");
    wpipe_client_close(w.client);
}

static int yes = 1;

static const struct support_case cases[] = {
    TEST(silent_guest_of_server_gone),
    TEST(silent_guest_of_listener_gone),
    TEST(connect_ms_over_told),
    TEST(connect_ms_over_at_silent_server_told),
    TEST(native_server_comes_later),
    TEST_WITH(foreign_server_listens_later, NULL, "absent"),
    TEST_WITH(foreign_server_listens_later, &yes, "bound"),
    TEST(server_restarts_client_is_told),
    TEST(descriptors_are_quiet_when_idle),
    TEST(descriptor_is_quiet_while_connecting),
};

TEST_MAIN(cases)
