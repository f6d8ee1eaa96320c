/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many producers, one collector, and nothing lost or doubled, whoever is killed
 * when. Producers number their messages. Whenever a connection begins they ask
 * the collector how far it has come, and go on from there. What it has it has
 * written to a file before it takes the next message; so of what lost_messages
 * says was read, only the last one may be missing, which was in its hands.
 *
 *     collector serve NAME FILE       until it is killed
 *     collector produce NAME ID       until SIGTERM, then the rest
 *     collector check SECONDS N       N producers, random kill -9, and a look
 *                                     at the file
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <windpipe.h>

enum {
    PRODUCERS = 1000,
    PATIENCE_MS = 2000
};

struct message {
    uint64_t id;
    uint64_t number;
};

/* In the file: messages `first` to first + count - 1 of one producer. */
struct run {
    uint32_t id;
    uint32_t count;
    uint64_t first;
};

/* When did a collector take the last message, and what was the longest time
 * between two, over all collectors so far? For check; beside the file. */
struct pace {
    int64_t last_ms;
    int64_t worst_ms;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* Only check makes the file; NULL without it. */
static struct pace *open_pace(const char *collected, int create)
{
    char beside[300];
    void *pace = MAP_FAILED;
    int file;

    snprintf(beside, sizeof(beside), "%s.pace", collected);
    file = open(beside, O_RDWR | create, 0600);
    if (file >= 0 && (create == 0 || ftruncate(file, sizeof(struct pace)) == 0))
        pace = mmap(NULL, sizeof(struct pace), PROT_READ | PROT_WRITE,
                    MAP_SHARED, file, 0);
    close(file);
    return pace == MAP_FAILED ? NULL : pace;
}

static void keep_pace(struct pace *pace)
{
    int64_t now = now_ms();

    if (pace->last_ms != 0 && now - pace->last_ms > pace->worst_ms)
        pace->worst_ms = now - pace->last_ms;
    pace->last_ms = now;
}

/* ---- the collector ------------------------------------------------------ */

static uint64_t expected[PRODUCERS]; /* the next number of each */
static struct run last;              /* the last record of the file */
static off_t last_at = -(off_t)sizeof(last);

/* What is in the file already: 0, or -1 when it is not as it should be. */
static int load(int file)
{
    static struct run runs[4096];
    ssize_t n;

    /* many at a time: a collector that starts again is waited for */
    while ((n = read(file, runs, sizeof(runs))) > 0) {
        for (size_t i = 0; i < (size_t)n / sizeof(last); i++) {
            last = runs[i];
            if (last.id >= PRODUCERS || last.first != expected[last.id])
                return -1;
            expected[last.id] += last.count;
            last_at += (off_t)sizeof(last);
        }
    }
    return n < 0 ? -1 : 0;
}

/* Write it down: a kill comes before this or after it. */
static void collect(int file, const struct message *m)
{
    if (m->id >= PRODUCERS || m->number != expected[m->id])
        return; /* we have it; or another connection brings what is before */
    if (last_at >= 0 && last.id == m->id && last.count < UINT32_MAX) {
        last.count++;
    } else {
        last = (struct run){ (uint32_t)m->id, 1, m->number };
        last_at += (off_t)sizeof(last);
    }
    if (pwrite(file, &last, sizeof(last), last_at) != sizeof(last))
        exit(1);
    expected[m->id]++;
}

static int serve(const char *name, const char *path)
{
    int file = open(path, O_RDWR | O_CREAT, 0600);
    struct pace *pace = open_pace(path, 0);
    struct message m;
    wpipe_server *s;
    wpipe_event e;

    if (file < 0 || load(file) < 0 || wpipe_server_open(&s, name, NULL) < 0)
        return 1;
    while (wpipe_server_wait(s, &e, WPIPE_FOREVER) > 0) {
        if (e.type != WPIPE_EVENT_MESSAGE || e.size != sizeof(m))
            continue;
        memcpy(&m, e.data, sizeof(m));
        if (e.request == 0 && pace != NULL)
            keep_pace(pace);
        if (e.request == 0)
            collect(file, &m);
        else if (m.id < PRODUCERS) /* how far are we? */
            wpipe_server_reply(s, &e, &expected[m.id], sizeof(uint64_t));
    }
    wpipe_server_close(s);
    return 0;
}

/* ---- a producer --------------------------------------------------------- */

static volatile sig_atomic_t stopping;

static void stop(int number)
{
    (void)number;
    stopping = 1;
}

struct producer {
    wpipe_client *client;
    struct message m; /* the next one to send */
    uint64_t made;    /* how many there are, when stopping */
    wpipe_id asked;   /* the connection over which we asked; 0 none */
    uint64_t read;    /* of them, the collector took so many, as lost_messages
                         said when that connection ended */
    int connections;  /* over which we asked, so far */
};

/* Where are we? The answer tells over which connection it came, which may be
 * one whose CONNECTED is yet to come. 0; 1 not now; -1 that cannot be. */
static int ask(struct producer *p)
{
    wpipe_event answer;
    uint64_t next;

    if (wpipe_client_call(p->client, &p->m, sizeof(p->m), &answer,
                          PATIENCE_MS) != 1)
        return 1;
    memcpy(&next, answer.data, sizeof(next));
    /* was lost_messages right? One who was killed before us may have left more
     * in our first connection's time */
    if (p->read > 0 &&
        (next + 1 < p->read || (next > p->read && p->connections > 1)))
        return -1;
    p->connections++;
    p->m.number = next;
    p->read = 0;
    p->asked = answer.from;
    return 0;
}

/* What happened to the connection, and to what was sent over it. */
static int events(struct producer *p, int timeout_ms)
{
    wpipe_event e;
    int r;

    while ((r = wpipe_client_wait(p->client, &e, timeout_ms)) == 1) {
        timeout_ms = 0;
        if (e.type == WPIPE_EVENT_DISCONNECTED && e.from == p->asked) {
            p->read = p->m.number - e.lost_messages;
            p->asked = 0;
        }
    }
    return r == WPIPE_ETIMEDOUT ? 0 : -1;
}

/* Over the connection where we asked: send_wait would go on with the next one.
 * 0; 1 wait for an event. */
static int produce_one(struct producer *p)
{
    if (wpipe_client_send(p->client, &p->m, sizeof(p->m)) < 0)
        return 1;
    p->m.number++;
    return 0;
}

static int produce(const char *name, uint64_t id)
{
    wpipe_options o = { .size = sizeof(o),
                        .flags = WPIPE_RECONNECT | WPIPE_CONNECT_LATER };
    struct producer p = { .m = { .id = id }, .made = UINT64_MAX };
    int full = 0, r = 0;

    signal(SIGTERM, stop);
    if (wpipe_client_open(&p.client, name, &o) < 0)
        return 1;
    while (r >= 0) {
        if (stopping && p.made == UINT64_MAX)
            p.made = p.m.number;
        r = events(&p, p.asked == 0 ? 10 : full ? PATIENCE_MS : 0);
        full = 0;
        if (r == 0 && p.asked == 0)
            r = ask(&p);
        else if (r == 0 && p.m.number < p.made)
            full = produce_one(&p);
        else if (r == 0 && ask(&p) == 0 && p.m.number >= p.made)
            break; /* the collector has all */
    }
    wpipe_client_close(p.client);
    return r < 0 ? 1 : 0;
}

/* ---- the check ---------------------------------------------------------- */

static const char *self, *pipe_name, *path;

static pid_t run(const char *mode, const char *what)
{
    pid_t pid = fork();

    if (pid == 0) {
        execl(self, self, mode, pipe_name, what, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static pid_t run_producer(int id)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", id);
    return run("produce", text);
}

static unsigned seed;

static unsigned dice(void)
{
    seed = seed * 1103515245u + 12345u;
    return seed >> 8;
}

/* Everything in the file: as it should be? */
static int judge(int producers)
{
    int file = open(path, O_RDONLY);
    uint64_t all = 0;
    int bad = load(file) < 0;

    for (int i = 0; i < producers; i++) {
        bad |= expected[i] == 0;
        all += expected[i];
    }
    close(file);
    printf("%" PRIu64 " messages of %d producers, %s\n", all, producers,
           bad ? "and some LOST, DOUBLED or missing" : "each of them once");
    return bad;
}

static int has_failed(pid_t pid)
{
    int status;

    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) != 0;
}

static int check(int64_t seconds, int producers)
{
    int64_t end = now_ms() + seconds * 1000;
    pid_t pids[PRODUCERS], server = run("serve", path);
    int failed = 0, kills = 0;

    for (int i = 0; i < producers; i++)
        pids[i] = run_producer(i);
    seed = (unsigned)getpid();
    for (; now_ms() < end; kills++) {
        int who = (int)(dice() % (unsigned)producers);

        usleep((useconds_t)(20000 + dice() % 200000));
        if (kills % 3 == 0) {
            kill(server, SIGKILL);
            failed += has_failed(server);
            server = run("serve", path);
        } else {
            kill(pids[who], SIGKILL);
            failed += has_failed(pids[who]);
            pids[who] = run_producer(who);
        }
    }
    for (int i = 0; i < producers; i++)
        kill(pids[i], SIGTERM);
    for (int i = 0; i < producers; i++)
        failed += has_failed(pids[i]);
    kill(server, SIGKILL);
    failed += has_failed(server);
    printf("%d kills, %d processes failed\n", kills, failed);
    return judge(producers) || failed > 0;
}

static int check_in(const char *directory, int64_t seconds, int producers)
{
    static char file[256], beside[300], name[64];
    struct pace *pace;
    int r;

    snprintf(file, sizeof(file), "%s/collector-%d", directory, (int)getpid());
    snprintf(name, sizeof(name), "collector-%d", (int)getpid());
    path = file;
    pipe_name = name;
    if (producers < 1 || producers > PRODUCERS)
        return 2;
    snprintf(beside, sizeof(beside), "%s.pace", file);
    pace = open_pace(file, O_CREAT | O_EXCL);
    if (pace == NULL)
        return 1;
    r = check(seconds, producers);
    printf("longest time without a message: %" PRId64 " ms\n", pace->worst_ms);
    unlink(file);
    unlink(beside);
    return r;
}

int main(int argc, char **argv)
{
    const char *mode = argc == 4 ? argv[1] : "";
    const char *directory = getenv("TMPDIR");

    self = argv[0];
    if (strcmp(mode, "serve") == 0)
        return serve(argv[2], argv[3]);
    if (strcmp(mode, "produce") == 0)
        return produce(argv[2], strtoull(argv[3], NULL, 10));
    if (strcmp(mode, "check") == 0)
        return check_in(directory != NULL ? directory : "/tmp",
                        strtoll(argv[2], NULL, 10),
                        (int)strtol(argv[3], NULL, 10));
    fputs("usage: collector serve NAME FILE | produce NAME ID |"
          " check SECONDS PRODUCERS\n",
          stderr);
    return 2;
}
