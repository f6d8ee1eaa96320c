/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that is stopped at the begin and end of each of its system calls,
 * from its connect to its close: the server keeps its deadlines and serves
 * others meanwhile; the client goes on and has lost nothing.
 */
#include "support.h"

#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <windpipe.h>
#include <windpipe/error.h>
#include <windpipe/stream.h>

enum {
    DONE = 1,
    NO_TRACE = 99, /* exit status */
    MESSAGES = 3,
    SIZE = 3000,
    STEPS_AT_LEAST = 30
};

struct scene {
    wpipe_options options;
    wpipe_server *server;
    wpipe_client *other;
    int refused;
};

/* In the helper. */
static int talk(int fd, void *argument)
{
    const struct scene *scene = argument;
    char bytes[SIZE];
    char back[SIZE];
    wpipe_stream *stream = NULL;

    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        return NO_TRACE;
    (void)raise(SIGSTOP);
    assert_int_equal(wpipe_connect(&stream, wpipe_server_name(scene->server),
                                   &scene->options, SUPPORT_WAIT_MS),
                     0);
    for (int i = 0; i < MESSAGES; i++) {
        memset(bytes, 'a' + i, SIZE);
        assert_int_equal(wpipe_write(stream, bytes, SIZE, SUPPORT_WAIT_MS),
                         SIZE);
        assert_int_equal(wpipe_read(stream, back, SIZE, SUPPORT_WAIT_MS), SIZE);
        assert_memory_equal(bytes, back, SIZE);
    }
    wpipe_stream_close(stream);
    event_send(fd, DONE);
    return 0;
}

/* Answers all that is there. */
static void serve(struct scene *scene, int timeout_ms)
{
    wpipe_event e;

    while (wpipe_server_wait(scene->server, &e, timeout_ms) == 1) {
        scene->refused += e.type == WPIPE_EVENT_REFUSED;
        if (e.type == WPIPE_EVENT_MESSAGE)
            assert_int_equal(
                wpipe_server_send(scene->server, e.from, e.data, e.size), 0);
        timeout_ms = 0;
    }
}

/* With the client stopped: a deadline is kept, another one is served. */
static void expect_well(struct scene *scene)
{
    const int64_t begun = support_now_ms();
    wpipe_event e;
    int r = wpipe_server_drain(scene->server, WPIPE_ALL, 1);

    assert_true(r == 0 || r == WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_client_send(scene->other, "others", 6), 0);
    serve(scene, SUPPORT_WAIT_MS);
    assert_int_equal(wpipe_client_wait(scene->other, &e, SUPPORT_WAIT_MS), 1);
    assert_int_equal(e.type, WPIPE_EVENT_MESSAGE);
    assert_int_equal(e.size, 6);
    assert_true(support_now_ms() - begun < SUPPORT_SOON_MS);
}

static void start(struct helper *helper, struct scene *scene)
{
    int status;

    helper_start(helper, talk, scene);
    assert_int_equal(waitpid(helper->pid, &status, 0), helper->pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_TRACE) {
        wpipe_client_close(scene->other);
        wpipe_server_close(scene->server);
        close(helper->fd);
        support_skip("ptrace is not allowed here");
    }
    assert_true(WIFSTOPPED(status));
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, helper->pid, NULL,
                            PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL),
                     0);
}

/* `steps` system calls' begins and ends on; false: it was done before. What it
 * waits for is there before each. */
static bool step(struct helper *helper, struct scene *scene, int steps)
{
    int status;

    for (int i = 0; i < steps; i++) {
        serve(scene, 0);
        assert_int_equal(ptrace(PTRACE_SYSCALL, helper->pid, NULL, NULL), 0);
        assert_int_equal(waitpid(helper->pid, &status, 0), helper->pid);
        assert_true(WIFSTOPPED(status));
        if (support_wait_readable(helper->fd, 0))
            return false;
    }
    return true;
}

static void stopped_client_harms_nobody_and_goes_on(void **state)
{
    struct scene scene = { .options = { .size = sizeof(wpipe_options),
                                        .type = WPIPE_MESSAGE,
                                        .spin_us = WPIPE_SPIN_OFF,
                                        .shared_memory =
                                            *(const int *)*state } };
    bool inside = true;
    int steps;
    wpipe_event e;

    assert_int_equal(
        wpipe_server_open(&scene.server, support_unique_name(), &scene.options),
        0);
    scene.options.flags = WPIPE_CONNECT_LATER;
    assert_int_equal(wpipe_client_open(&scene.other,
                                       wpipe_server_name(scene.server),
                                       &scene.options),
                     0);
    scene.options.flags = 0;
    do {
        serve(&scene, 10);
    } while (wpipe_client_wait(scene.other, &e, 10) != 1);
    assert_int_equal(e.type, WPIPE_EVENT_CONNECTED);
    for (steps = 0; inside; steps++) {
        struct helper helper;

        start(&helper, &scene);
        inside = step(&helper, &scene, steps);
        expect_well(&scene);
        assert_int_equal(ptrace(PTRACE_DETACH, helper.pid, NULL, NULL), 0);
        while (!support_wait_readable(helper.fd, 0))
            serve(&scene, 10);
        event_expect(helper.fd, DONE);
        assert_int_equal(helper_join(&helper), 0);
    }
    assert_true(steps > STEPS_AT_LEAST);
    assert_int_equal(scene.refused, 0);
    wpipe_client_close(scene.other);
    wpipe_server_close(scene.server);
}

static const int never = WPIPE_SHARED_NEVER;
static const int now = WPIPE_SHARED_NOW;

#define EACH(variant, shared)                                  \
    {                                                          \
        "stopped_client_harms_nobody_and_goes_on",             \
            stopped_client_harms_nobody_and_goes_on,           \
            (void *)(uintptr_t)(shared), variant, SUPPORT_SLOW \
    }

static const struct support_case cases[] = {
    EACH("framed", &never),
    EACH("shared", &now),
};

TEST_MAIN(cases)
