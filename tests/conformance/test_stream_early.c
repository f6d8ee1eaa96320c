/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bells that come ahead of the answer, between two ends that sleep: when they
 * are rung, and that no wake-up is lost by them. The sleeps of the first cases
 * are made by hand, so that each bell can be counted; the others converse with
 * delays that fall on either side of the other end's wake-up, and a lost one
 * is seen by the deadline of its wait.
 */
#include "ends.h"

#include <poll.h>
#include <sched.h>
#include <windpipe.h>

#include "core/stream.h"
#include "os/os.h"
#include "transport/native.h"

/* A core that this machine does not have. */
#define ELSEWHERE 100000u

/* Rounds until a bell is rung early, at the most. */
#define ROUNDS_TO_BEGIN 8

/* ---- sleeps by hand ------------------------------------------------------ */

static struct wpipe__native *native(const wpipe_stream *stream)
{
    return wpipe__native(stream->link);
}

/* Say that it sleeps, on the core that is told. 0: the one we are on. */
static void fall_asleep(const wpipe_stream *stream, unsigned mask,
                        uint32_t core)
{
    struct wpipe__link *link = stream->link;

    wpipe__mutex_lock(&link->lock);
    link->transport->arm(link, mask);
    wpipe__mutex_unlock(&link->lock);
    if (core != 0)
        atomic_store(&native(stream)->mine->core, core);
}

static void wake_up(const wpipe_stream *stream)
{
    stream->link->transport->woke(stream->link);
}

/* Bells that have come since the last call. */
static unsigned bells(const wpipe_stream *stream)
{
    struct wpipe__native *n = native(stream);
    uint64_t before = n->bells;

    assert_true(stream->link->transport->pump(stream->link) >= 0);
    return (unsigned)(n->bells - before);
}

/* a asks and sleeps on `core`; b, which slept, wakes. How often that rang. */
static unsigned ask(const struct ends *ends, unsigned mask, uint32_t core)
{
    fall_asleep(ends->b, WPIPE__WANT_DATA, 0);
    ends_write(ends->a, "question");
    assert_int_equal(bells(ends->b), 1);
    (void)bells(ends->a);
    fall_asleep(ends->a, mask, core);
    wake_up(ends->b);
    return bells(ends->a);
}

/* b answers, and a takes it. How often that rang. */
static unsigned answer(const struct ends *ends)
{
    unsigned rung;

    ends_expect(ends->b, "question");
    ends_write(ends->b, "answer");
    rung = bells(ends->a);
    fall_asleep(ends->a, 0, 0);
    ends_expect(ends->a, "answer");
    return rung;
}

/* Go on until b rings early; that was done when this returns. */
static void begin(const struct ends *ends)
{
    unsigned rounds = 0;

    while (ask(ends, WPIPE__WANT_DATA, ELSEWHERE) == 0) {
        assert_int_equal(answer(ends), 1);
        rounds++;
    }
    assert_in_range(rounds, WPIPE__EARLY_TALK, ROUNDS_TO_BEGIN);
}

/* Rounds that do not ring early, before one that does. */
static unsigned rounds_left_out(const struct ends *ends)
{
    unsigned rounds = 0;

    while (ask(ends, WPIPE__WANT_DATA, ELSEWHERE) == 0) {
        assert_int_equal(answer(ends), 1);
        rounds++;
    }
    return rounds;
}

static void answer_rings_no_more_after_an_early_bell(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    begin(&ends);
    assert_int_equal(answer(&ends), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ask(&ends, WPIPE__WANT_DATA, ELSEWHERE), 1);
        assert_int_equal(answer(&ends), 0);
    }
    ends_close(&ends);
}

/* It woke, found nothing and sleeps again: it is woken for the answer, and was
 * woken in vain. */
static void answer_rings_for_who_slept_again(void **state)
{
    struct ends ends;
    char byte;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    begin(&ends);
    for (unsigned out = WPIPE__EARLY_LEAST; out <= 64; out *= 4) {
        assert_int_equal(wpipe_read(ends.a, &byte, 1, 0), WPIPE_ETIMEDOUT);
        fall_asleep(ends.a, WPIPE__WANT_DATA, ELSEWHERE);
        assert_int_equal(answer(&ends), 1);
        assert_int_equal(rounds_left_out(&ends), out);
    }
    assert_int_equal(answer(&ends), 0);
    ends_close(&ends);
}

static void unanswered_bell_was_in_vain(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    begin(&ends);
    ends_expect(ends.b, "question");
    assert_int_equal(ask(&ends, WPIPE__WANT_DATA, ELSEWHERE), 0);
    assert_int_equal(answer(&ends), 1);
    /* and a conversation is to be one again */
    assert_in_range(rounds_left_out(&ends), WPIPE__EARLY_LEAST,
                    WPIPE__EARLY_LEAST + ROUNDS_TO_BEGIN);
    ends_close(&ends);
}

/* Else two ends that both sleep would wake each other for ever. */
static void nobody_is_rung_for_nothing(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    begin(&ends);
    assert_int_equal(answer(&ends), 0);
    fall_asleep(ends.b, WPIPE__WANT_DATA, 0);
    fall_asleep(ends.a, WPIPE__WANT_DATA, ELSEWHERE);
    wake_up(ends.b);
    assert_int_equal(bells(ends.a), 0);
    ends_close(&ends);
}

static void nobody_is_rung_early_on_our_core(void **state)
{
    struct ends ends;
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)wpipe__os_core(), &set);
    assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
    ends_open(&ends, *state, WPIPE_MESSAGE);
    begin(&ends);
    assert_int_equal(answer(&ends), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ask(&ends, WPIPE__WANT_DATA, 0), 0);
        assert_int_equal(answer(&ends), 1);
    }
    ends_close(&ends);
}

static void nobody_is_rung_early_by_who_only_reads(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(ask(&ends, WPIPE__WANT_DATA, ELSEWHERE), 0);
        ends_expect(ends.b, "question");
    }
    ends_close(&ends);
}

/* The early bell is for data, and uses up a sleep for room as well. */
static void sleeper_for_room_is_rung_again(void **state)
{
    const unsigned both = WPIPE__WANT_DATA | WPIPE__WANT_ROOM;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    begin(&ends);
    assert_int_equal(answer(&ends), 0);
    assert_int_equal(ask(&ends, both, ELSEWHERE), 1);
    fall_asleep(ends.a, both, ELSEWHERE);
    ends_expect(ends.b, "question"); /* which makes room */
    assert_int_equal(bells(ends.a), 1);
    fall_asleep(ends.a, both, ELSEWHERE);
    ends_write(ends.b, "answer");
    assert_int_equal(bells(ends.a), 1);
    ends_close(&ends);
}

/* A foreign event loop is told twice, too. */
static void descriptor_tells_of_the_answer(void **state)
{
    struct pollfd fd = { .events = POLLIN };
    struct ends ends;
    char byte;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    begin(&ends);
    assert_int_equal(answer(&ends), 0);
    fd.fd = (int)wpipe_stream_fd(ends.a);
    fall_asleep(ends.b, WPIPE__WANT_DATA, 0);
    ends_write(ends.a, "question");
    assert_int_equal(poll(&fd, 1, 0), 0);
    atomic_store(&native(ends.a)->mine->core, ELSEWHERE);
    wake_up(ends.b);
    assert_int_equal(poll(&fd, 1, 0), 1); /* early */
    assert_int_equal(wpipe_read(ends.a, &byte, 1, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(poll(&fd, 1, 0), 0);
    ends_expect(ends.b, "question");
    ends_write(ends.b, "answer");
    assert_int_equal(poll(&fd, 1, 0), 1);
    ends_expect(ends.a, "answer");
    ends_close(&ends);
}

/* ---- naps ---------------------------------------------------------------- */

struct reader {
    struct ends_thread thread;
    wpipe_stream *stream;
    int64_t got;
};

static void read_once(void *argument)
{
    struct reader *reader = argument;
    char bytes[16];

    reader->got =
        wpipe_read(reader->stream, bytes, sizeof(bytes), WPIPE_FOREVER);
}

/* After some rounds a thread reads at a, and sleeps. */
static void start_napping(const struct ends *ends, struct reader *reader)
{
    begin(ends);
    assert_int_equal(answer(ends), 0);
    (void)ask(ends, WPIPE__WANT_DATA, ELSEWHERE);
    (void)answer(ends);
    ends_write(ends->a, "question"); /* else it were the end of the talk */
    ends_expect(ends->b, "question");
    fall_asleep(ends->b, 0, ELSEWHERE);
    (void)bells(ends->a);
    *reader = (struct reader){ .stream = ends->a };
    ends_start(&reader->thread, read_once, reader);
    ends_wait_asleep(&reader->thread);
}

/* How it ended; it napped at least at first. */
static int64_t join_napping(const struct ends *ends, struct reader *reader)
{
    ends_join(&reader->thread);
    assert_int_equal(native(ends->a)->nap, 1);
    return reader->got;
}

static void nap_ends_with_what_comes(void **state)
{
    struct reader reader;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    start_napping(&ends, &reader);
    ends_write(ends.b, "unasked");
    assert_int_equal(join_napping(&ends, &reader), 7);
    ends_close(&ends);
}

/* The other thread only has to wait until a nap is over by itself. */
static void nap_ends_for_another_thread(void **state)
{
    struct reader reader;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    start_napping(&ends, &reader);
    wpipe_stream_wake(ends.a);
    assert_int_equal(join_napping(&ends, &reader), WPIPE_EWOKEN);
    ends_close(&ends);
}

static void nap_ends_with_the_peer(void **state)
{
    struct reader reader;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    start_napping(&ends, &reader);
    ends_close_b(&ends);
    assert_int_equal(join_napping(&ends, &reader), WPIPE_EOF);
    ends_close(&ends);
}

/* The descriptor of a ring that grows comes to one who naps. */
static void nap_takes_a_larger_ring(void **state)
{
    static uint8_t rest[3000];
    struct reader reader;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    start_napping(&ends, &reader);
    ends_write_pattern(ends.b, 3000, 1);
    assert_int_equal(join_napping(&ends, &reader), 16);
    assert_int_equal(wpipe_read(ends.a, rest, sizeof rest, SUPPORT_WAIT_MS),
                     3000 - 16);
    ends_write_pattern(ends.b, 2000, 2);
    ends_read_pattern(ends.a, 2000, 2);
    ends_close(&ends);
}

/* Who naps is not overtaken on the socket: both find what is theirs. */
static void nap_leaves_writers_alone(void **state)
{
    struct reader reader;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    start_napping(&ends, &reader);
    for (int i = 0; i < 1500; i++) { /* asks the socket now and then */
        ends_write(ends.a, "w");
        ends_expect(ends.b, "w");
    }
    ends_write(ends.b, "unasked");
    assert_int_equal(join_napping(&ends, &reader), 7);
    ends_close(&ends);
}

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
    struct wpipe__mutex lock;
    struct wpipe__condition changed;
    struct question questions[QUESTIONS];
    uint32_t heard;
};

static void answer_thread(void *argument)
{
    struct desk *desk = argument;

    for (uint32_t i = 0; i < QUESTIONS; i++) {
        wpipe__mutex_lock(&desk->lock);
        while (desk->heard <= i)
            assert_int_equal(
                wpipe__condition_wait(&desk->changed, &desk->lock,
                                      wpipe__os_deadline(SUPPORT_WAIT_MS)),
                0);
        wpipe__mutex_unlock(&desk->lock);
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
    assert_int_equal(wpipe__mutex_init(&desk.lock), 0);
    assert_int_equal(wpipe__condition_init(&desk.changed), 0);
    ends_start(&answerer, answer_thread, &desk);
    ends_start(&asker, ask_thread, ends.a);
    sit(1);
    for (uint32_t i = 0; i < QUESTIONS; i++) {
        hear(ends.b, &q);
        wpipe__mutex_lock(&desk.lock);
        desk.questions[desk.heard++] = q;
        wpipe__condition_wake_all(&desk.changed);
        wpipe__mutex_unlock(&desk.lock);
    }
    ends_join(&asker);
    ends_join(&answerer);
    wpipe__condition_done(&desk.changed);
    wpipe__mutex_done(&desk.lock);
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
    EACH_OF(answer_rings_no_more_after_an_early_bell, ENDS_SHARED),
    EACH_OF(answer_rings_for_who_slept_again, ENDS_SHARED),
    EACH_OF(unanswered_bell_was_in_vain, ENDS_SHARED),
    EACH_OF(nobody_is_rung_for_nothing, ENDS_SHARED),
    EACH_OF(nobody_is_rung_early_on_our_core, ENDS_SHARED),
    EACH_OF(nobody_is_rung_early_by_who_only_reads, ENDS_SHARED),
    EACH_OF(sleeper_for_room_is_rung_again, ENDS_SHARED),
    EACH_OF(descriptor_tells_of_the_answer, ENDS_SHARED),
    EACH_OF(nap_ends_with_what_comes, ENDS_SHARED),
    EACH_OF(nap_takes_a_larger_ring, ENDS_SHARED),
    EACH_OF(nap_ends_for_another_thread, ENDS_SHARED),
    EACH_OF(nap_ends_with_the_peer, ENDS_SHARED),
    EACH_OF(nap_leaves_writers_alone, ENDS_SHARED),
    EACH_SLOW(conversation_never_stalls,
              ENDS_SHARED | ENDS_SWITCHING | ENDS_ONE_MAPPING),
    EACH_SLOW(answers_of_another_thread_never_stall,
              ENDS_SHARED | ENDS_ONE_MAPPING),
    EACH_SLOW(server_never_stalls, ENDS_ONCE),
};

ENDS_MAIN(cases)
