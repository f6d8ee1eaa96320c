/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that may not make one system call, as in a sandbox. Each call of a
 * session is refused with EPERM and with ENOSYS, once to the server and once to
 * the client: they converse all the same, or the one that lacks the call is
 * told so. Nobody hangs, and nobody waits in vain without a word.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <windpipe.h>

#include "support/forbid.h"

enum {
    CALLS = 20,     /* in each conversation: it moves to shared memory */
    WAIT_MS = 2000, /* of one call of a session: only a fault exceeds it */
    LIMIT_S = 10,   /* and its process ends: it hangs */
    LANES = 4,      /* of rows, at the same time */
    STEP_MS = 5,
    TEXT = 400
};

#define MS(ms) ((ms)*SUPPORT_LIMIT_FACTOR)

static const struct support_call calls[] = {
    /* sockets */
    { "socket", SYS_socket, SUPPORT_ANY, 0, 0 },
    { "bind", SYS_bind, SUPPORT_ANY, 0, 0 },
    { "listen", SYS_listen, SUPPORT_ANY, 0, 0 },
    { "connect", SYS_connect, SUPPORT_ANY, 0, 0 },
    { "accept4", SYS_accept4, SUPPORT_ANY, 0, 0 },
    { "sendto", SYS_sendto, SUPPORT_ANY, 0, 0 },
    { "sendmsg", SYS_sendmsg, SUPPORT_ANY, 0, 0 },
    { "recvfrom", SYS_recvfrom, SUPPORT_ANY, 0, 0 },
    { "recvmsg", SYS_recvmsg, SUPPORT_ANY, 0, 0 },
    { "getsockopt", SYS_getsockopt, SUPPORT_ANY, 0, 0 },
    { "setsockopt", SYS_setsockopt, SUPPORT_ANY, 0, 0 },
    { "shutdown", SYS_shutdown, SUPPORT_ANY, 0, 0 },
    { "ioctl", SYS_ioctl, SUPPORT_ANY, 0, 0 },
    /* waiting */
    { "poll", SYS_ppoll, SUPPORT_ANY, 0, 0 },
#ifdef SYS_poll
    { "poll", SYS_poll, SUPPORT_ANY, 0, 0 },
    { "epoll_wait", SYS_epoll_wait, SUPPORT_ANY, 0, 0 },
    { "chmod", SYS_chmod, SUPPORT_ANY, 0, 0 },
    { "mkdir", SYS_mkdir, SUPPORT_ANY, 0, 0 },
    { "readlink", SYS_readlink, SUPPORT_ANY, 0, 0 },
    { "access", SYS_access, SUPPORT_ANY, 0, 0 },
#endif
    { "epoll_pwait", SYS_epoll_pwait, SUPPORT_ANY, 0, 0 },
    { "epoll_create1", SYS_epoll_create1, SUPPORT_ANY, 0, 0 },
    { "epoll_ctl", SYS_epoll_ctl, SUPPORT_ANY, 0, 0 },
    { "eventfd2", SYS_eventfd2, SUPPORT_ANY, 0, 0 },
    { "timerfd_create", SYS_timerfd_create, SUPPORT_ANY, 0, 0 },
    { "timerfd_settime", SYS_timerfd_settime, SUPPORT_ANY, 0, 0 },
    { "inotify_init1", SYS_inotify_init1, SUPPORT_ANY, 0, 0 },
    { "inotify_add_watch", SYS_inotify_add_watch, SUPPORT_ANY, 0, 0 },
    { "inotify_rm_watch", SYS_inotify_rm_watch, SUPPORT_ANY, 0, 0 },
    /* of the C library's own sleeps none has this operation */
    { "futex", SYS_futex, 1, FUTEX_WAIT_BITSET_PRIVATE, 0 },
    { "clock_nanosleep", SYS_clock_nanosleep, SUPPORT_ANY, 0, 0 },
    { "sched_yield", SYS_sched_yield, SUPPORT_ANY, 0, 0 },
    /* files */
    { "openat", SYS_openat, SUPPORT_ANY, 0, 0 },
    { "newfstatat", SYS_newfstatat, SUPPORT_ANY, 0, 0 },
    { "fchmod", SYS_fchmod, SUPPORT_ANY, 0, 0 },
    { "fchmodat", SYS_fchmodat, SUPPORT_ANY, 0, 0 },
    { "mkdirat", SYS_mkdirat, SUPPORT_ANY, 0, 0 },
    { "flock", SYS_flock, SUPPORT_ANY, 0, 0 },
    { "renameat", SYS_renameat, SUPPORT_ANY, 0, 0 },
    { "linkat", SYS_linkat, SUPPORT_ANY, 0, 0 },
    { "unlinkat", SYS_unlinkat, SUPPORT_ANY, 0, 0 },
    { "getdents64", SYS_getdents64, SUPPORT_ANY, 0, 0 },
    { "readlinkat", SYS_readlinkat, SUPPORT_ANY, 0, 0 },
    { "read", SYS_read, SUPPORT_ANY, 0, 0 },
    { "write", SYS_write, SUPPORT_ANY, 0, 0 },
    { "pread64", SYS_pread64, SUPPORT_ANY, 0, 0 },
    { "pwrite64", SYS_pwrite64, SUPPORT_ANY, 0, 0 },
    { "fcntl", SYS_fcntl, SUPPORT_ANY, 0, 0 },
    /* memory */
    { "memfd_create", SYS_memfd_create, SUPPORT_ANY, 0, 0 },
    { "ftruncate", SYS_ftruncate, SUPPORT_ANY, 0, 0 },
    { "fallocate", SYS_fallocate, SUPPORT_ANY, 0, 0 },
    { "fstatfs", SYS_fstatfs, SUPPORT_ANY, 0, 0 },
    { "fstat", SYS_fstat, SUPPORT_ANY, 0, 0 },
    { "mmap", SYS_mmap, 3, MAP_SHARED, 0 },
    { "madvise", SYS_madvise, SUPPORT_ANY, 0, 0 },
    { "membarrier", SYS_membarrier, SUPPORT_ANY, 0, 0 },
    { "cachestat", 451, SUPPORT_ANY, 0, 0 },
    { "getrandom", SYS_getrandom, SUPPORT_ANY, 0, 0 },
    /* the process and others */
    { "prlimit64", SYS_prlimit64, SUPPORT_ANY, 0, 0 },
    { "geteuid", SYS_geteuid, SUPPORT_ANY, 0, 0 },
    { "getegid", SYS_getegid, SUPPORT_ANY, 0, 0 },
    { "pidfd_send_signal", SYS_pidfd_send_signal, SUPPORT_ANY, 0, 0 },
    { "waitid", SYS_waitid, SUPPORT_ANY, 0, 0 },
    { "rt_sigprocmask", SYS_rt_sigprocmask, SUPPORT_ANY, 0, 0 },
    { "getpid", SYS_getpid, SUPPORT_ANY, 0, 0 },
#ifndef __SANITIZE_ADDRESS__ /* which ends the process without it */
    { "munmap", SYS_munmap, SUPPORT_ANY, 0, 0 },
#endif
};

/* What both processes and the case can see. */
struct board {
    atomic_int server; /* 0, SERVING or what became of it */
    atomic_int stop;
    char said[2][TEXT]; /* the first words of each */
};

enum {
    SERVING = 1,
    NOT_OPEN = 2
};

struct row {
    const struct support_call *call;
    unsigned error;
    int serves; /* the server lacks it; else the client does */
    const char *name;
    struct board *board;
};

static void say(const struct row *row, int serves, const char *format, ...)
{
    char *said = row->board->said[serves];
    va_list list;

    if (said[0] != '\0')
        return;
    va_start(list, format);
    (void)vsnprintf(said, TEXT, format, list);
    va_end(list);
}

static void lack(const struct row *row, int serves)
{
    if (row->serves == serves)
        support_forbid(row->call->number, row->call->index, row->call->value,
                       row->error);
}

/* A sanitizer's search for leaks takes calls that are refused. */
static int leave(int status)
{
#ifdef __SANITIZE_ADDRESS__
    _exit(status);
#endif
    return status;
}

static wpipe_options options_of(char text[TEXT])
{
    text[0] = '\0';
    return (wpipe_options){ .size = sizeof(wpipe_options),
                            .shared_memory = WPIPE_SHARED_NOW,
                            .framing = WPIPE_FRAMING_LE32,
                            .connect_ms = MS(WAIT_MS),
                            .error_text = text,
                            .error_text_size = TEXT };
}

/* Looks for a millisecond at most. */
static bool has_ended(const struct helper *helper)
{
    siginfo_t info = { .si_pid = 0 };

    (void)usleep(200);
    return waitid(P_PID, (id_t)helper->pid, &info,
                  WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0;
}

/* ---- the server ---------------------------------------------------------- */

static void on_event(const struct row *row, wpipe_server *server,
                     const wpipe_event *event)
{
    int r = 0;

    if (event->type == WPIPE_EVENT_MESSAGE && event->request != 0)
        r = wpipe_server_reply(server, event, event->data, event->size);
    else if (event->type == WPIPE_EVENT_MESSAGE)
        r = wpipe_server_send(server, event->from, event->data, event->size);
    else if (event->error < 0 && event->reason != WPIPE_REASON_CLOSED)
        say(row, 1, "event %d, reason %d: %s", event->type, event->reason,
            wpipe_strerror(event->error));
    if (r < 0)
        say(row, 1, "send: %s", wpipe_strerror(r));
}

static int serve(int fd, void *argument)
{
    const struct row *row = argument;
    char text[TEXT];
    wpipe_options options = options_of(text);
    wpipe_server *server = NULL;
    wpipe_event event;
    int r;

    (void)fd;
    (void)alarm(MS(LIMIT_S));
    options.foreign = WPIPE_FOREIGN_ALSO;
    lack(row, 1);
    r = wpipe_server_open(&server, row->name, &options);
    if (r < 0) {
        if (text[0] != '\0')
            say(row, 1, "open: %s", text);
        atomic_store(&row->board->server, NOT_OPEN);
        return leave(0);
    }
    atomic_store(&row->board->server, SERVING);
    while (!atomic_load(&row->board->stop)) {
        r = wpipe_server_wait(server, &event, STEP_MS);
        if (r == 1)
            on_event(row, server, &event);
        else if (r < 0 && r != WPIPE_ETIMEDOUT) {
            say(row, 1, "wait: %s", wpipe_strerror(r));
            break;
        }
    }
    wpipe_server_close(server);
    return leave(0);
}

/* ---- the client ---------------------------------------------------------- */

/* A time that is over says nothing of what was refused. */
static int fails(const struct row *row, const char *what, int64_t r,
                 const char *text)
{
    if (r != WPIPE_ETIMEDOUT && r != WPIPE_ENOTFOUND && text[0] != '\0')
        say(row, 0, "%s: %s", what, text);
    return 1;
}

static int call_native(const struct row *row)
{
    char text[TEXT];
    wpipe_options options = options_of(text);
    wpipe_client *client = NULL;
    wpipe_event event;
    int r;

    options.foreign = WPIPE_FOREIGN_NEVER;
    r = wpipe_client_open(&client, row->name, &options);
    if (r < 0)
        return fails(row, "client", r, text);
    for (int i = 0; i < CALLS && r >= 0; i++)
        r = wpipe_client_call(client, "ping", 4, &event, MS(WAIT_MS));
    wpipe_client_close(client);
    return r < 0 ? fails(row, "call", r, wpipe_strerror(r)) : 0;
}

static int stream_to(const struct row *row, int foreign)
{
    char text[TEXT];
    wpipe_options options = options_of(text);
    wpipe_stream *stream = NULL;
    char answer[8];
    int64_t r;

    options.foreign = foreign;
    options.type = WPIPE_MESSAGE;
    r = wpipe_connect(&stream, row->name, &options, MS(WAIT_MS));
    if (r < 0)
        return fails(row, "connect", r, text);
    for (int i = 0; i < CALLS && r >= 0; i++) {
        r = wpipe_write(stream, "pong", 4, MS(WAIT_MS));
        if (r >= 0)
            r = wpipe_read(stream, answer, sizeof answer, MS(WAIT_MS));
    }
    wpipe_stream_close(stream);
    return r < 0 ? fails(row, "stream", r, wpipe_strerror((int)r)) : 0;
}

/* Returns 1 when not all of it worked. */
static int visit(int fd, void *argument)
{
    const struct row *row = argument;

    (void)fd;
    (void)alarm(MS(LIMIT_S));
    lack(row, 0);
    if (row->error == ENOSYS && stream_to(row, WPIPE_FOREIGN_ONLY))
        return leave(1);
    return leave(call_native(row) || stream_to(row, WPIPE_FOREIGN_NEVER) ||
                 stream_to(row, WPIPE_FOREIGN_ONLY));
}

/* ---- the rows ------------------------------------------------------------ */

/* Until the client has ended, or the server was told: then it waits in vain.
 * Returns what the client did; 1 as well when it was ended. */
static int watch(const struct row *row, struct helper *client)
{
    const char *told = row->board->said[1];

    while (!has_ended(client) && !(row->serves && told[0] != '\0'))
        continue;
    if (has_ended(client))
        return helper_join(client);
    helper_kill(client);
    return 1;
}

static void judge(const struct row *row, int served, int visited)
{
    const char *who = row->serves ? "server" : "client";
    const char *told = row->board->said[row->serves];

    if (served != 0)
        fail_msg("the server ended with %d when the %s lacks %s (%s)", served,
                 who, row->call->name, strerror((int)row->error));
    if (visited < 0 || (visited > 0 && told[0] == '\0'))
        fail_msg("the client ended with %d, and nothing was told, when the %s "
                 "lacks %s (%s)",
                 visited, who, row->call->name, strerror((int)row->error));
}

static void run_row(struct row *row)
{
    struct helper server;
    struct helper client;
    int visited = 1;
    int served;

    memset(row->board, 0, sizeof *row->board);
    row->name = support_unique_name();
    helper_fork(&server, serve, row);
    while (atomic_load(&row->board->server) == 0 && !has_ended(&server))
        continue;
    if (atomic_load(&row->board->server) == SERVING) {
        helper_fork(&client, visit, row);
        visited = watch(row, &client);
    }
    atomic_store(&row->board->stop, 1);
    served = helper_join(&server);
    judge(row, served, visited);
}

/* A quarter of the rows: much of a session is waiting for the other end. */
struct lane {
    int serves;
    size_t number;
};

static int run_lane(int fd, void *argument)
{
    static const unsigned errors[] = { EPERM, ENOSYS };
    const struct lane *lane = argument;
    struct row row = { .serves = lane->serves };

    (void)fd;
    row.board = mmap(NULL, sizeof *row.board, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(row.board != MAP_FAILED);
    for (size_t i = lane->number; i < 2 * sizeof calls / sizeof *calls;
         i += LANES) {
        row.call = &calls[i / 2];
        row.error = errors[i % 2];
        run_row(&row);
    }
    return 0;
}

static void lack_each_call(int serves)
{
    struct helper helpers[LANES];
    struct lane lanes[LANES];

    support_allow_left("*"); /* what it takes to remove it may be refused */
    for (size_t i = 0; i < LANES; i++) {
        lanes[i] = (struct lane){ serves, i };
        helper_fork(&helpers[i], run_lane, &lanes[i]);
    }
    for (size_t i = 0; i < LANES; i++)
        assert_int_equal(helper_join(&helpers[i]), 0);
}

static void server_that_lacks_a_call_serves_or_is_told(void **state)
{
    (void)state;
    lack_each_call(1);
}

static void client_that_lacks_a_call_converses_or_is_told(void **state)
{
    (void)state;
    lack_each_call(0);
}

/* It waits for one client, and gets no events. */
static int accept_one(int fd, void *argument)
{
    const unsigned *error = argument;
    wpipe_listener *listener = NULL;
    wpipe_stream *stream = NULL;
    wpipe_stream *client = NULL;
    wpipe_options options = { .size = sizeof options,
                              .flags = WPIPE_CONNECT_EARLY };
    const char *name = support_unique_name();
    int bad;

    (void)fd;
    support_forbid(SYS_accept4, SUPPORT_ANY, 0, *error);
    bad = wpipe_listen(&listener, name, &options) != 0;
    bad |= (wpipe_accept(listener, &stream, 1) != WPIPE_ETIMEDOUT) << 1;
    bad |= (wpipe_connect(&client, name, &options, 0) != 0) << 2;
    bad |= (wpipe_accept(listener, &stream, 0) != WPIPE_ESYSTEM) << 3;
    bad |= (wpipe_accept(listener, &stream, MS(WAIT_MS)) != WPIPE_ESYSTEM) << 4;
    wpipe_stream_close(client);
    wpipe_listener_close(listener);
    return bad;
}

static void listener_that_cannot_accept_is_told(void **state)
{
    unsigned errors[] = { EPERM, ENOSYS };
    struct helper helper;

    (void)state;
    for (int i = 0; i < 2; i++) {
        helper_fork(&helper, accept_one, &errors[i]);
        assert_int_equal(helper_join(&helper), 0);
    }
}

static const struct support_case cases[] = {
    TEST(listener_that_cannot_accept_is_told),
    TEST_SLOW(server_that_lacks_a_call_serves_or_is_told),
    TEST_SLOW(client_that_lacks_a_call_converses_or_is_told),
};

TEST_MAIN(cases)
