/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One server, many native and many foreign clients at once. Every client sends
 * numbered messages whose content follows from its number and expects each back
 * as it was, in order; the server looks at each one, too. A third of the
 * foreign clients - one process of many - is killed in the middle, again and
 * again, and started anew under other numbers. Ends with 1 when a message was
 * lost, doubled, changed or came to somebody else.
 *
 *     mixed CLIENTS MESSAGES ROUNDS [DOTNET...]
 *
 * CLIENTS of each kind, MESSAGES in all, ROUNDS of killing; DOTNET, such as
 * "dotnet Peer.dll", adds a process of .NET clients that is killed likewise.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <windpipe.h>

enum {
    WINDOW = 16, /* messages on their way, for each client */
    LONGEST = 8 + 200,
    IDS = 1 << 20, /* numbers of clients */
    WAIT_MS = 20000
};

#define NAME "mixed"

/* ---- messages: the same as in dotnet/Mixed.cs ---------------------------- */

static size_t compose(uint32_t client, uint32_t number, uint8_t *buf)
{
    size_t size = 8 + (client * 31 + number * 17) % 200;

    memcpy(buf, &client, 4); /* the tests run on little-endian machines */
    memcpy(buf + 4, &number, 4);
    for (size_t i = 8; i < size; i++)
        buf[i] = (uint8_t)(client * 7 + number * 3 + i);
    return size;
}

/* 1 when it is message `number` of `client`. */
static int is_message(const void *data, size_t size, uint32_t client,
                      uint32_t number)
{
    uint8_t expected[LONGEST];

    return size == compose(client, number, expected) &&
           memcmp(data, expected, size) == 0;
}

/* ---- a process of clients ------------------------------------------------ */

struct client {
    wpipe_client *native; /* one of these two */
    int socket;
    uint32_t id;
    uint32_t sent;
    uint32_t back;
    size_t have;
    uint8_t buf[WINDOW * (LONGEST + 4)];
};

struct group {
    int foreign;
    uint32_t first; /* number of the first client */
    uint32_t count;
    uint32_t messages; /* of each */
    struct client *clients;
};

static int foreign_connect(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s/CoreFxPipe_" NAME,
             getenv("TMPDIR"));
    if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
        perror("connect");
        return -1;
    }
    return fd;
}

static int client_open(struct client *c, int foreign)
{
    const wpipe_options options = { .size = sizeof(options),
                                    .connect_ms = WAIT_MS,
                                    .foreign = WPIPE_FOREIGN_NEVER };

    c->socket = -1;
    if (foreign)
        return c->socket = foreign_connect();
    return wpipe_client_open(&c->native, NAME, &options);
}

static int send_one(struct client *c)
{
    uint8_t buf[4 + LONGEST];
    uint32_t size = (uint32_t)compose(c->id, c->sent, buf + 4);

    memcpy(buf, &size, 4);
    c->sent++;
    if (c->native != NULL)
        return wpipe_client_send_wait(c->native, buf + 4, size, WAIT_MS);
    return send(c->socket, buf, size + 4, MSG_NOSIGNAL) == (ssize_t)size + 4
               ? 0
               : -1;
}

static int fill_window(struct client *c, uint32_t messages)
{
    int r = 0;

    while (r == 0 && c->sent < messages && c->sent < c->back + WINDOW)
        r = send_one(c);
    return r;
}

static int check_back(struct client *c, const void *data, size_t size)
{
    if (is_message(data, size, c->id, c->back++))
        return 0;
    fprintf(stderr, "client %u: message %u came back wrong\n", c->id,
            c->back - 1);
    return -1;
}

/* Take what came: 0 or more messages. */
static int receive_foreign(struct client *c)
{
    size_t at = 0;
    uint32_t size;
    int r = 0;
    ssize_t n = recv(c->socket, c->buf + c->have, sizeof(c->buf) - c->have,
                     MSG_DONTWAIT);

    if (n <= 0)
        return n < 0 && errno == EAGAIN ? 0 : -1;
    c->have += (size_t)n;
    while (r == 0 && c->have - at >= 4) {
        memcpy(&size, c->buf + at, 4);
        if (size > LONGEST)
            return check_back(c, NULL, 0);
        if (c->have - at < 4 + size)
            break;
        r = check_back(c, c->buf + at + 4, size);
        at += 4 + size;
    }
    c->have -= at;
    memmove(c->buf, c->buf + at, c->have);
    return r;
}

static int receive_native(struct client *c)
{
    wpipe_event e;
    int r = 0;

    while (r == 0 && wpipe_client_wait(c->native, &e, 0) > 0)
        r = e.type == WPIPE_EVENT_MESSAGE ? check_back(c, e.data, e.size) : -1;
    return r;
}

static int step(struct client *c, uint32_t messages)
{
    int r = c->native != NULL ? receive_native(c) : receive_foreign(c);

    return r < 0 ? r : fill_window(c, messages);
}

static void done(struct client *c)
{
    wpipe_client_close(c->native);
    if (c->socket >= 0)
        close(c->socket);
    c->native = NULL;
    c->socket = -1;
}

/* All of a group, by poll. 0 when every message came back. */
static int converse(const struct group *g, struct pollfd *polled)
{
    uint32_t left = g->count;
    uint32_t i;

    while (left > 0) {
        if (poll(polled, g->count, WAIT_MS) <= 0) {
            fprintf(stderr, "clients from %u: nothing comes\n", g->first);
            return -1;
        }
        for (i = 0; i < g->count; i++) {
            struct client *c = &g->clients[i];

            if (polled[i].revents == 0)
                continue;
            if (step(c, g->messages) < 0) {
                fprintf(stderr, "client %u: lost after %u\n", c->id, c->back);
                return -1;
            }
            if (c->back == g->messages) {
                polled[i].fd = -1;
                done(c);
                left--;
            }
        }
    }
    return 0;
}

static int run_group(struct group *g)
{
    struct pollfd *polled = calloc(g->count, sizeof(*polled));
    int r = 0;

    g->clients = calloc(g->count, sizeof(*g->clients));
    if (polled == NULL || g->clients == NULL)
        return 1;
    for (uint32_t i = 0; i < g->count && r >= 0; i++) {
        struct client *c = &g->clients[i];

        c->id = g->first + i;
        r = client_open(c, g->foreign);
        if (r < 0) {
            fprintf(stderr, "client %u cannot connect: %d\n", c->id, r);
            return 1;
        }
        polled[i].events = POLLIN;
        polled[i].fd =
            c->native == NULL ? c->socket : (int)wpipe_client_fd(c->native);
        r = fill_window(c, g->messages);
    }
    if (r >= 0)
        r = converse(g, polled);
    free(g->clients);
    free(polled);
    return r < 0;
}

static pid_t start_group(struct group g)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit(run_group(&g));
}

static pid_t start_dotnet(char *const *words, int count, uint32_t first,
                          uint32_t clients, uint32_t messages)
{
    char *arguments[16] = { NULL };
    char numbers[3][16];
    static char command[] = "mixed";
    static char name[] = NAME;
    pid_t pid;

    if (count > 8)
        count = 8;
    memcpy(arguments, words, (size_t)count * sizeof(*words));
    snprintf(numbers[0], 16, "%u", clients);
    snprintf(numbers[1], 16, "%u", messages);
    snprintf(numbers[2], 16, "%u", first);
    arguments[count] = command;
    arguments[count + 1] = name;
    for (int i = 0; i < 3; i++)
        arguments[count + 2 + i] = numbers[i];
    pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(arguments[0], arguments);
    _exit(127);
}

/* ---- the server ---------------------------------------------------------- */

struct seen {
    uint32_t next; /* number of the message that is due */
    wpipe_id from;
};

static struct {
    wpipe_server *server;
    struct seen *clients;
    uint64_t messages;
    uint64_t wrong;
    uint64_t connected;
    uint64_t gone;
    uint64_t full; /* echoes that did not fit */
} served;

static void on_message(const wpipe_event *e)
{
    struct seen *seen;
    uint32_t client = 0;

    if (e->size >= 8)
        memcpy(&client, e->data, 4);
    if (client >= IDS)
        client = 0;
    seen = &served.clients[client];
    if (seen->next == 0)
        seen->from = e->from;
    if (client == 0 || seen->from != e->from ||
        !is_message(e->data, e->size, client, seen->next++)) {
        served.wrong++;
        fprintf(stderr, "server: client %u: message %u is wrong\n", client,
                seen->next);
    }
    served.messages++;
    if (wpipe_server_send(served.server, e->from, e->data, e->size) ==
        WPIPE_EAGAIN)
        served.full++;
}

/* Serve for `ms` at the most; 0 when nothing came for so long. */
static int serve(int ms)
{
    wpipe_event e;

    if (wpipe_server_wait(served.server, &e, ms) <= 0)
        return 0;
    if (e.type == WPIPE_EVENT_MESSAGE)
        on_message(&e);
    else if (e.type == WPIPE_EVENT_CONNECTED)
        served.connected++;
    else if (e.type == WPIPE_EVENT_FINISHED)
        (void)wpipe_server_disconnect(served.server, e.from);
    else if (e.type == WPIPE_EVENT_DISCONNECTED)
        served.gone++;
    return 1;
}

static int open_server(void)
{
    char text[256] = "";
    const wpipe_options options = { .size = sizeof(options),
                                    .foreign = WPIPE_FOREIGN_ALSO,
                                    .framing = WPIPE_FRAMING_LE32,
                                    .error_text = text,
                                    .error_text_size = sizeof(text) };
    int r = wpipe_server_open(&served.server, NAME, &options);

    if (r < 0)
        fprintf(stderr, "mixed: %s\n", text);
    served.clients = calloc(IDS, sizeof(*served.clients));
    return r < 0 || served.clients == NULL ? -1 : 0;
}

/* ---- the run ------------------------------------------------------------- */

struct run {
    pid_t steady[3];  /* native, foreign, and .NET at the end */
    pid_t victims[2]; /* C and .NET: killed */
    uint32_t next_id;
    uint32_t clients;
    uint32_t messages; /* of each client */
    char **dotnet;
    int dotnet_words;
};

static uint32_t take_ids(struct run *run, uint32_t count)
{
    uint32_t first = run->next_id;

    run->next_id += count;
    return first;
}

static pid_t start(struct run *run, int foreign, uint32_t count,
                   uint32_t messages)
{
    const struct group group = { .foreign = foreign,
                                 .first = take_ids(run, count),
                                 .count = count,
                                 .messages = messages };

    return start_group(group);
}

static pid_t start_net(struct run *run, uint32_t count, uint32_t messages)
{
    if (run->dotnet_words == 0)
        return 0;
    return start_dotnet(run->dotnet, run->dotnet_words, take_ids(run, count),
                        count, messages);
}

/* Those that would talk for ever are killed and followed by others. */
static void kill_victims(struct run *run, int again)
{
    for (int i = 0; i < 2; i++) {
        if (run->victims[i] == 0)
            continue;
        kill(run->victims[i], SIGKILL);
        waitpid(run->victims[i], NULL, 0);
        run->victims[i] = 0;
    }
    if (!again)
        return;
    run->victims[0] = start(run, 1, run->clients / 3 + 1, 1u << 30);
    run->victims[1] = start_net(run, run->clients / 3 + 1, 1u << 20);
}

/* 1 while one of the steady ones runs; *ret_bad counts who failed. */
static int still_running(struct run *run, int *ret_bad)
{
    int running = 0;
    int status;

    for (int i = 0; i < 3; i++) {
        if (run->steady[i] == 0)
            continue;
        if (waitpid(run->steady[i], &status, WNOHANG) != run->steady[i]) {
            running = 1;
            continue;
        }
        run->steady[i] = 0;
        *ret_bad += status != 0;
    }
    return running;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A kill after every so many messages, until the steady ones are through. */
static int run_all(struct run *run, uint64_t total, uint64_t rounds)
{
    uint64_t killed = 0;
    uint64_t due = total / (rounds + 1);
    uint64_t looked = 0;
    int bad = 0;

    kill_victims(run, 1);
    for (;;) {
        int quiet = !serve(100);

        if (killed < rounds && served.messages >= due * (killed + 1)) {
            kill_victims(run, 1);
            killed++;
        }
        if ((quiet || ++looked % 4096 == 0) && !still_running(run, &bad))
            break;
    }
    kill_victims(run, 0);
    while (served.gone < served.connected && serve(5000))
        ;
    printf("%llu rounds of killing\n", (unsigned long long)killed);
    return bad;
}

int main(int argc, char **argv)
{
    struct run run = { .next_id = 1 };
    uint64_t total;
    double begun;
    double took;
    int bad;

    if (argc < 4)
        return 2;
    alarm(170);
    run.clients = (uint32_t)strtoul(argv[1], NULL, 10);
    total = strtoul(argv[2], NULL, 10);
    run.messages = (uint32_t)(total / (2 * run.clients));
    run.dotnet = argv + 4;
    run.dotnet_words = argc - 4;
    if (open_server() < 0)
        return 1;
    begun = seconds();
    run.steady[0] = start(&run, 0, run.clients, run.messages);
    if (run.dotnet_words > 0) {
        /* half of the foreign ones are .NET */
        run.steady[1] = start(&run, 1, run.clients / 2, run.messages);
        run.steady[2] =
            start_net(&run, run.clients - run.clients / 2, run.messages);
    } else {
        run.steady[1] = start(&run, 1, run.clients, run.messages);
    }
    bad = run_all(&run, total, strtoul(argv[3], NULL, 10));
    took = seconds() - begun;
    bad += served.wrong > 0 || served.full > 0 ||
           served.gone != served.connected || served.messages < total;
    printf("%llu messages of %llu connections there and back in %.1f s, "
           "%llu wrong, %llu not sent back, %llu connections not ended\n",
           (unsigned long long)served.messages,
           (unsigned long long)served.connected, took,
           (unsigned long long)served.wrong, (unsigned long long)served.full,
           (unsigned long long)(served.connected - served.gone));
    wpipe_server_close(served.server);
    free(served.clients);
    return bad != 0;
}
