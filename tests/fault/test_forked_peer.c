/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that has forked dies. Where its child has started another program the
 * end is told at once, since descriptors are closed by exec. A child that only
 * goes on keeps the connection, as a handle that was inherited does on
 * Windows; then the end is told when that child has gone.
 */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <windpipe.h>
#include <windpipe/error.h>
#include <windpipe/stream.h>

struct scene {
    const char *name;
    int executes;
    int ends[2]; /* the child lives until the writer is closed */
};

static void be_child(const struct scene *scene)
{
    char byte;

    close(scene->ends[1]);
    if (scene->executes) {
        dup2(scene->ends[0], STDIN_FILENO);
        execlp("cat", "cat", (char *)NULL);
        _exit(1);
    }
    (void)!read(scene->ends[0], &byte, 1);
    _exit(0);
}

/* Connects, leaves a child behind, and waits to be killed. */
static int be_peer(int fd, void *argument)
{
    struct scene *scene = argument;
    int started[2];
    char byte;
    wpipe_stream *stream = NULL;

    assert_int_equal(wpipe_connect(&stream, scene->name, NULL, SUPPORT_WAIT_MS),
                     0);
    assert_int_equal(pipe2(started, O_CLOEXEC), 0);
    if (fork() == 0) {
        close(started[0]);
        if (!scene->executes)
            close(started[1]);
        close(fd);
        be_child(scene);
    }
    close(started[1]);
    close(scene->ends[1]);
    assert_int_equal(read(started[0], &byte, 1), 0); /* it has executed */
    event_send(fd, 1);
    (void)event_wait(fd);
    return 0;
}

static void open_scene(struct scene *scene, int executes,
                       wpipe_server **ret_server, struct helper *helper)
{
    wpipe_event e;

    scene->name = support_unique_name();
    scene->executes = executes;
    assert_int_equal(pipe2(scene->ends, O_CLOEXEC), 0);
    assert_int_equal(wpipe_server_open(ret_server, scene->name, NULL), 0);
    helper_fork(helper, be_peer, scene);
    assert_int_equal(wpipe_server_wait(*ret_server, &e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e.type, WPIPE_EVENT_CONNECTED);
    event_expect(helper->fd, 1);
    close(scene->ends[0]);
}

static void expect_gone(wpipe_server *server)
{
    const int64_t begun = support_now_ms();
    wpipe_event e;

    assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e.type, WPIPE_EVENT_DISCONNECTED);
    assert_int_equal(e.reason, WPIPE_REASON_DIED);
    assert_true(support_now_ms() - begun < SUPPORT_SOON_MS);
}

static void peer_dies_and_its_program_lives_told_at_once(void **state)
{
    wpipe_server *server = NULL;
    struct helper helper;
    struct scene scene;

    (void)state;
    open_scene(&scene, 1, &server, &helper);
    helper_kill(&helper);
    expect_gone(server);
    close(scene.ends[1]); /* the program lived until now */
    assert_true(waitpid(-1, NULL, 0) > 0);
    wpipe_server_close(server);
}

static void peer_dies_and_its_child_lives_told_with_the_child(void **state)
{
    wpipe_server *server = NULL;
    struct helper helper;
    struct scene scene;
    wpipe_event e;

    (void)state;
    open_scene(&scene, 0, &server, &helper);
    helper_kill(&helper);
    assert_int_equal(wpipe_server_wait(server, &e, 100), WPIPE_ETIMEDOUT);
    close(scene.ends[1]);
    expect_gone(server);
    assert_true(waitpid(-1, NULL, 0) > 0); /* we are its reaper */
    wpipe_server_close(server);
}

static const struct support_case cases[] = {
    TEST(peer_dies_and_its_program_lives_told_at_once),
    TEST(peer_dies_and_its_child_lives_told_with_the_child),
};

TEST_MAIN(cases)
