/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking: which pipes there are, what a server tells about itself, waiting
 * for one to come.
 */
#include "service.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void inspect_server_told(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_pipe_facts facts = { .size = sizeof facts };
    wpipe_link_facts links[4] = { { .size = sizeof links[0] } };
    wpipe_server *server;
    wpipe_client *clients[3];
    wpipe_id ids[3];
    struct service_echo echo;
    int r;

    options.max_clients = 7;
    server = service_open(state, &options);
    for (int i = 0; i < 3; i++)
        clients[i] = service_join(state, server, NULL, &ids[i]);
    wpipe_client_close(clients[2]);
    (void)server_expect(server, WPIPE_EVENT_DISCONNECTED);
    for (int i = 0; i < 30; i++) {
        client_send_text(clients[1], "12345");
        server_expect_text(server, ids[1], "12345");
        server_send_text(server, ids[1], "123");
        client_expect_text(clients[1], "123");
    }
    service_echo_begin(&echo, server);
    r = wpipe_inspect(wpipe_server_name(server), &facts, links, 4,
                      SUPPORT_WAIT_MS);
    assert_int_equal(r, 2);
    assert_int_equal(facts.type, WPIPE_MESSAGE);
    assert_int_equal(facts.access, WPIPE_ACCESS_USER);
    assert_int_equal(facts.clients, 2);
    assert_int_equal(facts.max_clients, 7);
    assert_int_equal(facts.total_clients, 3);
    assert_int_equal(facts.refused, 0);
    assert_int_equal(facts.owner.pid, getpid());
    assert_string_not_equal(facts.owner.program, "");
    for (int i = 0; i < 2; i++) {
        const wpipe_link_facts *link = &links[i];
        int talked = link->id == ids[1];

        assert_true(talked || link->id == ids[0]);
        assert_int_equal(link->peer.pid, getpid());
        assert_string_not_equal(link->peer.program, "");
        assert_int_equal(link->messages_in - link->messages_out, 0);
        assert_true(link->messages_in >= (talked ? 30 : 0));
        assert_true(link->bytes_in >= (talked ? 150 : 0));
        assert_true(link->bytes_out >= (talked ? 90 : 0));
        assert_int_equal(link->queued, 0);
        if (options.shared_memory == WPIPE_SHARED_NEVER)
            assert_int_equal(link->shared, 0);
        else
            assert_int_equal(talked ? link->shared : 2, 2);
    }
    /* no more than asked for, and asking is not a connection */
    assert_int_equal(wpipe_inspect(wpipe_server_name(server), &facts, links, 1,
                                   SUPPORT_WAIT_MS),
                     1);
    assert_int_equal(wpipe_inspect(wpipe_server_name(server), &facts, NULL, 0,
                                   SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(facts.total_clients, 3);
    assert_int_equal(facts.refused, 0);
    wpipe_client_close(clients[0]);
    wpipe_client_close(clients[1]);
    service_echo_end(&echo);
}

/* An older caller knows smaller facts. */
static void inspect_small_structs_respected(void **state)
{
    struct {
        wpipe_link_facts facts;
        uint64_t guard;
    } link = { .facts = { .size = offsetof(wpipe_link_facts, shared) },
               .guard = 0x1234567890abcdef };
    wpipe_pipe_facts facts = { .size = offsetof(wpipe_pipe_facts, refused),
                               .refused = 77 };
    wpipe_server *server = service_open(state, NULL);
    struct service_echo echo;
    wpipe_client *client;
    wpipe_id id;

    client = service_join(state, server, NULL, &id);
    service_echo_begin(&echo, server);
    link.facts.shared = 99;
    assert_int_equal(wpipe_inspect(wpipe_server_name(server), &facts,
                                   &link.facts, 1, SUPPORT_WAIT_MS),
                     1);
    assert_int_equal(facts.clients, 1);
    assert_int_equal(facts.refused, 77);
    assert_int_equal(link.facts.id, id);
    assert_int_equal(link.facts.shared, 99);
    assert_true(link.guard == 0x1234567890abcdef);
    facts.size = 0;
    assert_int_equal(wpipe_inspect(wpipe_server_name(server), &facts, NULL, 0,
                                   SUPPORT_WAIT_MS),
                     WPIPE_EINVAL);
    wpipe_client_close(client);
    service_echo_end(&echo);
}

static void inspect_full_server_answers(void **state)
{
    wpipe_options options = service_options(state);
    wpipe_pipe_facts facts = { .size = sizeof facts };
    struct service_echo echo;
    wpipe_server *server;
    wpipe_client *client;
    wpipe_id id;

    options.max_clients = 1;
    server = service_open(state, &options);
    client = service_join(state, server, NULL, &id);
    service_echo_begin(&echo, server);
    assert_int_equal(wpipe_inspect(wpipe_server_name(server), &facts, NULL, 0,
                                   SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(facts.clients, 1);
    wpipe_client_close(client);
    service_echo_end(&echo);
}

static void *accept_until_woken(void *argument)
{
    wpipe_stream *stream = NULL;

    assert_int_equal(wpipe_accept(argument, &stream, SUPPORT_WAIT_MS),
                     WPIPE_EWOKEN);
    return NULL;
}

static void inspect_listener_told(void **state)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_pipe_facts facts = { .size = sizeof facts };
    wpipe_listener *listener = NULL;
    wpipe_stream *client = NULL;
    wpipe_stream *server = NULL;
    struct service_thread thread;

    (void)state;
    assert_int_equal(wpipe_listen(&listener, support_unique_name(), NULL), 0);
    options.flags = WPIPE_CONNECT_EARLY;
    assert_int_equal(wpipe_connect(&client, wpipe_listener_name(listener),
                                   &options, SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(wpipe_accept(listener, &server, SUPPORT_WAIT_MS), 0);
    service_start(&thread, accept_until_woken, listener);
    assert_int_equal(wpipe_inspect(wpipe_listener_name(listener), &facts, NULL,
                                   0, SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(facts.type, WPIPE_BYTE);
    assert_int_equal(facts.clients, 1);
    wpipe_listener_wake(listener);
    service_finish(&thread);
    wpipe_stream_close(client);
    wpipe_stream_close(server);
    wpipe_listener_close(listener);
}

static void inspect_nobody_and_nonsense(void **state)
{
    wpipe_pipe_facts facts = { .size = sizeof facts };
    wpipe_server *server = service_open(state, NULL);

    assert_int_equal(wpipe_inspect("absent", &facts, NULL, 0, 0),
                     WPIPE_ENOTFOUND);
    assert_int_equal(wpipe_inspect("a/b", &facts, NULL, 0, 0), WPIPE_ENAME);
    assert_int_equal(wpipe_inspect(NULL, &facts, NULL, 0, 0), WPIPE_EINVAL);
    assert_int_equal(wpipe_inspect(wpipe_server_name(server), NULL, NULL, 0, 0),
                     WPIPE_EINVAL);
    assert_int_equal(
        wpipe_inspect(wpipe_server_name(server), &facts, NULL, 3, 0),
        WPIPE_EINVAL);
    /* nobody answers: the server does not wait */
    assert_int_equal(
        wpipe_inspect(wpipe_server_name(server), &facts, NULL, 0, 20),
        WPIPE_ETIMEDOUT);
    wpipe_server_close(server);
}

struct names {
    const char *wanted[3];
    int found[3];
    int count;
    int stop_at;
};

static int see_name(const char *name, const char *where, void *user)
{
    struct names *names = user;

    assert_string_not_equal(where, "");
    names->count++;
    for (int i = 0; i < 3; i++)
        names->found[i] += strcmp(name, names->wanted[i]) == 0;
    return names->count == names->stop_at;
}

static void list_names_every_pipe(void **state)
{
    wpipe_server *servers[3];
    struct names names = { .stop_at = -1 };

    for (int i = 0; i < 3; i++) {
        servers[i] = service_open(state, NULL);
        names.wanted[i] = wpipe_server_name(servers[i]);
    }
    assert_int_equal(wpipe_list(see_name, &names), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(names.found[i], 1);
    names.count = 0;
    names.stop_at = 2;
    assert_int_equal(wpipe_list(see_name, &names), 2);
    assert_int_equal(wpipe_list(NULL, NULL), WPIPE_EINVAL);
    for (int i = 0; i < 3; i++)
        wpipe_server_close(servers[i]);
    assert_int_equal(wpipe_list(see_name, &names), 0);
}

static void *wait_for_it(void *argument)
{
    assert_int_equal(wpipe_wait_for(argument, SUPPORT_WAIT_MS), 0);
    return NULL;
}

static void wait_for_returns_when_it_is_there(void **state)
{
    const char *name = support_unique_name();
    struct service_thread thread;
    wpipe_server *server = NULL;
    int64_t start = support_now_ms();

    (void)state;
    assert_int_equal(wpipe_wait_for(name, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_wait_for(name, 30), WPIPE_ETIMEDOUT);
    assert_true(support_now_ms() - start >= 29);
    assert_int_equal(wpipe_wait_for("a/b", 0), WPIPE_ENAME);
    assert_int_equal(wpipe_wait_for(NULL, 0), WPIPE_EINVAL);
    service_start(&thread, wait_for_it, (void *)(uintptr_t)name);
    assert_int_equal(wpipe_server_open(&server, name, NULL), 0);
    service_finish(&thread);
    assert_int_equal(wpipe_wait_for(name, 0), 0);
    server_expect_none(server);
    wpipe_server_close(server);
}

/* A socket file in the case's directory, as a killed server leaves it, or with
 * somebody who listens. Returns the socket. */
static int leave_socket(const char *file, int listening)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s",
                   support_runtime_dir(), file);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    if (listening)
        assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static int is_there(const char *file)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", support_runtime_dir(), file);
    return access(path, F_OK) == 0;
}

/* Nobody comes to answer a question: no need to wait for it. */
static void inspect_dead_server_at_once(void **state)
{
    wpipe_pipe_facts facts = { .size = sizeof facts };
    int64_t start = support_now_ms();

    (void)state;
    close(leave_socket("dead.pipe", 0));
    assert_int_equal(
        wpipe_inspect("dead", &facts, NULL, 0, 10 * SUPPORT_WAIT_MS),
        WPIPE_ENOTFOUND);
    assert_int_equal(
        wpipe_inspect("absent", &facts, NULL, 0, 10 * SUPPORT_WAIT_MS),
        WPIPE_ENOTFOUND);
    assert_true(support_now_ms() - start < 2 * SUPPORT_WAIT_MS);
    assert_int_equal(wpipe_prune(NULL, NULL), 1);
}

static void prune_leaves_the_living(void **state)
{
    wpipe_server *server = service_open(state, NULL);
    struct names names = { .wanted = { "dead", "lock", "strange" },
                           .stop_at = -1 };
    int living = leave_socket("unlocked.pipe", 1);
    char path[512];
    FILE *file;

    assert_int_equal(setenv("TMPDIR", support_runtime_dir(), 1), 0);
    close(leave_socket("dead.pipe", 0));
    close(leave_socket("CoreFxPipe_strange", 0));
    (void)snprintf(path, sizeof(path), "%s/lock.lock", support_runtime_dir());
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(wpipe_prune(see_name, &names), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(names.found[i], 1);
    assert_false(is_there("dead.pipe") || is_there("dead.lock") ||
                 is_there("lock.lock") || is_there("CoreFxPipe_strange"));
    assert_true(is_there("unlocked.pipe"));
    assert_int_equal(wpipe_wait_for(wpipe_server_name(server), 0), 0);
    assert_int_equal(wpipe_prune(NULL, NULL), 0);
    wpipe_server_close(server);
    close(living);
    assert_int_equal(wpipe_prune(NULL, NULL), 1);
}

static void foreign_server_found_without_a_connection(void **state)
{
    char path[WPIPE_FOREIGN_PATH_SIZE], found[WPIPE_FOREIGN_PATH_SIZE];
    wpipe_foreign_facts facts = { .size = sizeof facts };
    struct service_thread thread;
    int fd;

    (void)state;
    assert_int_equal(setenv("TMPDIR", support_runtime_dir(), 1), 0);
    (void)snprintf(path, sizeof(path), "%s/CoreFxPipe_far",
                   support_runtime_dir());
    assert_int_equal(wpipe_wait_for("far", 10), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_wait_for(path, 10), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_wait_for("/ends/in/", 10), WPIPE_ENAME);
    assert_int_equal(wpipe_inspect_foreign("far", &facts, found, sizeof(found)),
                     WPIPE_ENOTFOUND);
    service_start(&thread, wait_for_it, (void *)(uintptr_t) "far");
    fd = leave_socket("CoreFxPipe_far", 1);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    service_finish(&thread);
    service_start(&thread, wait_for_it, path);
    service_finish(&thread);
    assert_int_equal(wpipe_inspect_foreign("far", &facts, found, sizeof(found)),
                     0);
    assert_string_equal(facts.path, path);
    assert_int_equal(facts.uid, getuid());
    assert_int_equal(facts.listening, 1);
    assert_int_equal(wpipe_inspect_foreign(path, &facts, found, sizeof(found)),
                     0);
    assert_int_equal(wpipe_inspect_foreign(path, &facts, found, 10),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_inspect_foreign(NULL, &facts, found, sizeof(found)),
                     WPIPE_EINVAL);
    assert_int_equal(accept4(fd, NULL, NULL, SOCK_CLOEXEC), -1); /* nobody */
    close(fd);
    assert_int_equal(wpipe_wait_for(path, 10), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_prune(NULL, NULL), 1);
}

static const struct service_case cases[] = {
    EACH(inspect_server_told),
    ONCE(inspect_small_structs_respected),
    ONCE(inspect_full_server_answers),
    ONCE(inspect_listener_told),
    ONCE(inspect_nobody_and_nonsense),
    ONCE(list_names_every_pipe),
    ONCE(wait_for_returns_when_it_is_there),
    ONCE(inspect_dead_server_at_once),
    ONCE(prune_leaves_the_living),
    ONCE(foreign_server_found_without_a_connection),
};

SERVICE_MAIN(cases)
