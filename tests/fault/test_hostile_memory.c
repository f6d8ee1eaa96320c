/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another user who wants all the memory of a server, and came first: those who
 * come after him find some.
 */
#include "support.h"

#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <windpipe.h>

enum {
    STRANGER = 65534,
    LINKS = 4,
    SIZE = 100000,
    LIMIT = 6000000
};

static uint8_t data[SIZE];

/* A place where anybody may serve and connect. */
static void make_world(void)
{
    static char shared[4096];

    if (geteuid() != 0)
        support_skip("only root can become other users");
    (void)snprintf(shared, sizeof shared, "%s/..", support_dir());
    assert_int_equal(chmod(shared, 0711), 0);
    assert_int_equal(chmod(support_dir(), 0711), 0);
    (void)snprintf(shared, sizeof shared, "%s/shared", support_dir());
    assert_int_equal(mkdir(shared, 0700), 0);
    assert_int_equal(chmod(shared, 01777), 0);
    assert_int_equal(setenv("WINDPIPE_SHARED_DIR", shared, 1), 0);
}

/* Connects as often as it is asked to, and never reads. */
static int hoard(int fd, void *argument)
{
    wpipe_options o = { .size = sizeof o, .type = WPIPE_MESSAGE };
    wpipe_stream *streams[LINKS];

    assert_int_equal(setenv("WINDPIPE_DIR", "/nonexistent", 1), 0);
    assert_int_equal(setgroups(0, NULL), 0);
    assert_int_equal(setresgid(STRANGER, STRANGER, STRANGER), 0);
    assert_int_equal(setresuid(STRANGER, STRANGER, STRANGER), 0);
    o.flags = WPIPE_CHECK_UID;
    o.server_uid = 0;
    for (int i = 0; i < LINKS; i++)
        assert_int_equal(
            wpipe_connect(&streams[i], argument, &o, SUPPORT_WAIT_MS), 0);
    event_send(fd, 1);
    event_expect(fd, 2);
    for (int i = 0; i < LINKS; i++)
        wpipe_stream_close(streams[i]);
    return 0;
}

static wpipe_id next_guest(wpipe_server *server)
{
    wpipe_event e;

    assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e.type, WPIPE_EVENT_CONNECTED);
    return e.from;
}

/* Until it is refused: how many bytes were accepted. */
static int fill(wpipe_server *server, wpipe_id id)
{
    int sent = 0;
    int r;

    while ((r = wpipe_server_send(server, id, data, SIZE)) == 0)
        sent += SIZE;
    assert_int_equal(r, WPIPE_EAGAIN);
    return sent;
}

static void who_comes_after_a_hoarder_finds_memory(void **state)
{
    wpipe_options o = { .size = sizeof o, .type = WPIPE_MESSAGE };
    struct helper helper = HELPER_NONE;
    wpipe_server *server = NULL;
    wpipe_client *client;
    wpipe_id guest;
    wpipe_event e;

    (void)state;
    make_world();
    o.access = WPIPE_ACCESS_ANYONE;
    o.memory_limit = LIMIT;
    o.queue_limit = LIMIT;
    o.linger_ms = WPIPE_LINGER_OFF;
    assert_int_equal(wpipe_server_open(&server, "memory", &o), 0);
    helper_start(&helper, hoard, (void *)(uintptr_t) "memory");
    for (int i = 0; i < LINKS; i++)
        (void)fill(server, next_guest(server));
    event_expect(helper.fd, 1);

    o.flags = WPIPE_CONNECT_LATER;
    assert_int_equal(wpipe_client_open(&client, "memory", &o), 0);
    assert_int_equal(wpipe_client_wait(client, &e, 0), WPIPE_ETIMEDOUT);
    guest = next_guest(server);
    assert_true(fill(server, guest) >= LIMIT / 6 - SIZE);
    event_send(helper.fd, 2);
    assert_int_equal(helper_join(&helper), 0);
    wpipe_client_close(client);
    wpipe_server_close(server);
}

static const struct support_case cases[] = {
    TEST(who_comes_after_a_hoarder_finds_memory),
};

TEST_MAIN(cases)
