/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log hook: it is told what happens to connections, in order, one call at a
 * time and with no lock held, and never for each message.
 */
#include "service.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

/* What one hook was told. */
struct told {
    _Atomic int count[WPIPE_LOG_REFUSED + 1];
    wpipe_log_entry last[WPIPE_LOG_REFUSED + 1];
    _Atomic int inside;
    wpipe_server *server; /* to be called in the hook; may be NULL */
    wpipe_client *client;
};

/* It calls the library, which would hang if a lock of the object was held. */
static void on_log(const wpipe_log_entry *entry, void *user)
{
    struct told *told = user;
    wpipe_peer peer = { .size = sizeof(peer) };

    assert_int_equal(atomic_fetch_add(&told->inside, 1), 0);
    assert_int_equal(entry->size, sizeof(*entry));
    assert_in_range(entry->kind, WPIPE_LOG_CONNECTED, WPIPE_LOG_REFUSED);
    assert_int_equal(entry->missed, 0);
    if (told->server != NULL) {
        (void)wpipe_server_peer(told->server, entry->connection, &peer);
        (void)wpipe_server_send(told->server, entry->connection + 1000, "", 0);
    }
    if (told->client != NULL)
        (void)wpipe_client_peer(told->client, &peer);
    told->last[entry->kind] = *entry;
    atomic_fetch_add(&told->count[entry->kind], 1);
    atomic_fetch_sub(&told->inside, 1);
}

static int admit_when_told(const wpipe_peer *peer, void *user)
{
    (void)peer;
    return *(int *)user ? 0 : WPIPE_EACCES;
}

static void expect_about(const struct told *told, int kind, uint64_t id)
{
    assert_int_equal(told->count[kind], 1);
    assert_int_equal(told->last[kind].connection, id);
    assert_int_equal(told->last[kind].peer.pid, getpid());
    assert_int_equal(told->last[kind].peer.uid, getuid());
}

/* So many there and back. */
static void talk(wpipe_server *server, wpipe_client *client, wpipe_id id,
                 int count)
{
    for (int i = 0; i < count; i++) {
        client_send_text(client, "there");
        server_expect_text(server, id, "there");
        server_send_text(server, id, "back");
        client_expect_text(client, "back");
    }
}

/* Broadcast until the client is skipped, twice. How large each is. */
static size_t fill(wpipe_server *server)
{
    static char large[100000];
    wpipe_event e;
    int r;

    do {
        r = wpipe_server_broadcast(server, large, sizeof(large));
        assert_in_range(r, 0, 1);
    } while (r == 1);
    assert_int_equal(wpipe_server_broadcast(server, large, sizeof(large)), 0);
    assert_int_equal(wpipe_server_wait(server, &e, 0), 1);
    assert_int_equal(e.type, WPIPE_EVENT_SKIPPED);
    return sizeof(large);
}

static void log_tells_session_of_server_and_client(void **state)
{
    wpipe_options options = WPIPE_INIT(wpipe_options);
    static struct told ours;
    static struct told theirs;
    wpipe_server *server;
    wpipe_client *client;
    wpipe_client *other = NULL;
    int admit = 1;
    wpipe_event e;
    wpipe_id id;

    options.log = on_log;
    options.log_user = &ours;
    options.admit = admit_when_told;
    options.admit_user = &admit;
    options.slow_reader = WPIPE_SLOW_SKIP;
    server = service_open(state, &options);
    ours.server = server;
    options = (wpipe_options)WPIPE_INIT(wpipe_options);
    options.log = on_log;
    options.log_user = &theirs;
    options.flags = WPIPE_CONNECT_LATER;
    client = service_join(state, server, &options, &id);
    theirs.client = client;
    expect_about(&ours, WPIPE_LOG_CONNECTED, id);
    assert_int_equal(theirs.count[WPIPE_LOG_CONNECTED], 1);
    assert_int_equal(theirs.last[WPIPE_LOG_CONNECTED].peer.pid, getpid());
    assert_int_equal(ours.count[WPIPE_LOG_MOVED], 0);

    talk(server, client, id, 50);
    expect_about(&ours, WPIPE_LOG_MOVED, id);
    assert_int_equal(theirs.count[WPIPE_LOG_MOVED], 1);

    (void)fill(server);
    expect_about(&ours, WPIPE_LOG_GROWN, id);
    assert_int_equal(theirs.count[WPIPE_LOG_GROWN], 0);
    assert_true(ours.last[WPIPE_LOG_GROWN].bytes >= 65536);
    expect_about(&ours, WPIPE_LOG_DROPPED, id);
    assert_int_equal(ours.last[WPIPE_LOG_DROPPED].reason, WPIPE_REASON_SLOW);
    assert_int_equal(ours.last[WPIPE_LOG_DROPPED].count, 1);
    assert_int_equal(ours.last[WPIPE_LOG_DROPPED].bytes, 100000);

    admit = 0;
    options.log = NULL;
    assert_int_equal(
        wpipe_client_open(&other, wpipe_server_name(server), &options), 0);
    client_expect_none(other);
    e = server_expect(server, WPIPE_EVENT_REFUSED);
    assert_int_equal(e.count, 1);
    assert_int_equal(ours.count[WPIPE_LOG_REFUSED], 1);
    assert_int_equal(ours.last[WPIPE_LOG_REFUSED].reason, WPIPE_REASON_DENIED);
    assert_int_equal(ours.last[WPIPE_LOG_REFUSED].error, WPIPE_EACCES);
    assert_int_equal(ours.last[WPIPE_LOG_REFUSED].count, 1);
    wpipe_client_close(other);

    theirs.client = NULL; /* it is being closed */
    wpipe_client_close(client);
    assert_int_equal(theirs.count[WPIPE_LOG_DISCONNECTED], 1);
    e = server_expect(server, WPIPE_EVENT_DISCONNECTED);
    expect_about(&ours, WPIPE_LOG_DISCONNECTED, id);
    assert_int_equal(ours.last[WPIPE_LOG_DISCONNECTED].reason, e.reason);
    assert_int_equal(ours.count[WPIPE_LOG_DROPPED], 2);
    assert_int_equal(ours.last[WPIPE_LOG_DROPPED].count, e.lost_messages);
    assert_int_equal(ours.last[WPIPE_LOG_DROPPED].bytes, e.lost_bytes);
    ours.server = NULL;
    wpipe_server_close(server);
    assert_int_equal(ours.count[WPIPE_LOG_CONNECTED], 1);
    assert_int_equal(ours.count[WPIPE_LOG_MOVED], 1);
}

static void log_tells_session_of_streams(void **state)
{
    static char large[8192];
    wpipe_options options = WPIPE_INIT(wpipe_options);
    static struct told told;
    wpipe_listener *listener = NULL;
    wpipe_stream *a = NULL;
    wpipe_stream *b = NULL;
    wpipe_stream *none = NULL;
    int admit = 1;
    char buf[8];

    (void)state;
    options.type = WPIPE_MESSAGE;
    options.log = on_log;
    options.log_user = &told;
    options.admit = admit_when_told;
    options.admit_user = &admit;
    assert_int_equal(wpipe_listen(&listener, NULL, &options), 0);
    options.flags = WPIPE_CONNECT_EARLY;
    options.log = NULL;
    assert_int_equal(wpipe_connect(&b, wpipe_listener_name(listener), &options,
                                   SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(wpipe_accept(listener, &a, SUPPORT_WAIT_MS), 0);
    expect_about(&told, WPIPE_LOG_CONNECTED, 0);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(wpipe_write(a, "there", 5, SUPPORT_WAIT_MS), 5);
        assert_int_equal(wpipe_read(b, buf, 8, SUPPORT_WAIT_MS), 5);
        assert_int_equal(wpipe_write(b, "back", 4, SUPPORT_WAIT_MS), 4);
        assert_int_equal(wpipe_read(a, buf, 8, SUPPORT_WAIT_MS), 4);
    }
    expect_about(&told, WPIPE_LOG_MOVED, 0);
    while (wpipe_write(a, large, sizeof(large), 0) > 0)
        ;
    expect_about(&told, WPIPE_LOG_GROWN, 0);
    admit = 0;
    assert_int_equal(wpipe_connect(&none, wpipe_listener_name(listener),
                                   &options, SUPPORT_WAIT_MS),
                     0); /* early: it does not know yet */
    assert_int_equal(wpipe_accept(listener, &none, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(told.count[WPIPE_LOG_REFUSED], 1);
    assert_int_equal(told.last[WPIPE_LOG_REFUSED].error, WPIPE_EACCES);
    wpipe_stream_close(none);
    wpipe_stream_close(b);
    wpipe_stream_close(a);
    expect_about(&told, WPIPE_LOG_DISCONNECTED, 0);
    expect_about(&told, WPIPE_LOG_DROPPED, 0);
    assert_true(told.last[WPIPE_LOG_DROPPED].bytes > sizeof(large));
    wpipe_listener_close(listener);
}

/* The threads of a server share a hook, and never call it at once: the hook
 * looks. Nothing of many connections is missing. */
static void log_of_several_threads_is_one_at_a_time(void **state)
{
    enum {
        CLIENTS = 40
    };
    static const wpipe_handlers handlers = WPIPE_INIT(wpipe_handlers);
    wpipe_options options = WPIPE_INIT(wpipe_options);
    static struct told told;
    wpipe_server *server = NULL;
    wpipe_client *client = NULL;

    (void)state;
    options.log = on_log;
    options.log_user = &told;
    options.threads = 3;
    assert_int_equal(wpipe_server_open(&server, NULL, &options), 0);
    told.server = server;
    assert_int_equal(wpipe_server_start(server, &handlers, NULL), 0);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(
            wpipe_client_open(&client, wpipe_server_name(server), NULL), 0);
        client_send_text(client, "hello");
        wpipe_client_close(client);
    }
    while (told.count[WPIPE_LOG_DISCONNECTED] < CLIENTS)
        usleep(1000);
    assert_int_equal(told.count[WPIPE_LOG_CONNECTED], CLIENTS);
    told.server = NULL;
    wpipe_server_close(server);
    assert_int_equal(told.count[WPIPE_LOG_DISCONNECTED], CLIENTS);
}

/* What info shows of it: since when, when last, what was dropped. */
static void facts_tell_age_use_and_dropped(void **state)
{
    wpipe_options options = WPIPE_INIT(wpipe_options);
    wpipe_pipe_facts facts = WPIPE_INIT(wpipe_pipe_facts);
    wpipe_link_facts before = WPIPE_INIT(wpipe_link_facts);
    wpipe_link_facts after = WPIPE_INIT(wpipe_link_facts);
    int64_t start = support_now_ms();
    struct service_echo echo;
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;

    options.slow_reader = WPIPE_SLOW_SKIP;
    server = service_open(state, &options);
    client = service_join(state, server, NULL, &id);
    (void)fill(server);
    service_echo_begin(&echo, server);
    assert_int_equal(wpipe_inspect(wpipe_server_name(server), &facts, &before,
                                   1, SUPPORT_WAIT_MS),
                     1);
    assert_int_equal(before.dropped, 2);
    usleep(30000); /* no message passes */
    assert_int_equal(wpipe_inspect(wpipe_server_name(server), &facts, &after, 1,
                                   SUPPORT_WAIT_MS),
                     1);
    assert_true(after.age_us >= before.age_us + 30000);
    assert_true(after.age_us / 1000 <= (uint64_t)(support_now_ms() - start));
    assert_true(after.idle_us >= 20000);
    assert_true(after.idle_us <= after.age_us + 10000);
    assert_true(after.idle_us >= before.idle_us + 20000);
    assert_int_equal(after.messages_out, before.messages_out);
    wpipe_client_close(client);
    service_echo_end(&echo);
}

static const struct service_case cases[] = {
    ONCE(log_tells_session_of_server_and_client),
    ONCE(log_tells_session_of_streams),
    ONCE(log_of_several_threads_is_one_at_a_time),
    ONCE(facts_tell_age_use_and_dropped),
};

SERVICE_MAIN(cases)
