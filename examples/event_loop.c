/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server inside somebody else's event loop: one epoll watches the server
 * and the terminal. What clients say is printed; a line that is typed goes to
 * all of them; the end of input ends the program.
 *
 *     event_loop [NAME]
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <windpipe.h>

/* Everything the server has to tell. 0 to go on. */
static int on_server(wpipe_server *server)
{
    wpipe_event e;
    int r;

    while ((r = wpipe_server_wait(server, &e, 0)) > 0) {
        if (e.type == WPIPE_EVENT_CONNECTED)
            printf("%" PRIu64 " came\n", e.from);
        else if (e.type == WPIPE_EVENT_MESSAGE)
            printf("%" PRIu64 " says: %.*s\n", e.from, (int)e.size,
                   (const char *)e.data);
        else if (e.type == WPIPE_EVENT_FINISHED)
            wpipe_server_disconnect(server, e.from); /* or answer it later */
        else if (e.type == WPIPE_EVENT_DISCONNECTED)
            printf("%" PRIu64 " went\n", e.from);
    }
    fflush(stdout);
    return r == WPIPE_ETIMEDOUT ? 0 : -1; /* nothing is left: go and poll */
}

/* What was typed. 0 to go on. */
static int on_input(wpipe_server *server)
{
    char line[1024];
    ssize_t n = read(STDIN_FILENO, line, sizeof(line));

    if (n <= 0)
        return -1;
    if (line[n - 1] == '\n')
        n--;
    wpipe_server_broadcast(server, line, (size_t)n);
    return 0;
}

static int watch(int epoll, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data = { .fd = fd } };

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static int loop(wpipe_server *server)
{
    int fd = (int)wpipe_server_fd(server);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event;
    int r = -1;

    if (fd < 0 || epoll < 0 || watch(epoll, fd) < 0 ||
        watch(epoll, STDIN_FILENO) < 0) {
        perror("event_loop");
        goto done;
    }
    do {
        if (epoll_wait(epoll, &event, 1, -1) <= 0)
            continue;
        r = event.data.fd == fd ? on_server(server) : on_input(server);
    } while (r == 0);
    r = 0;
done:
    if (epoll >= 0)
        close(epoll);
    return r;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "board";
    wpipe_server *server;
    int r;

    r = wpipe_server_open(&server, name, NULL);
    if (r < 0) {
        fprintf(stderr, "event_loop: %s: %s\n", name, wpipe_strerror(r));
        return 1;
    }
    r = loop(server);
    wpipe_server_close(server);
    return r < 0;
}
