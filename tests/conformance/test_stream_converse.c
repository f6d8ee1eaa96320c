/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversations between two ends that sleep, with delays that fall on either
 * side of the other end's wake-up: a lost one is seen by the deadline of its
 * wait.
 */
#include "ends.h"

#include <poll.h>
#include <sched.h>
#include <windpipe.h>

#include "native/native.h"
#include "os/os.h"
#include "stream/stream.h"

/* ---- conversations ------------------------------------------------------- */

#define QUESTIONS 3000

/* What a question asks for. */
enum {
    ANSWER = 0,
    NO_ANSWER = 1,
    TWO_ANSWERS = 2,
    KINDS = 3
};

struct question {
    uint32_t number;
    uint32_t kind;
    uint64_t delay_ns; /* between question and answer, or the answers */
};

static void take_time(uint64_t ns)
{
    uint64_t end = wpipe__os_now() + ns;

    while (ns > 0 && wpipe__os_now() < end)
        wpipe__os_pause();
}

/* Onto a core of one's own, where there are two: else nothing is early. */
static void sit(size_t seat)
{
    cpu_set_t all;
    cpu_set_t one;

    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &all) || seat-- > 0)
            continue;
        CPU_SET(i, &one);
        assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
        return;
    }
}

static void say(wpipe_stream *stream, const struct question *q)
{
    assert_int_equal(wpipe_write(stream, q, sizeof(*q), SUPPORT_WAIT_MS),
                     sizeof(*q));
}

static void hear(wpipe_stream *stream, struct question *q)
{
    assert_int_equal(wpipe_read(stream, q, sizeof(*q), SUPPORT_WAIT_MS),
                     sizeof(*q));
}

static void give_answers(wpipe_stream *stream, const struct question *q)
{
    if (q->kind == NO_ANSWER)
        return;
    if (q->kind == TWO_ANSWERS)
        say(stream, q);
    take_time(q->delay_ns);
    say(stream, q);
}

/* Mostly answers at once, as in a conversation where it pays; often enough
 * one that comes about when the other end has woken up. */
static struct question think_of(uint32_t number, uint64_t *random)
{
    struct question q = { .number = number };
    uint64_t r = ends_random(random);

    if (r % 8 == 0)
        q.kind = (uint32_t)(r / 8 % KINDS);
    if (r % 4 == 0)
        q.delay_ns = r / 64 % 60000;
    return q;
}

static void ask_all(wpipe_stream *stream)
{
    uint64_t random = 11;
    struct question got;

    for (uint32_t i = 0; i < QUESTIONS; i++) {
        struct question q = think_of(i, &random);
        int left = q.kind == NO_ANSWER ? 0 : q.kind == TWO_ANSWERS ? 2 : 1;

        say(stream, &q);
        for (; left > 0; left--) {
            hear(stream, &got);
            assert_int_equal(got.number, i);
        }
        if (i % 16 == 0) /* it sleeps before we ask again */
            take_time(ends_random(&random) % 100000);
    }
}

static void ask_thread(void *argument)
{
    sit(0);
    ask_all(argument);
}

static void open_asleep(struct ends *ends, const struct ends_kind *kind)
{
    struct ends_setup setup;

    ends_setup_init(&setup, kind, WPIPE_MESSAGE);
    setup.client.spin_us = WPIPE_SPIN_OFF;
    setup.server.spin_us = WPIPE_SPIN_OFF;
    ends_open_setup(ends, &setup);
}

/* After an answer that is not given, the answerer has to hear the next. */
static void conversation_never_stalls(void **state)
{
    struct ends_thread thread;
    struct ends ends;
    struct question q;

    open_asleep(&ends, *state);
    ends_start(&thread, ask_thread, ends.a);
    sit(1);
    for (uint32_t i = 0; i < QUESTIONS; i++) {
        hear(ends.b, &q);
        assert_int_equal(q.number, i);
        give_answers(ends.b, &q);
    }
    ends_join(&thread);
    ends_close(&ends);
}

/* Who reads hands the question to another thread, and sleeps again. */
struct desk {
    wpipe_stream *stream;
    struct question questions[QUESTIONS];
    _Atomic uint32_t heard;
};

static void answer_thread(void *argument)
{
    struct desk *desk = argument;

    for (uint32_t i = 0; i < QUESTIONS; i++) {
        while (atomic_load(&desk->heard) <= i)
            assert_int_equal(
                wpipe__os_word_wait(&desk->heard, i,
                                    wpipe__os_deadline(SUPPORT_WAIT_MS)),
                0);
        give_answers(desk->stream, &desk->questions[i]);
    }
}

static void answers_of_another_thread_never_stall(void **state)
{
    static struct desk desk;
    struct ends_thread asker;
    struct ends_thread answerer;
    struct ends ends;
    struct question q;

    open_asleep(&ends, *state);
    desk.stream = ends.b;
    desk.heard = 0;
    ends_start(&answerer, answer_thread, &desk);
    ends_start(&asker, ask_thread, ends.a);
    sit(1);
    for (uint32_t i = 0; i < QUESTIONS; i++) {
        hear(ends.b, &q);
        desk.questions[i] = q;
        atomic_store(&desk.heard, i + 1);
        wpipe__os_word_wake(&desk.heard);
    }
    ends_join(&asker);
    ends_join(&answerer);
    ends_close(&ends);
}

/* The same of a server, which sleeps in its poller. */
static void serve_thread(void *argument)
{
    wpipe_server *server = argument;
    wpipe_event e;
    struct question q;

    sit(1);
    for (;;) {
        assert_int_equal(wpipe_server_wait(server, &e, SUPPORT_WAIT_MS), 1);
        if (e.type == WPIPE_EVENT_DISCONNECTED)
            return;
        if (e.type != WPIPE_EVENT_MESSAGE)
            continue;
        assert_int_equal(e.size, sizeof(q));
        memcpy(&q, e.data, sizeof(q));
        if (q.kind == TWO_ANSWERS)
            assert_int_equal(wpipe_server_send(server, e.from, &q, sizeof(q)),
                             0);
        take_time(q.delay_ns);
        if (q.kind != NO_ANSWER)
            assert_int_equal(wpipe_server_send(server, e.from, &q, sizeof(q)),
                             0);
    }
}

static void server_never_stalls(void **state)
{
    wpipe_options options = { .size = sizeof(options),
                              .spin_us = WPIPE_SPIN_OFF };
    struct ends_thread thread;
    wpipe_server *server = NULL;
    wpipe_stream *stream = NULL;

    (void)state;
    assert_int_equal(
        wpipe_server_open(&server, support_unique_name(), &options), 0);
    ends_start(&thread, serve_thread, server);
    options.type = WPIPE_MESSAGE;
    assert_int_equal(wpipe_connect(&stream, wpipe_server_name(server), &options,
                                   SUPPORT_WAIT_MS),
                     0);
    sit(0);
    ask_all(stream);
    wpipe_stream_close(stream);
    ends_join(&thread);
    wpipe_server_close(server);
}

static const struct ends_case cases[] = {
    EACH_SLOW(conversation_never_stalls,
              ENDS_SHARED | ENDS_SWITCHING | ENDS_ONE_MAPPING),
    EACH_SLOW(answers_of_another_thread_never_stall,
              ENDS_SHARED | ENDS_ONE_MAPPING),
    EACH_SLOW(server_never_stalls, ENDS_ONCE),
};

ENDS_MAIN(cases)
