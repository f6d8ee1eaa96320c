/* SPDX-License-Identifier: Apache-2.0 */
/* The C end of the remote control that dotnet/Agent.cs is: see agent.h. */
#include "agent.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ANSWER_MS = 20000
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void become(uid_t uid)
{
    if (uid == getuid())
        return;
    if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        _exit(126);
    (void)unsetenv("WINDPIPE_DIR");
}

static void run(char *const *arguments, uid_t uid, const int to[2],
                const int from[2])
{
    (void)dup2(to[0], 0);
    (void)dup2(from[1], 1);
    for (int fd = 3; fd < 64; fd++)
        (void)close(fd);
    become(uid);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)execvp(arguments[0], arguments);
    _exit(127);
}

/* The next line, without its end, in agent->answer. */
static int read_line(struct agent *a)
{
    struct pollfd ready = { .fd = a->from, .events = POLLIN };
    char *end;
    ssize_t n;
    size_t size;

    while ((end = memchr(a->buf, '\n', a->have)) == NULL) {
        if (a->have == sizeof(a->buf) || poll(&ready, 1, ANSWER_MS) <= 0)
            return -1;
        n = read(a->from, a->buf + a->have, sizeof(a->buf) - a->have);
        if (n <= 0)
            return -1;
        a->have += (size_t)n;
    }
    size = (size_t)(end - a->buf);
    memcpy(a->answer, a->buf, size);
    a->answer[size] = '\0';
    a->have -= size + 1;
    memmove(a->buf, end + 1, a->have);
    return 0;
}

void agent_start(struct agent *a, char *const *arguments, uid_t uid)
{
    int to[2];
    int from[2];

    if (pipe(to) < 0 || pipe(from) < 0)
        die("pipe");
    a->have = 0;
    a->pid = fork();
    if (a->pid < 0)
        die("fork");
    if (a->pid == 0)
        run(arguments, uid, to, from);
    close(to[0]);
    close(from[1]);
    a->to = to[1];
    a->from = from[0];
    if (read_line(a) < 0 || strcmp(a->answer, "ready") != 0) {
        fprintf(stderr, "the agent did not start: %s\n", arguments[0]);
        agent_stop(a);
        exit(1);
    }
}

const char *agent_tell(struct agent *a, const char *format, ...)
{
    char line[1024];
    va_list list;
    int n;

    va_start(list, format);
    n = vsnprintf(line, sizeof(line) - 2, format, list);
    va_end(list);
    if (n < 0 || (size_t)n >= sizeof(line) - 2)
        return "too long";
    line[n] = '\n';
    line[n + 1] = '\0';
    if (write(a->to, line, (size_t)n + 1) != n + 1 || read_line(a) < 0) {
        fprintf(stderr, "the agent does not answer: %s", line);
        exit(1); /* it dies with us */
    }
    return a->answer;
}

void agent_stop(struct agent *a)
{
    close(a->to);
    close(a->from);
    kill(a->pid, SIGKILL);
    (void)waitpid(a->pid, NULL, 0);
}
