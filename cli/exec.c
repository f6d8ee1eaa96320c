/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands as endpoints: started by sh with pipes for stdin and stdout, and
 * seen to their end so that none is left behind as a zombie.
 */
#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ending.h"

extern char **environ;

enum {
    PATIENCE_MS = 2000,
    PEER_VALUES = 3
};

/* The environment with what is known of the peer. The strings lie in
 * `values`; the caller frees the list. */
static char **make_environment(const wpipe_peer *peer,
                               char values[PEER_VALUES][64])
{
    size_t count = 0, put = 0;
    char **list;

    while (environ[count] != NULL)
        count++;
    list = malloc((count + PEER_VALUES + 1) * sizeof(*list));
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "WINDPIPE_PEER_", 14) != 0)
            list[put++] = environ[i];
    if (peer != NULL) {
        snprintf(values[0], 64, "WINDPIPE_PEER_PID=%lld", (long long)peer->pid);
        snprintf(values[1], 64, "WINDPIPE_PEER_UID=%lu",
                 (unsigned long)peer->uid);
        snprintf(values[2], 64, "WINDPIPE_PEER_GID=%lu",
                 (unsigned long)peer->gid);
        for (size_t i = 0; i < PEER_VALUES; i++)
            list[put++] = values[i];
    }
    list[put] = NULL;
    return list;
}

static int spawn(pid_t *ret, const char *command, int in, int out,
                 char **environment)
{
    char shell[] = "sh", option[] = "-c";
    char *arguments[] = { shell, option, (char *)(uintptr_t)command, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    int r;

    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return -r;
    r = posix_spawnattr_init(&attributes);
    if (r != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -r;
    }
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, ending_original_mask());
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    r = posix_spawn(ret, "/bin/sh", &actions, &attributes, arguments,
                    environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -r;
}

int endpoint_exec(struct endpoint *e, const char *command,
                  const wpipe_peer *peer)
{
    char values[PEER_VALUES][64];
    char **environment = make_environment(peer, values);
    int to[2] = { -1, -1 }, from[2] = { -1, -1 };
    int r = -ENOMEM;

    if (environment == NULL)
        goto done;
    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0) {
        r = -errno;
        goto done;
    }
    r = spawn(&e->child, command, to[0], from[1], environment);
    if (r < 0) {
        e->child = 0;
        goto done;
    }
    e->in = from[0];
    e->out = to[1];
    fcntl(e->in, F_SETFL, O_NONBLOCK);
    fcntl(e->out, F_SETFL, O_NONBLOCK);
    from[0] = to[1] = -1; /* the endpoint owns them now */
done:
    for (int i = 0; i < 2; i++) {
        if (to[i] >= 0)
            close(to[i]);
        if (from[i] >= 0)
            close(from[i]);
    }
    free(environment);
    return r;
}

/* Wait for the child. Returns true when it ended within the time. */
static bool ended_within(struct endpoint *e, int pidfd, int timeout_ms)
{
    struct pollfd set[2] = { { .fd = pidfd, .events = POLLIN },
                             { .fd = e->bell, .events = POLLIN } };
    uint64_t rung;

    while (poll(set, 2, timeout_ms) < 0 && errno == EINTR)
        continue;
    if (set[1].revents != 0 && read(e->bell, &rung, sizeof(rung)) < 0)
        return false;
    return set[0].revents != 0;
}

static void reap(struct endpoint *e, bool hurry)
{
    static const int order[] = { SIGTERM, SIGKILL };
    const int pidfd = (int)syscall(SYS_pidfd_open, e->child, 0);
    const int patience = e->options->quit_ms;
    bool ended = pidfd < 0;

    while (!ended && !hurry && !atomic_load(e->stop)) {
        ended = ended_within(e, pidfd, patience);
        hurry = patience >= 0;
    }
    for (int i = 0; i < 2 && !ended; i++) {
        kill(e->child, order[i]);
        for (int t = 0; t < PATIENCE_MS && !ended; t += 100)
            ended = ended_within(e, pidfd, 100);
    }
    if (pidfd >= 0)
        close(pidfd);
    while (waitpid(e->child, NULL, 0) < 0 && errno == EINTR)
        continue;
    e->child = 0;
}

void endpoint_close(struct endpoint *e, bool hurry)
{
    if (!e->borrowed) {
        if (e->out >= 0 && e->out != e->in)
            close(e->out);
        if (e->in >= 0)
            close(e->in);
    }
    e->in = -1;
    e->out = -1;
    if (e->child > 0)
        reap(e, hurry);
    wpipe_stream_close(e->stream);
    e->stream = NULL;
    if (e->bell >= 0)
        close(e->bell);
    e->bell = -1;
    lines_done(&e->lines);
    free(e->message);
    e->message = NULL;
}
