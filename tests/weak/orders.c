/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends of a connection in one process, a thread or two each, on the
 * machine of machine.h: what one end wrote is what the other reads, whatever is
 * seen late. tools/check-atomics weakens the orders in the library one at a
 * time, and one of these cases fails: by a data race, wrong bytes, a wrong end,
 * or a wait that nobody ends.
 *
 * Usage: orders [CASE...]
 */
#include <windpipe.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine.h"

#define PATIENCE_MS 10000
#define MESSAGE_MAX 400

static _Noreturn void fail(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    _exit(1);
}

static void want(int64_t got, int64_t wanted, const char *what)
{
    if (got != wanted)
        fail("%s: %lld instead of %lld", what, (long long)got,
             (long long)wanted);
}

/* ---- two ends ------------------------------------------------------------ */

struct pair {
    wpipe_stream *a;
    wpipe_stream *b;
};

static wpipe_listener *listener;

static wpipe_options options_of(int shared, int spin_us, uint32_t ring)
{
    wpipe_options o = { .size = sizeof o,
                        .type = WPIPE_MESSAGE,
                        .shared_memory = shared,
                        .spin_us = spin_us,
                        .buffer_in = ring,
                        .buffer_out = ring };

    return o;
}

/* `type`: how the one that connects reads. */
static void join(struct pair *p, const wpipe_options *options, int type)
{
    wpipe_options o = *options;
    char name[64];

    snprintf(name, sizeof name, "weak-%ld", (long)getpid());
    want(wpipe_listen(&listener, name, &o), 0, "listen");
    o.type = type;
    o.flags |= WPIPE_CONNECT_EARLY;
    want(wpipe_connect(&p->a, name, &o, PATIENCE_MS), 0, "connect");
    want(wpipe_accept(listener, &p->b, PATIENCE_MS), 0, "accept");
    wpipe_listener_close(listener);
}

static void part(struct pair *p)
{
    wpipe_stream_close(p->a);
    wpipe_stream_close(p->b);
}

/* ---- messages ------------------------------------------------------------ */

static size_t size_of(unsigned i)
{
    return 1 + i * 37 % MESSAGE_MAX;
}

static void say(wpipe_stream *s, unsigned i)
{
    char text[MESSAGE_MAX];

    memset(text, (int)(i % 251), size_of(i));
    want(wpipe_write(s, text, size_of(i), PATIENCE_MS), (int64_t)size_of(i),
         "write");
}

/* At once or in parts, as from a stream of bytes. */
static void hear(wpipe_stream *s, unsigned i)
{
    char text[MESSAGE_MAX];
    size_t at = 0;

    while (at < size_of(i)) {
        int64_t n = wpipe_read(s, text + at, size_of(i) - at, PATIENCE_MS);

        if (n <= 0)
            want(n, (int64_t)size_of(i), "read");
        at += (size_t)n;
    }
    for (at = 0; at < size_of(i); at++)
        want((unsigned char)text[at], i % 251, "a byte");
}

struct task {
    wpipe_stream *stream;
    unsigned count;
    unsigned pause_every; /* writes in a row */
    pthread_t thread;
};

static void *say_all(void *argument)
{
    struct task *t = argument;

    for (unsigned i = 0; i < t->count; i++) {
        say(t->stream, i);
        if (t->pause_every && i % t->pause_every == t->pause_every - 1)
            usleep(300);
    }
    return NULL;
}

static void *hear_all(void *argument)
{
    struct task *t = argument;

    for (unsigned i = 0; i < t->count; i++)
        hear(t->stream, i);
    return NULL;
}

static void start(struct task *t, void *(*run)(void *))
{
    want(pthread_create(&t->thread, NULL, run, t), 0, "pthread_create");
}

static void finish(struct task *t)
{
    want(pthread_join(t->thread, NULL), 0, "pthread_join");
}

/* ---- cases --------------------------------------------------------------- */

/* One way through a small ring: bytes are there before their index, and are not
 * overwritten before they were read. */
static void flow(int spin_us)
{
    wpipe_options o = options_of(WPIPE_SHARED_REQUIRED, spin_us, 4096);
    struct pair p;
    struct task writer = { .count = 300 };
    struct task reader = writer;

    join(&p, &o, WPIPE_MESSAGE);
    writer.stream = p.a;
    reader.stream = p.b;
    start(&writer, say_all);
    start(&reader, hear_all);
    finish(&writer);
    finish(&reader);
    want(wpipe_drain(p.a, PATIENCE_MS), 0, "drain");
    part(&p);
}

static void flow_awake(void)
{
    flow(10000);
}

static void flow_asleep(void)
{
    flow(WPIPE_SPIN_OFF);
}

/* Many short bursts to a reader that sleeps. */
static void bursts(void)
{
    wpipe_options o = options_of(WPIPE_SHARED_REQUIRED, WPIPE_SPIN_OFF, 65536);
    struct pair p;
    struct task writer = { .count = 300, .pause_every = 30 };
    struct task reader = writer;

    join(&p, &o, WPIPE_MESSAGE);
    writer.stream = p.a;
    reader.stream = p.b;
    start(&writer, say_all);
    start(&reader, hear_all);
    finish(&writer);
    finish(&reader);
    part(&p);
}

/* A reader and a writer at each end, from the first byte, so that the move
 * to shared memory and into larger rings happens among them. */
static void both_ways_at(int shared, int spin_us)
{
    wpipe_options o = options_of(shared, spin_us, 16384);
    struct pair p;
    struct task tasks[4] = {
        { .count = 120 }, { .count = 120 }, { .count = 120 }, { .count = 120 }
    };

    join(&p, &o, WPIPE_MESSAGE);
    tasks[0].stream = tasks[1].stream = p.a;
    tasks[2].stream = tasks[3].stream = p.b;
    for (int i = 0; i < 4; i++)
        start(&tasks[i], i % 2 ? hear_all : say_all);
    for (int i = 0; i < 4; i++)
        finish(&tasks[i]);
    part(&p);
}

static void both_ways(void)
{
    for (int i = 0; i < 6; i++)
        both_ways_at(i % 2 ? WPIPE_SHARED_AUTO : WPIPE_SHARED_NOW,
                     i % 3 ? 2000 : WPIPE_SPIN_OFF);
}

/* Question and answer between two that sleep. */
static void *answer_all(void *argument)
{
    struct task *t = argument;

    for (unsigned i = 0; i < t->count; i++) {
        hear(t->stream, i);
        say(t->stream, i);
    }
    return NULL;
}

static void conversation(void)
{
    wpipe_options o = options_of(WPIPE_SHARED_REQUIRED, WPIPE_SPIN_OFF, 4096);
    struct pair p;
    struct task other = { .count = 300 };

    join(&p, &o, WPIPE_MESSAGE);
    other.stream = p.b;
    start(&other, answer_all);
    for (unsigned i = 0; i < other.count; i++) {
        say(p.a, i);
        hear(p.a, i);
    }
    finish(&other);
    part(&p);
}

/* Some messages and a close, while the other end reads: it gets all of them,
 * and then the end. */
static void *say_and_close(void *argument)
{
    struct task *t = argument;

    (void)say_all(t);
    wpipe_stream_close(t->stream);
    return NULL;
}

static void closes(void)
{
    for (unsigned round = 0; round < 30; round++) {
        wpipe_options o = options_of(WPIPE_SHARED_REQUIRED, 2000, 4096);
        struct pair p;
        struct task writer = { .count = round % 6 * 8 };
        char byte;

        join(&p, &o, WPIPE_MESSAGE);
        /* both are in shared memory after this */
        say(p.a, 0);
        hear(p.b, 0);
        say(p.b, 0);
        hear(p.a, 0);
        writer.stream = p.a;
        start(&writer, say_and_close);
        for (unsigned i = 0; i < writer.count; i++)
            hear(p.b, i);
        want(wpipe_read(p.b, &byte, 1, PATIENCE_MS), WPIPE_EOF, "the end");
        finish(&writer);
        wpipe_stream_close(p.b);
    }
}

/* A close while two threads are at the other end: whoever writes there is told
 * of a close, not of a death. */
static void *say_until_closed(void *argument)
{
    struct task *t = argument;
    int64_t r;

    while ((r = wpipe_write(t->stream, "more", 4, PATIENCE_MS)) == 4)
        ;
    want(r, WPIPE_EPIPE, "write to who has closed");
    return NULL;
}

static void *hear_until_closed(void *argument)
{
    struct task *t = argument;
    char text[MESSAGE_MAX];
    int64_t r;

    while ((r = wpipe_read(t->stream, text, sizeof text, PATIENCE_MS)) > 0)
        ;
    want(r, WPIPE_EOF, "the end");
    return NULL;
}

static void closes_on_two(void)
{
    for (unsigned round = 0; round < 30; round++) {
        wpipe_options o = options_of(
            round % 2 ? WPIPE_SHARED_NOW : WPIPE_SHARED_NEVER, 2000, 4096);
        struct pair p;
        struct task writer = { .count = 0 };
        struct task reader = { .count = 0 };

        join(&p, &o, WPIPE_MESSAGE);
        writer.stream = reader.stream = p.b;
        start(&writer, say_until_closed);
        start(&reader, hear_until_closed);
        for (unsigned i = 0; i < round % 40; i++) {
            char text[4];

            say(p.a, i);
            want(wpipe_read(p.a, text, 4, PATIENCE_MS), 4, "read");
        }
        wpipe_stream_close(p.a);
        finish(&writer);
        finish(&reader);
        wpipe_stream_close(p.b);
    }
}

/* One that writes before it knows what the pipe carries, and another one that
 * is told. */
static void *say_early(void *argument)
{
    struct task *t = argument;
    static const char text[9000]; /* of several records */

    usleep(t->count * 20);
    want(wpipe_write(t->stream, text, sizeof text, PATIENCE_MS), sizeof text,
         "write");
    return NULL;
}

static void early(void)
{
    for (unsigned round = 0; round < 40; round++) {
        wpipe_options o = options_of(WPIPE_SHARED_AUTO, 2000, 4096);
        struct pair p;
        struct task writer = { .count = round };
        struct task reader = { .count = 3 };
        char text[9000];

        join(&p, &o, WPIPE_BYTE);
        writer.stream = reader.stream = p.a;
        start(&reader, hear_all);
        start(&writer, say_early);
        for (unsigned i = 0; i < 3; i++)
            say(p.b, i);
        want(wpipe_read(p.b, text, sizeof text, PATIENCE_MS), sizeof text,
             "read");
        finish(&writer);
        finish(&reader);
        part(&p);
    }
}

/* What is drained was partly framed, and who reads it is about to move. */
static void drains_at_the_move(void)
{
    for (unsigned round = 0; round < 30; round++) {
        wpipe_options o = options_of(WPIPE_SHARED_AUTO, WPIPE_SPIN_OFF, 4096);
        struct pair p;
        struct task reader = { .count = 1 + round % 24 };

        join(&p, &o, WPIPE_MESSAGE);
        reader.stream = p.b;
        start(&reader, hear_all);
        for (unsigned i = 0; i < reader.count; i++)
            say(p.a, i);
        want(wpipe_drain(p.a, PATIENCE_MS), 0, "drain");
        finish(&reader);
        part(&p);
    }
}

/* A drain ends when all was read, not before. */
static void *hear_slowly(void *argument)
{
    struct task *t = argument;

    for (unsigned i = 0; i < t->count; i++) {
        hear(t->stream, i % 10);
        if (i % 10 == 9)
            say(t->stream, i);
    }
    return NULL;
}

static void drains(void)
{
    wpipe_options o = options_of(WPIPE_SHARED_REQUIRED, WPIPE_SPIN_OFF, 4096);
    struct pair p;
    struct task reader = { .count = 400 };

    join(&p, &o, WPIPE_MESSAGE);
    reader.stream = p.b;
    start(&reader, hear_slowly);
    for (unsigned i = 0; i < reader.count; i++) {
        say(p.a, i % 10);
        if (i % 10 != 9)
            continue;
        want(wpipe_drain(p.a, PATIENCE_MS), 0, "drain");
        hear(p.a, i);
    }
    finish(&reader);
    part(&p);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    { "flow_awake", flow_awake },
    { "flow_asleep", flow_asleep },
    { "bursts", bursts },
    { "both_ways", both_ways },
    { "conversation", conversation },
    { "closes", closes },
    { "closes_on_two", closes_on_two },
    { "early", early },
    { "drains", drains },
    { "drains_at_the_move", drains_at_the_move },
};

static int run(int count, char **names)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int asked = count == 1;

        for (int k = 1; k < count; k++)
            asked |= strcmp(names[k], cases[i].name) == 0;
        if (!asked)
            continue;
        fprintf(stderr, "%s\n", cases[i].name);
        cases[i].run();
    }
    return 0;
}

/* All of them on a system with membarrier, and on one without. */
int main(int count, char **names)
{
    int bad = 0;

    for (weak_no_barrier = 0; weak_no_barrier < 2 && !bad; weak_no_barrier++) {
        pid_t child = fork();

        if (child == 0)
            _exit(run(count, names));
        want(waitpid(child, &bad, 0), child, "waitpid");
    }
    return bad != 0;
}
