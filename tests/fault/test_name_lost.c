/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that lost its name tells so, and serves it again; a client that
 * waits finds servers also where nothing tells it that one has come.
 */
#include "support.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/server.h"
#include "unit/door_tools.h"

/* The look that is due every few seconds is due now. */
static void look_now(wpipe_server *s)
{
    wpipe__loop_lock(&s->shards[0].loop);
    s->acceptor.keep_at = 0;
    wpipe__shard_set_timer(&s->shards[0]);
    wpipe__loop_unlock(&s->shards[0].loop);
    wpipe__loop_nudge(&s->shards[0].loop); /* a thread may be asleep */
}

static void remove_files(const char *name)
{
    char file[300];

    snprintf(file, sizeof(file), "%s.pipe", name);
    assert_int_equal(unlink(below(support_runtime_dir(), file)), 0);
    snprintf(file, sizeof(file), "%s.lock", name);
    assert_int_equal(unlink(below(support_runtime_dir(), file)), 0);
}

static void expect_name(wpipe_server *s, int error)
{
    wpipe_event e;

    assert_int_equal(wpipe_server_wait(s, &e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e.type, WPIPE_EVENT_NAME);
    assert_int_equal(e.error, error);
}

/* Connected, with an event at the server. */
static wpipe_stream *come(wpipe_server *s)
{
    wpipe_options options = { .size = sizeof(options),
                              .flags = WPIPE_CONNECT_EARLY };
    wpipe_stream *stream;
    wpipe_event e;

    assert_int_equal(wpipe_connect(&stream, "echo", &options, 1000), 0);
    assert_int_equal(wpipe_server_wait(s, &e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e.type, WPIPE_EVENT_CONNECTED);
    return stream;
}

/* For who polls the descriptor, too: it is readable when the look is due. */
static void server_that_lost_its_name_tells_and_serves_on(void **state)
{
    wpipe_server *s;
    wpipe_stream *before;
    wpipe_stream *after;
    wpipe_event e;

    (void)state;
    assert_int_equal(wpipe_server_open(&s, "echo", NULL), 0);
    assert_true(s->shards[0].loop.timer == s->acceptor.keep_at);
    assert_true(s->acceptor.keep_at <= wpipe__os_deadline(5000));
    before = come(s);
    do
        assert_int_equal(wpipe_server_wait(s, &e, 0), WPIPE_ETIMEDOUT);
    while (support_wait_readable((int)wpipe_server_fd(s), 50));
    remove_files("echo");
    look_now(s);
    assert_true(
        support_wait_readable((int)wpipe_server_fd(s), SUPPORT_WAIT_MS));
    expect_name(s, 0);
    assert_int_equal(wpipe_server_wait(s, &e, 0), WPIPE_ETIMEDOUT);
    after = come(s);
    assert_int_equal(wpipe_write(before, "x", 1, 1000), 1);
    assert_int_equal(wpipe_server_wait(s, &e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e.type, WPIPE_EVENT_MESSAGE);
    wpipe_stream_close(before);
    wpipe_stream_close(after);
    wpipe_server_close(s);
}

/* Who has connected to the old door and was not let in yet is not lost. */
static void client_at_the_lost_door_is_let_in(void **state)
{
    wpipe_options options = { .size = sizeof(options),
                              .flags = WPIPE_CONNECT_EARLY };
    wpipe_stream *stream;
    wpipe_server *s;
    wpipe_event e;
    int i;

    (void)state;
    assert_int_equal(wpipe_server_open(&s, "echo", NULL), 0);
    assert_int_equal(wpipe_connect(&stream, "echo", &options, 1000), 0);
    assert_int_equal(wpipe_write(stream, "x", 1, 1000), 1);
    remove_files("echo");
    look_now(s);
    for (i = 0; i < 3; i++) {
        assert_int_equal(wpipe_server_wait(s, &e, SUPPORT_WAIT_MS), 1);
        assert_int_not_equal(e.type, WPIPE_EVENT_DISCONNECTED);
        assert_int_not_equal(e.type, WPIPE_EVENT_REFUSED);
    }
    assert_int_equal(wpipe_server_wait(s, &e, 0), WPIPE_ETIMEDOUT);
    wpipe_stream_close(stream);
    wpipe_server_close(s);
}

static void server_whose_name_was_taken_waits_for_it(void **state)
{
    wpipe_server *first;
    wpipe_server *second;
    wpipe_event e;

    (void)state;
    assert_int_equal(wpipe_server_open(&first, "echo", NULL), 0);
    remove_files("echo");
    assert_int_equal(wpipe_server_open(&second, "echo", NULL), 0);
    look_now(first);
    expect_name(first, WPIPE_EINUSE);
    look_now(first); /* nothing new is not told again */
    assert_int_equal(wpipe_server_wait(first, &e, 0), WPIPE_ETIMEDOUT);
    look_now(second);
    wpipe_stream_close(come(second)); /* the other one has no name */
    wpipe_server_close(second);
    assert_true(first->acceptor.keep_at <= wpipe__os_deadline(1000));
    look_now(first);
    expect_name(first, 0);
    wpipe_stream_close(come(first));
    wpipe_server_close(first);
}

/* Its name is its successor's, and so is a name that it has lost. */
static void server_that_accepts_no_more_takes_no_name(void **state)
{
    const bool lost = *(const bool *)*state;
    wpipe_options options = { .size = sizeof(options),
                              .foreign = WPIPE_FOREIGN_ALSO };
    wpipe_pipe_facts facts = { .size = sizeof(facts) };
    wpipe_stream *stream;
    wpipe_server *s;
    wpipe_event e;

    setenv("TMPDIR", support_runtime_dir(), 1);
    assert_int_equal(wpipe_server_open(&s, "echo", &options), 0);
    stream = come(s);
    if (lost)
        remove_files("echo");
    assert_int_equal(wpipe_server_stop_accepting(s), 0);
    assert_int_equal(s->acceptor.keep_at, UINT64_MAX);
    look_now(s);
    assert_int_equal(wpipe_write(stream, "x", 1, 1000), 1);
    assert_int_equal(wpipe_server_wait(s, &e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e.type, WPIPE_EVENT_MESSAGE);
    assert_int_equal(wpipe_server_wait(s, &e, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(count_files(support_runtime_dir()), 0);
    assert_int_equal(wpipe_inspect("echo", &facts, NULL, 0, 0),
                     WPIPE_ENOTFOUND);
    wpipe_stream_close(stream);
    wpipe_server_close(s);
}

struct told {
    _Atomic int names;
    _Atomic int others;
};

static void on_other(wpipe_server *s, const wpipe_event *e, void *user)
{
    struct told *told = user;

    (void)s;
    if (e->type == WPIPE_EVENT_NAME && e->error == 0)
        atomic_fetch_add(&told->names, 1);
    else
        atomic_fetch_add(&told->others, 1);
}

static void server_of_threads_looks_on_one_of_them(void **state)
{
    wpipe_options options = { .size = sizeof(options), .threads = 3 };
    const wpipe_handlers handlers = { .size = sizeof(handlers),
                                      .other = on_other };
    struct told told = { 0 };
    wpipe_server *s;
    wpipe_client *c;

    (void)state;
    assert_int_equal(wpipe_server_open(&s, "echo", &options), 0);
    assert_int_equal(wpipe_server_start(s, &handlers, &told), 0);
    remove_files("echo");
    look_now(s);
    options = (wpipe_options){ .size = sizeof(options), .connect_ms = 5000 };
    assert_int_equal(wpipe_client_open(&c, "echo", &options), 0);
    wpipe_client_close(c);
    wpipe_server_close(s);
    assert_int_equal(atomic_load(&told.names), 1);
    assert_int_equal(atomic_load(&told.others), 0);
}

/* ---- clients that wait --------------------------------------------------- */

/* Serve until told to end. */
static int serve(int fd)
{
    const wpipe_handlers handlers = { .size = sizeof(handlers) };
    wpipe_server *s;

    assert_int_equal(wpipe_server_open(&s, "echo", NULL), 0);
    assert_int_equal(wpipe_server_start(s, &handlers, NULL), 0);
    event_expect(fd, 2);
    wpipe_server_close(s);
    return 0;
}

struct waiting {
    _Atomic pid_t waiter;
    int mounted;
};

/* In a world of its own: wait as a thread, while this one mounts a file system
 * over the directory that is watched, and serves there. */
static void *wait_for_echo(void *user)
{
    struct waiting *w = user;

    atomic_store(&w->waiter, support_tid());
    assert_int_equal(wpipe_wait_for("echo", SUPPORT_WAIT_MS), 0);
    return NULL;
}

static int mount_over_the_watch(int fd, void *argument)
{
    struct waiting w = { 0 };
    struct wpipe__thread thread;
    wpipe_server *s;

    (void)argument;
    if (unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        event_send(fd, 0);
        return 0;
    }
    assert_int_equal(wpipe__thread_start(&thread, wait_for_echo, &w), 0);
    while (atomic_load(&w.waiter) == 0)
        wpipe__os_yield();
    support_wait_asleep(getpid(), atomic_load(&w.waiter));
    assert_int_equal(
        mount("none", support_runtime_dir(), "tmpfs", 0, "mode=0700"), 0);
    assert_int_equal(wpipe_server_open(&s, "echo", NULL), 0);
    wpipe__thread_join(&thread);
    wpipe_server_close(s);
    event_send(fd, 1);
    return 0;
}

static void client_finds_a_server_on_a_mount_over_its_watch(void **state)
{
    struct helper helper = HELPER_NONE;
    uint32_t mounted;

    (void)state;
    helper_start(&helper, mount_over_the_watch, NULL);
    mounted = event_wait(helper.fd);
    assert_int_equal(helper_join(&helper), 0);
    if (!mounted)
        support_skip("mounting is not allowed here");
}

static int serve_in_runtime(int fd, void *argument)
{
    (void)argument;
    event_expect(fd, 1);
    return serve(fd);
}

/* A runtime directory that others could write is not used; then its mode is put
 * right, which no watch tells. The descriptor of a client that waits has to be
 * readable for its look. */
static void client_that_is_polled_finds_a_place_made_safe(void **state)
{
    wpipe_options options = { .size = sizeof(options),
                              .flags = WPIPE_CONNECT_LATER };
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    struct helper helper = HELPER_NONE;
    wpipe_client *c;
    wpipe_event e;
    char user[64];
    int looks = 0;
    int r;

    (void)state;
    snprintf(user, sizeof(user), "/run/user/%u", (unsigned)geteuid());
    if (access(user, F_OK) == 0)
        support_skip("this user's runtime directory would be used");
    setenv("WINDPIPE_DIR", "", 1);
    setenv("WINDPIPE_SHARED_DIR", support_dir(), 1); /* not all of /run */
    helper_start(&helper, serve_in_runtime, NULL);
    assert_int_equal(chmod(runtime, 0777), 0);
    assert_int_equal(wpipe_client_open(&c, "echo", &options), 0);
    do
        assert_int_equal(wpipe_client_wait(c, &e, 0), WPIPE_ETIMEDOUT);
    while (support_wait_readable((int)wpipe_client_fd(c), 50));
    assert_int_equal(chmod(runtime, 0700), 0);
    event_send(helper.fd, 1);
    do {
        assert_true(
            support_wait_readable((int)wpipe_client_fd(c), SUPPORT_WAIT_MS));
        r = wpipe_client_wait(c, &e, 0);
        looks++;
    } while (r == WPIPE_ETIMEDOUT);
    assert_int_equal(r, 1);
    assert_int_equal(e.type, WPIPE_EVENT_CONNECTED);
    assert_true(looks < 200); /* one that polls fast looks more often */
    wpipe_client_close(c);
    event_send(helper.fd, 2);
    assert_int_equal(helper_join(&helper), 0);
}

static bool lost_before = true;
static bool not_lost = false;

static const struct support_case cases[] = {
    TEST(server_that_lost_its_name_tells_and_serves_on),
    TEST(client_at_the_lost_door_is_let_in),
    TEST(server_whose_name_was_taken_waits_for_it),
    TEST_WITH(server_that_accepts_no_more_takes_no_name, &not_lost, "not lost"),
    TEST_WITH(server_that_accepts_no_more_takes_no_name, &lost_before, "lost"),
    TEST(server_of_threads_looks_on_one_of_them),
    TEST(client_finds_a_server_on_a_mount_over_its_watch),
    TEST(client_that_is_polled_finds_a_place_made_safe),
};

TEST_MAIN(cases)
