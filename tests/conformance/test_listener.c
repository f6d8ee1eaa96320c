/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening, accepting and connecting: who gets in, when, and what the others
 * are told. Cited are rows of the tables of .NET's and Windows' behaviour.
 */
#include "service.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

static wpipe_listener *listen_on(const char *name, const wpipe_options *options)
{
    wpipe_listener *listener = NULL;

    assert_int_equal(wpipe_listen(&listener, name, options), 0);
    return listener;
}

/* Connect without waiting for the server's word, as one thread has to. */
static wpipe_stream *connect_early(const char *name)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_stream *stream = NULL;

    options.flags = WPIPE_CONNECT_EARLY;
    assert_int_equal(wpipe_connect(&stream, name, &options, SUPPORT_WAIT_MS),
                     0);
    return stream;
}

static wpipe_stream *accept_one(wpipe_listener *listener)
{
    wpipe_stream *stream = NULL;

    assert_int_equal(wpipe_accept(listener, &stream, SUPPORT_WAIT_MS), 0);
    return stream;
}

static void expect_bytes(wpipe_stream *stream, const char *text)
{
    char buf[64];

    assert_int_equal(wpipe_read(stream, buf, sizeof buf, SUPPORT_WAIT_MS),
                     strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static void one_thread_listens_connects_accepts(void **state)
{
    wpipe_listener *listener = listen_on(support_unique_name(), NULL);
    wpipe_stream *client;
    wpipe_stream *server;

    (void)state;
    client = connect_early(wpipe_listener_name(listener));
    assert_int_equal(wpipe_write(client, "early", 5, 0), 5);
    server = accept_one(listener);
    expect_bytes(server, "early");
    assert_int_equal(wpipe_write(server, "answer", 6, 0), 6);
    expect_bytes(client, "answer");
    wpipe_stream_close(client);
    wpipe_stream_close(server);
    wpipe_listener_close(listener);
}

static void accept_takes_clients_in_their_order(void **state)
{
    wpipe_listener *listener = listen_on(support_unique_name(), NULL);
    wpipe_stream *clients[10];
    char text[2] = "0";

    (void)state;
    for (int i = 0; i < 10; i++) {
        clients[i] = connect_early(wpipe_listener_name(listener));
        text[0] = (char)('0' + i);
        assert_int_equal(wpipe_write(clients[i], text, 1, 0), 1);
    }
    for (int i = 0; i < 10; i++) {
        wpipe_stream *server = accept_one(listener);

        text[0] = (char)('0' + i);
        expect_bytes(server, text);
        wpipe_stream_close(server);
        wpipe_stream_close(clients[i]);
    }
    wpipe_listener_close(listener);
}

static void accept_nobody_times_out(void **state)
{
    wpipe_listener *listener = listen_on(support_unique_name(), NULL);
    wpipe_stream *stream = NULL;
    int64_t start = support_now_ms();

    (void)state;
    assert_int_equal(wpipe_accept(listener, &stream, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_accept(listener, &stream, 40), WPIPE_ETIMEDOUT);
    assert_true(support_now_ms() - start >= 39);
    assert_null(stream);
    assert_int_equal(wpipe_accept(NULL, &stream, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_accept(listener, NULL, 0), WPIPE_EINVAL);
    wpipe_listener_close(listener);
    wpipe_listener_close(NULL);
}

static void accept_skips_those_who_left(void **state)
{
    wpipe_listener *listener = listen_on(support_unique_name(), NULL);
    const char *name = wpipe_listener_name(listener);
    wpipe_stream *client;
    wpipe_stream *server;

    (void)state;
    for (int i = 0; i < 5; i++) {
        close(service_dial_raw(name));
        wpipe_stream_close(connect_early(name));
    }
    client = connect_early(name);
    assert_int_equal(wpipe_write(client, "me", 2, 0), 2);
    do { /* one who wrote, or closed in order, has been there: .NET row 12 */
        server = accept_one(listener);
        if (wpipe_peek(server, NULL, 0, NULL, NULL) == 0)
            break;
        wpipe_stream_close(server);
    } while (1);
    expect_bytes(server, "me");
    wpipe_stream_close(client);
    wpipe_stream_close(server);
    wpipe_listener_close(listener);
}

static void accept_refused_guests_never_fail_it(void **state)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_listener *listener;
    wpipe_stream *stream = NULL;
    int raw;

    (void)state;
    options.handshake_ms = 20;
    listener = listen_on(support_unique_name(), &options);
    raw = service_dial_raw(wpipe_listener_name(listener));
    assert_int_equal(wpipe_accept(listener, &stream, 60), WPIPE_ETIMEDOUT);
    service_wait_hangup(raw);
    close(raw);
    wpipe_listener_close(listener);
}

static void accept_instances_all_taken(void **state)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_listener *listener;
    wpipe_stream *clients[3];
    wpipe_stream *servers[3];
    wpipe_stream *stream = NULL;
    const char *name;
    char text[256] = "";

    (void)state;
    options.max_clients = 2;
    listener = listen_on(support_unique_name(), &options);
    name = wpipe_listener_name(listener);
    for (int i = 0; i < 2; i++) {
        clients[i] = connect_early(name);
        servers[i] = accept_one(listener);
    }
    assert_int_equal(wpipe_accept(listener, &stream, 0), WPIPE_EAGAIN);
    assert_int_equal(wpipe_accept(listener, &stream, 20), WPIPE_ETIMEDOUT);
    clients[2] = connect_early(name);
    assert_int_equal(wpipe_accept(listener, &stream, 0), WPIPE_EAGAIN);
    wpipe_stream_close(servers[0]); /* a place for the one who waits */
    servers[0] = accept_one(listener);
    assert_int_equal(wpipe_write(clients[2], "in", 2, 0), 2);
    expect_bytes(servers[0], "in");
    /* nobody answers now: that is a third thing */
    options.max_clients = 0;
    options.error_text = text;
    options.error_text_size = sizeof text;
    assert_int_equal(wpipe_connect(&stream, name, &options, 30),
                     WPIPE_ETIMEDOUT);
    assert_non_null(strstr(text, "did not answer within 30 ms"));
    for (int i = 0; i < 3; i++)
        wpipe_stream_close(clients[i]);
    for (int i = 0; i < 2; i++)
        wpipe_stream_close(servers[i]);
    wpipe_listener_close(listener);
}

struct accepting {
    struct service_thread thread;
    wpipe_listener *listener;
    wpipe_stream *stream;
    int result;
};

static void *run_accept(void *argument)
{
    struct accepting *a = argument;

    a->result = wpipe_accept(a->listener, &a->stream, SUPPORT_WAIT_MS);
    return NULL;
}

/* The accept sleeps; a stream of another thread is closed. */
static void accept_wakes_when_instance_is_free(void **state)
{
    wpipe_options options = { .size = sizeof options };
    struct accepting accepting = { 0 };
    wpipe_stream *first;
    wpipe_stream *second;
    wpipe_stream *server;

    (void)state;
    options.max_clients = 1;
    accepting.listener = listen_on(support_unique_name(), &options);
    first = connect_early(wpipe_listener_name(accepting.listener));
    server = accept_one(accepting.listener);
    second = connect_early(wpipe_listener_name(accepting.listener));
    service_start(&accepting.thread, run_accept, &accepting);
    wpipe_stream_close(server);
    service_finish(&accepting.thread);
    assert_int_equal(accepting.result, 0);
    wpipe_stream_close(first);
    wpipe_stream_close(second);
    wpipe_stream_close(accepting.stream);
    wpipe_listener_close(accepting.listener);
}

static void accept_woken_ends(void **state)
{
    struct accepting accepting = { 0 };
    wpipe_stream *stream = NULL;

    (void)state;
    accepting.listener = listen_on(support_unique_name(), NULL);
    wpipe_listener_wake(accepting.listener);
    assert_int_equal(wpipe_accept(accepting.listener, &stream, WPIPE_FOREVER),
                     WPIPE_EWOKEN);
    service_start(&accepting.thread, run_accept, &accepting);
    wpipe_listener_wake(accepting.listener);
    service_finish(&accepting.thread);
    assert_int_equal(accepting.result, WPIPE_EWOKEN);
    wpipe_listener_wake(NULL);
    /* also when somebody is there: it is taken by the one after */
    stream = connect_early(wpipe_listener_name(accepting.listener));
    wpipe_listener_wake(accepting.listener);
    assert_int_equal(
        wpipe_accept(accepting.listener, &accepting.stream, WPIPE_FOREVER),
        WPIPE_EWOKEN);
    accepting.stream = accept_one(accepting.listener);
    wpipe_stream_close(stream);
    wpipe_stream_close(accepting.stream);
    wpipe_listener_close(accepting.listener);
}

/* A wake that came before anybody polled is for who polls first. */
static void wake_before_the_descriptor_is_told(void **state)
{
    wpipe_listener *listener = listen_on(support_unique_name(), NULL);
    wpipe_stream *stream = NULL;

    (void)state;
    wpipe_listener_wake(listener);
    assert_true(support_wait_readable((int)wpipe_listener_fd(listener), 1000));
    assert_int_equal(wpipe_accept(listener, &stream, 0), WPIPE_EWOKEN);
    wpipe_listener_close(listener);
}

static void descriptor_readable_when_somebody_comes(void **state)
{
    wpipe_listener *listener = listen_on(support_unique_name(), NULL);
    int fd = (int)wpipe_listener_fd(listener);
    wpipe_stream *clients[2];
    wpipe_stream *servers[2];
    wpipe_stream *none = NULL;

    (void)state;
    assert_false(support_wait_readable(fd, 0));
    for (int i = 0; i < 2; i++)
        clients[i] = connect_early(wpipe_listener_name(listener));
    assert_true(support_wait_readable(fd, SUPPORT_WAIT_MS));
    assert_int_equal(wpipe_accept(listener, &servers[0], 0), 0);
    assert_true(support_wait_readable(fd, 0)); /* there is one more */
    assert_int_equal(wpipe_accept(listener, &servers[1], 0), 0);
    assert_int_equal(wpipe_accept(listener, &none, 0), WPIPE_ETIMEDOUT);
    assert_false(support_wait_readable(fd, 0));
    assert_true(wpipe_listener_fd(NULL) < 0);
    for (int i = 0; i < 2; i++) {
        wpipe_stream_close(clients[i]);
        wpipe_stream_close(servers[i]);
    }
    wpipe_listener_close(listener);
}

static void streams_go_on_after_listener(void **state)
{
    wpipe_listener *listener = listen_on(support_unique_name(), NULL);
    wpipe_stream *clients[2];
    wpipe_stream *servers[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        clients[i] = connect_early(wpipe_listener_name(listener));
        servers[i] = accept_one(listener);
    }
    wpipe_stream_close(servers[1]);
    wpipe_listener_close(listener);
    assert_int_equal(wpipe_write(clients[0], "still", 5, 0), 5);
    expect_bytes(servers[0], "still");
    wpipe_stream_close(clients[0]);
    wpipe_stream_close(clients[1]);
    wpipe_stream_close(servers[0]); /* the last one gives the seats back */
    assert_int_equal(wpipe__memory_live(), 0);
}

/* ---- connecting --------------------------------------------------------- */

static void connect_errors_told_apart(void **state)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_listener *listener = listen_on(support_unique_name(), NULL);
    const char *name = wpipe_listener_name(listener);
    struct accepting accepting = { .listener = listener };
    wpipe_stream *stream = NULL;
    char text[256] = "";

    (void)state;
    options.error_text = text;
    options.error_text_size = sizeof text;
    assert_int_equal(wpipe_connect(&stream, "absent", &options, 0),
                     WPIPE_ENOTFOUND);
    assert_non_null(strstr(text, "absent"));
    assert_int_equal(wpipe_connect(&stream, "absent", &options, 30),
                     WPIPE_ENOTFOUND);
    assert_string_equal(text, "no server named 'absent' appeared within 30 ms");
    assert_int_equal(wpipe_connect(&stream, name, &options, 0),
                     WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_connect(&stream, "a/b", &options, 0), WPIPE_ENAME);
    assert_string_not_equal(text, "");
    assert_int_equal(wpipe_connect(&stream, NULL, &options, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_connect(NULL, name, &options, 0), WPIPE_EINVAL);
    /* message reading of a byte pipe */
    service_start(&accepting.thread, run_accept, &accepting);
    options.type = WPIPE_MESSAGE;
    assert_int_equal(wpipe_connect(&stream, name, &options, SUPPORT_WAIT_MS),
                     WPIPE_ESTATE);
    assert_string_not_equal(text, "");
    assert_null(stream);
    wpipe_listener_wake(listener);
    service_finish(&accepting.thread);
    wpipe_listener_close(listener);
}

/* One that does not fit takes no place. */
static void connect_misfit_takes_no_place(void **state)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_options own = { .size = sizeof own };
    struct accepting accepting = { 0 };
    wpipe_stream *stream = NULL;

    (void)state;
    options.max_clients = 1;
    accepting.listener = listen_on(support_unique_name(), &options);
    service_start(&accepting.thread, run_accept, &accepting);
    for (int i = 0; i < 3; i++) {
        own.type = WPIPE_MESSAGE;
        assert_int_equal(wpipe_connect(&stream,
                                       wpipe_listener_name(accepting.listener),
                                       &own, SUPPORT_WAIT_MS),
                         WPIPE_ESTATE);
    }
    own.type = WPIPE_BYTE;
    assert_int_equal(wpipe_connect(&stream,
                                   wpipe_listener_name(accepting.listener),
                                   &own, SUPPORT_WAIT_MS),
                     0);
    service_finish(&accepting.thread);
    assert_int_equal(accepting.result, 0);
    wpipe_stream_close(stream);
    wpipe_stream_close(accepting.stream);
    wpipe_listener_close(accepting.listener);
}

static int refuse(const wpipe_peer *peer, void *user)
{
    (void)peer;
    return *(int *)user;
}

static void connect_refused_by_callback(void **state)
{
    static const int codes[][2] = { { WPIPE_EACCES, WPIPE_EACCES },
                                    { WPIPE_EREFUSED, WPIPE_EREFUSED },
                                    { -1000, WPIPE_EREFUSED } };
    wpipe_options options = { .size = sizeof options };
    wpipe_options own = { .size = sizeof own };
    struct accepting accepting = { 0 };
    int code = 0;
    char text[256] = "";

    (void)state;
    options.admit = refuse;
    options.admit_user = &code;
    own.error_text = text;
    own.error_text_size = sizeof text;
    accepting.listener = listen_on(support_unique_name(), &options);
    for (size_t i = 0; i < 3; i++) {
        wpipe_stream *stream = NULL;

        code = codes[i][0];
        service_start(&accepting.thread, run_accept, &accepting);
        assert_int_equal(wpipe_connect(&stream,
                                       wpipe_listener_name(accepting.listener),
                                       &own, SUPPORT_WAIT_MS),
                         codes[i][1]);
        assert_string_not_equal(text, "");
        wpipe_listener_wake(accepting.listener);
        service_finish(&accepting.thread);
        assert_int_equal(accepting.result, WPIPE_EWOKEN);
    }
    wpipe_listener_close(accepting.listener);
}

static void connect_shared_required_met_or_told(void **state)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_options own = { .size = sizeof own };
    wpipe_stream_facts facts = { .size = sizeof facts };
    char text[256] = "";

    (void)state;
    own.shared_memory = WPIPE_SHARED_REQUIRED;
    own.error_text = text;
    own.error_text_size = sizeof text;
    for (int never = 0; never < 2; never++) {
        struct service_echo echo;
        wpipe_server *server = NULL;
        wpipe_stream *stream = NULL;

        options.shared_memory = never ? WPIPE_SHARED_NEVER : WPIPE_SHARED_AUTO;
        assert_int_equal(
            wpipe_server_open(&server, support_unique_name(), &options), 0);
        service_echo_begin(&echo, server);
        if (never) {
            assert_int_equal(wpipe_connect(&stream, wpipe_server_name(server),
                                           &own, SUPPORT_WAIT_MS),
                             WPIPE_ENOTSUP);
            assert_non_null(strstr(text, "shared memory"));
        } else {
            assert_int_equal(wpipe_connect(&stream, wpipe_server_name(server),
                                           &own, SUPPORT_WAIT_MS),
                             0);
            assert_int_equal(wpipe_stream_info(stream, &facts), 0);
            assert_in_range(facts.shared, 1, 2);
        }
        wpipe_stream_close(stream);
        service_echo_end(&echo);
    }
}

/* A server that dies while it greets is waited for again. */
static int greet_and_die(int fd, void *argument)
{
    wpipe_listener *listener = listen_on(argument, NULL);

    assert_true(support_wait_readable((int)wpipe_listener_fd(listener),
                                      SUPPORT_WAIT_MS));
    event_send(fd, 1);
    event_wait(fd); /* killed here */
    return 0;
}

struct killing {
    struct helper helper;
    _Atomic int done;
};

static void *kill_when_greeted(void *argument)
{
    struct killing *killing = argument;

    event_expect(killing->helper.fd, 1);
    helper_kill(&killing->helper);
    killing->done = 1;
    return NULL;
}

static void connect_server_dies_while_greeting_goes_on(void **state)
{
    const char *name = support_unique_name();
    struct service_thread killer;
    struct service_echo echo;
    struct killing killing = { .done = 0 };
    wpipe_server *server = NULL;
    wpipe_client *client = NULL;
    wpipe_options options = service_options(state);

    helper_start(&killing.helper, greet_and_die, (void *)(uintptr_t)name);
    options.flags = WPIPE_CONNECT_LATER;
    assert_int_equal(wpipe_client_open(&client, name, &options), 0);
    service_start(&killer, kill_when_greeted, &killing);
    {
        wpipe_event e;

        /* it connects, is not answered, loses it, hears of the next one */
        while (!killing.done)
            assert_int_equal(wpipe_client_wait(client, &e, 5), WPIPE_ETIMEDOUT);
    }
    service_finish(&killer);
    assert_int_equal(wpipe_server_open(&server, name, &options), 0);
    service_echo_begin(&echo, server);
    (void)client_expect(client, WPIPE_EVENT_CONNECTED);
    client_send_text(client, "at last");
    client_expect_text(client, "at last");
    wpipe_client_close(client);
    service_echo_end(&echo);
    support_allow_left("*.new");
}

static const struct service_case cases[] = {
    ONCE(one_thread_listens_connects_accepts),
    ONCE(accept_takes_clients_in_their_order),
    ONCE(accept_nobody_times_out),
    ONCE(accept_skips_those_who_left),
    ONCE(accept_refused_guests_never_fail_it),
    ONCE(accept_instances_all_taken),
    ONCE(accept_wakes_when_instance_is_free),
    ONCE(accept_woken_ends),
    ONCE(wake_before_the_descriptor_is_told),
    ONCE(descriptor_readable_when_somebody_comes),
    ONCE(streams_go_on_after_listener),
    ONCE(connect_errors_told_apart),
    ONCE(connect_misfit_takes_no_place),
    ONCE(connect_refused_by_callback),
    ONCE(connect_shared_required_met_or_told),
    ONCE(connect_server_dies_while_greeting_goes_on),
};

SERVICE_MAIN(cases)
