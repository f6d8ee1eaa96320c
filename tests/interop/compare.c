/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast is a server's foreign door? The same client, over the same kind of
 * socket, with a length before each message, talks to a windpipe server and to
 * a server written by hand with epoll, which does the least that works. Their
 * turns alternate; what is printed are the medians and the ratio, in which the
 * speed of the machine and of the moment cancels out. Where the two ends run
 * decides more than who serves, so that is fixed: on one processor, then on
 * two.
 *
 *     compare [ROUNDS]
 */
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <windpipe.h>

enum {
    TRIPS = 5000,
    STREAM_MESSAGES = 20000,
    STREAM_SIZE = 1024,
    SMALL = 64,
    MOST_ROUNDS = 31,
    BUFFER = 65536
};

static char paths[2][64];

static void must(int good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(1);
}

/* The directory, with what killed servers left in it. */
static void remove_directory(const char *path)
{
    struct dirent *entry;
    DIR *directory = opendir(path);

    if (directory == NULL)
        return;
    while ((entry = readdir(directory)) != NULL)
        (void)unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    (void)rmdir(path);
}

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    must(strlen(path) < sizeof(a.sun_path), path);
    memcpy(a.sun_path, path, strlen(path));
    return a;
}

/* ---- the two servers: echo what is small, answer a long one by its size -- */

/* A message over SMALL bytes is counted; the empty one asks for an answer. */
static int is_echoed(size_t size)
{
    return size <= SMALL;
}

static void serve_windpipe(void)
{
    const wpipe_options options = { .size = sizeof(options),
                                    .foreign = WPIPE_FOREIGN_ONLY,
                                    .framing = WPIPE_FRAMING_LE32 };
    wpipe_server *server;
    wpipe_event e;

    must(wpipe_server_open(&server, paths[0], &options) == 0, paths[0]);
    while (wpipe_server_wait(server, &e, WPIPE_FOREVER) > 0)
        if (e.type == WPIPE_EVENT_MESSAGE && is_echoed(e.size))
            wpipe_server_send(server, e.from, e.data, e.size);
}

struct connection {
    int fd;
    size_t have;
    uint8_t buf[BUFFER];
};

/* What is whole is dealt with, the rest moves to the front. */
static void take_messages(struct connection *c)
{
    size_t at = 0;
    uint32_t size;

    while (c->have - at >= 4) {
        memcpy(&size, c->buf + at, 4);
        if (c->have - at < 4 + (size_t)size)
            break;
        if (is_echoed(size))
            (void)!send(c->fd, c->buf + at, 4 + (size_t)size, MSG_NOSIGNAL);
        at += 4 + (size_t)size;
    }
    c->have -= at;
    memmove(c->buf, c->buf + at, c->have);
}

static void serve_by_hand(void)
{
    const struct sockaddr_un a = address(paths[1]);
    int door = socket(AF_UNIX, SOCK_STREAM, 0);
    int poller = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };
    struct connection *c;
    ssize_t n;

    must(bind(door, (const struct sockaddr *)&a, sizeof(a)) == 0, paths[1]);
    must(listen(door, 8) == 0, "listen");
    epoll_ctl(poller, EPOLL_CTL_ADD, door, &e);
    while (epoll_wait(poller, &e, 1, -1) == 1) {
        if (e.data.ptr == NULL) {
            c = calloc(1, sizeof(*c));
            must(c != NULL, "memory");
            c->fd = accept(door, NULL, NULL);
            e = (struct epoll_event){ .events = EPOLLIN, .data.ptr = c };
            epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e);
            continue;
        }
        c = e.data.ptr;
        n = recv(c->fd, c->buf + c->have, sizeof(c->buf) - c->have, 0);
        if (n <= 0) {
            close(c->fd);
            free(c);
            continue;
        }
        c->have += (size_t)n;
        take_messages(c);
    }
}

/* ---- the client ---------------------------------------------------------- */

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int dial(const char *path)
{
    const struct sockaddr_un a = address(path);
    int fd;

    for (int i = 0; i < 500; i++) { /* until the server is there */
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
            return fd;
        close(fd);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    must(0, path);
    return -1;
}

static size_t message(uint8_t *buf, uint32_t size)
{
    memcpy(buf, &size, 4);
    memset(buf + 4, 'm', size);
    return size + 4;
}

static void trip(int fd, const uint8_t *bytes, size_t size)
{
    uint8_t back[SMALL + 4];

    must(send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size, "send");
    must(recv(fd, back, size, MSG_WAITALL) == (ssize_t)size, "recv");
}

/* Microseconds for one round trip. */
static double round_trip(int fd)
{
    uint8_t bytes[SMALL + 4];
    size_t size = message(bytes, SMALL);
    double begun = seconds();

    for (int i = 0; i < TRIPS; i++)
        trip(fd, bytes, size);
    return (seconds() - begun) / TRIPS * 1e6;
}

/* Messages per second, one way, until the last one is answered. */
static double throughput(int fd)
{
    static uint8_t bytes[STREAM_SIZE + 4];
    uint8_t last[8];
    size_t size = message(bytes, STREAM_SIZE);
    double begun = seconds();

    for (int i = 0; i < STREAM_MESSAGES; i++)
        must(send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size, "send");
    trip(fd, last, message(last, 1));
    return STREAM_MESSAGES / (seconds() - begun);
}

/* ---- the comparison ------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(*values), by_size);
    return values[count / 2];
}

static void compare(const char *what, double (*measure)(int fd),
                    const int fds[2], int rounds)
{
    double values[2][MOST_ROUNDS];
    double ours;
    double theirs;

    for (int side = 0; side < 2; side++)
        (void)measure(fds[side]); /* warm */
    for (int i = 0; i < rounds; i++)
        for (int side = 0; side < 2; side++)
            values[side][i] = measure(fds[side]);
    ours = median(values[0], rounds);
    theirs = median(values[1], rounds);
    printf("%-34s windpipe %12.1f   by hand %12.1f   ratio %.2f\n", what, ours,
           theirs, ours / theirs);
}

/* The processors that we may use. */
static cpu_set_t allowed;

/* Stay on the first of them, or on the second. */
static void pin(int which)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && which >= 0; cpu++)
        if (CPU_ISSET(cpu, &allowed) && which-- == 0)
            CPU_SET(cpu, &one);
    must(sched_setaffinity(0, sizeof(one), &one) == 0, "affinity");
}

static pid_t start(void (*serve)(void), int cpu)
{
    pid_t pid = fork();

    must(pid >= 0, "fork");
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(cpu);
    serve();
    _exit(1);
}

/* Both servers there, and one client of each. */
static void compare_on(const char *where, int server_cpu, int rounds)
{
    pid_t servers[2] = { start(serve_windpipe, server_cpu),
                         start(serve_by_hand, server_cpu) };
    int fds[2];

    printf("%s\n", where);
    for (int side = 0; side < 2; side++)
        fds[side] = dial(paths[side]);
    compare("  round trip of 64 bytes, us", round_trip, fds, rounds);
    compare("  messages of 1 KiB a second", throughput, fds, rounds);
    for (int side = 0; side < 2; side++) {
        close(fds[side]);
        kill(servers[side], SIGKILL);
        waitpid(servers[side], NULL, 0);
        (void)unlink(paths[side]);
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 7;
    char directory[] = "/tmp/compare.XXXXXX";

    if (rounds < 1 || rounds > MOST_ROUNDS)
        return 2;
    alarm(120);
    must(mkdtemp(directory) != NULL, directory);
    setenv("WINDPIPE_DIR", directory, 1);
    snprintf(paths[0], sizeof(paths[0]), "%s/windpipe.sock", directory);
    snprintf(paths[1], sizeof(paths[1]), "%s/hand.sock", directory);
    must(sched_getaffinity(0, sizeof(allowed), &allowed) == 0, "affinity");
    pin(0);
    compare_on("on one processor", 0, rounds);
    if (CPU_COUNT(&allowed) > 1)
        compare_on("on two processors", 1, rounds);
    remove_directory(directory);
    return 0;
}
