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
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "ending.h"

extern char **environ;

enum {
    GRACE_MS = 2000, /* between SIGTERM and SIGKILL */
    HURRY_MS = 500,  /* before SIGTERM, when a signal ends us */
    LOOK_MS = 100,   /* between two looks whether a signal came */
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

/*
 * In the child: become the command. It is not to outlive us, even if we are
 * killed: then the shell gets SIGTERM (what it has started sees the end of
 * its input alone).
 */
static void become(const struct endpoint *e, const char *command, int in,
                   int out, char **environment, pid_t parent)
{
    char shell[] = "sh", option[] = "-c";
    char *arguments[] = { shell, option, (char *)(uintptr_t)command, NULL };

    if (e->group)
        setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(127); /* killed already */
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, ending_original_mask(), NULL);
    execve("/bin/sh", arguments, environment);
    _exit(127);
}

/* Returns 0 or -errno. */
static int spawn(struct endpoint *e, const char *command, int in, int out,
                 char **environment)
{
    const pid_t parent = getpid();

    e->child = fork();
    if (e->child == 0)
        become(e, command, in, out, environment, parent);
    if (e->child < 0) {
        e->child = 0;
        return -errno;
    }
    if (e->group)
        setpgid(e->child, e->child); /* whoever of us two is first */
    return 0;
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
    /* what a server starts ends with all that it has started; at a terminal
     * commands stay in its foreground */
    e->group = e->options->command->bit == BIT_SERVE;
    r = spawn(e, command, to[0], from[1], environment);
    if (r < 0)
        goto done;
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
static bool ended_within(int pidfd, int64_t ms)
{
    struct pollfd set = { .fd = pidfd, .events = POLLIN };

    while (poll(&set, 1, ms > 0 ? (int)ms : 0) < 0 && errno == EINTR)
        continue;
    return set.revents != 0;
}

/*
 * Its input has ended. It has as long as -q says, else --linger; when a signal
 * ends us, or we `hurry`, only until it has read what it was given. Returns
 * true when it ended.
 */
static bool ends_by_itself(const struct endpoint *e, int pidfd, bool hurry)
{
    const int ms =
        e->options->quit_ms >= 0 ? e->options->quit_ms : e->options->linger_ms;
    int64_t left = ms, until = clock_ms() + ms;
    bool ended = false, hurries = false;

    while (!ended && left > 0) {
        hurry = hurry || ending_signal() != 0 || atomic_load(e->stop);
        if (hurry && !hurries && left > HURRY_MS)
            until = clock_ms() + HURRY_MS;
        hurries = hurry;
        ended = ended_within(pidfd, left < LOOK_MS ? left : LOOK_MS);
        left = until - clock_ms();
    }
    return ended;
}

/* Ask it to end, and those that it has started if it has a group; a stopped
 * one, too. */
static void ask_to_end(pid_t target)
{
    kill(target, SIGHUP);
    kill(target, SIGTERM);
    kill(target, SIGCONT);
}

/* The shell has ended and is reaped; what it had started gets as much time. */
static void end_group(pid_t group)
{
    for (int t = 0; t < GRACE_MS && kill(-group, 0) == 0; t += LOOK_MS / 5)
        poll(NULL, 0, LOOK_MS / 5);
    kill(-group, SIGKILL);
}

static void reap(struct endpoint *e, bool hurry)
{
    const int pidfd = (int)syscall(SYS_pidfd_open, e->child, 0);
    const pid_t target = e->group ? -e->child : e->child;
    const bool ended =
        pidfd < 0 || ends_by_itself(e, pidfd, hurry) || ended_within(pidfd, 0);

    if (!ended) {
        ask_to_end(target);
        if (!ended_within(pidfd, GRACE_MS))
            kill(target, SIGKILL);
    }
    if (pidfd >= 0)
        close(pidfd);
    while (waitpid(e->child, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (!ended && e->group)
        end_group(e->child);
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
