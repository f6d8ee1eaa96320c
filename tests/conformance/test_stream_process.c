/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two processes: one is killed or stopped at any moment, the other one must be
 * told in time, keep what came whole, and burn nothing meanwhile. Then a
 * hammer for lost wake-ups.
 */
#include "ends.h"

#include <time.h>
#include <unistd.h>
#include <windpipe/error.h>

#include "stream/stream.h"

/* The promise: a killed peer is reported in under 100 ms. */
#define TOLD_MS SUPPORT_SOON_MS

/* The way of one case: how the two are connected and who is which. */
struct way {
    const struct ends_kind *kind;
    struct ends_setup setup;
    char name[64];
    wpipe_listener *listener; /* of the case, when it serves */
    wpipe_stream *stream;     /* of the case */
    struct helper helper;
    void (*run)(wpipe_stream *stream, int events); /* in the helper */
    unsigned seed;
};

/* Kinds that are shared are so before the case begins, at both ends. */
static void settle(const struct way *way, wpipe_stream *stream)
{
    if (!(way->kind->set & ENDS_SHARED))
        return;
    while (ends_shared(stream) < 2) {
        assert_true(
            support_wait_readable(stream->link->socket, SUPPORT_WAIT_MS));
        assert_true(stream->link->transport->pump(stream->link) >= 0);
    }
}

static int be_client(int events, void *argument)
{
    struct way *way = argument;
    wpipe_stream *stream = NULL;

    assert_int_equal(
        wpipe_connect(&stream, way->name, &way->setup.client, SUPPORT_WAIT_MS),
        0);
    settle(way, stream);
    way->run(stream, events);
    wpipe_stream_close(stream);
    return 0;
}

static int be_server(int events, void *argument)
{
    struct way *way = argument;
    wpipe_listener *listener = NULL;
    wpipe_stream *stream = NULL;

    assert_int_equal(wpipe_listen(&listener, way->name, &way->setup.server), 0);
    event_send(events, 1);
    assert_int_equal(wpipe_accept(listener, &stream, SUPPORT_WAIT_MS), 0);
    wpipe_listener_close(listener);
    settle(way, stream);
    way->run(stream, events);
    wpipe_stream_close(stream);
    return 0;
}

/* Connects to a helper that does `run` on its end. In half of the kinds the
 * case's end is the server's. */
static void way_open(struct way *way,
                     void (*run)(wpipe_stream *stream, int events))
{
    int serve = way->setup.a_is_server;

    snprintf(way->name, sizeof way->name, "%s", support_unique_name());
    way->run = run;
    if (serve)
        assert_int_equal(
            wpipe_listen(&way->listener, way->name, &way->setup.server), 0);
    helper_start(&way->helper, serve ? be_client : be_server, way);
    if (serve) {
        assert_int_equal(
            wpipe_accept(way->listener, &way->stream, SUPPORT_WAIT_MS), 0);
        wpipe_listener_close(way->listener);
        settle(way, way->stream);
        return;
    }
    event_expect(way->helper.fd, 1);
    assert_int_equal(wpipe_connect(&way->stream, way->name, &way->setup.client,
                                   SUPPORT_WAIT_MS),
                     0);
    settle(way, way->stream);
}

static void way_init(struct way *way, const struct ends_kind *kind)
{
    memset(way, 0, sizeof *way);
    way->kind = kind;
    ends_setup_init(&way->setup, kind, WPIPE_MESSAGE);
}

/* A killed server leaves its door; nothing else may stay. */
static void way_kill(struct way *way)
{
    support_allow_left(way->name);
    support_allow_left("*");
    helper_kill(&way->helper);
}

/* ---- killed ------------------------------------------------------------- */

/* Sizes that need one record, several, and more than the ring. */
static size_t size_of(uint32_t i)
{
    static const size_t sizes[] = { 8, 100, 900, 5000, 20000, 300000 };

    return sizes[i % 6];
}

/* Message after message, each of which tells its number. */
static void write_until_killed(wpipe_stream *stream, int events)
{
    (void)events;
    for (uint32_t i = 0;; i++)
        ends_write_pattern(stream, size_of(i), i);
}

static void read_until_killed(wpipe_stream *stream, int events)
{
    (void)events;
    for (uint32_t i = 0;; i++)
        ends_read_pattern(stream, size_of(i), i);
}

static void do_nothing(wpipe_stream *stream, int events)
{
    char byte;

    event_send(events, 2);
    (void)event_wait(events);
    (void)wpipe_read(stream, &byte, 1, WPIPE_FOREVER);
}

struct killing {
    struct way *way;
    int64_t after_ns;
    int64_t killed_at; /* ms */
};

static void kill_after_a_while(void *argument)
{
    struct killing *k = argument;
    struct timespec pause = { 0, k->after_ns };

    nanosleep(&pause, NULL);
    helper_kill(&k->way->helper);
    __atomic_store_n(&k->killed_at, support_now_ms(), __ATOMIC_RELEASE);
}

static void told_in_time(const struct killing *k)
{
    int64_t late =
        support_now_ms() - __atomic_load_n(&k->killed_at, __ATOMIC_ACQUIRE);

    if (late > TOLD_MS)
        fail_msg("told %lld ms after the kill", (long long)late);
}

/* Whole messages only, in order, then WPIPE_EDIED. */
static void killed_writer_leaves_whole_messages(void **state)
{
    static uint8_t buf[300000];
    uint64_t random = 17;

    support_allow_left("*");
    for (int round = 0; round < 12; round++) {
        struct killing k = { .killed_at = 0 };
        struct ends_thread thread;
        struct way way;
        uint32_t next = 0;
        int64_t r;

        way_init(&way, *state);
        way_open(&way, write_until_killed);
        k.way = &way;
        k.after_ns = (int64_t)(ends_random(&random) % 8000000);
        ends_start(&thread, kill_after_a_while, &k);
        while ((r = wpipe_read(way.stream, buf, sizeof buf, SUPPORT_WAIT_MS)) >=
               0) {
            assert_int_equal(r, size_of(next));
            assert_int_equal(wpipe_stream_message_complete(way.stream), 1);
            ends_check(buf, (size_t)r, next++);
        }
        ends_join(&thread);
        told_in_time(&k);
        assert_int_equal(r, WPIPE_EDIED);
        ends_expect_end(way.stream, WPIPE_EDIED);
        assert_int_equal(wpipe_write(way.stream, "x", 1, 0), WPIPE_EDIED);
        wpipe_stream_close(way.stream);
    }
}

static void killed_reader_ends_writer(void **state)
{
    static uint8_t buf[300000];
    uint64_t random = 23;

    support_allow_left("*");
    for (int round = 0; round < 12; round++) {
        struct killing k = { .killed_at = 0 };
        struct ends_thread thread;
        struct way way;
        uint32_t next = 0;
        int64_t r;

        way_init(&way, *state);
        way_open(&way, read_until_killed);
        k.way = &way;
        k.after_ns = (int64_t)(ends_random(&random) % 8000000);
        ends_start(&thread, kill_after_a_while, &k);
        do {
            ends_fill(buf, size_of(next), next);
            r = wpipe_write(way.stream, buf, size_of(next), SUPPORT_WAIT_MS);
            next++;
        } while (r >= 0);
        ends_join(&thread);
        told_in_time(&k);
        assert_int_equal(r, WPIPE_EDIED);
        ends_expect_end(way.stream, WPIPE_EDIED);
        r = wpipe_drain(way.stream, 0); /* it may have read all it got */
        assert_true(r == WPIPE_EDIED || r == 0);
        wpipe_stream_close(way.stream);
    }
}

struct waiting {
    wpipe_stream *stream;
    int64_t result;
};

static void wait_in_read(void *argument)
{
    struct waiting *w = argument;
    char byte;

    w->result = wpipe_read(w->stream, &byte, 1, WPIPE_FOREVER);
}

static void wait_in_drain(void *argument)
{
    struct waiting *w = argument;

    w->result = wpipe_drain(w->stream, WPIPE_FOREVER);
}

/* A sleeping reader and a sleeping drain of one stream are both told. */
static void killed_peer_ends_all_waits(void **state)
{
    struct waiting reader = { .result = 1 };
    struct waiting drainer = { .result = 1 };
    struct ends_thread threads[2];
    struct way way;
    int64_t start;

    way_init(&way, *state);
    way_open(&way, do_nothing);
    event_expect(way.helper.fd, 2);
    ends_write(way.stream, "never read");
    reader.stream = drainer.stream = way.stream;
    ends_start(&threads[0], wait_in_read, &reader);
    ends_start(&threads[1], wait_in_drain, &drainer);
    ends_wait_asleep(&threads[0]);
    ends_wait_asleep(&threads[1]);
    way_kill(&way);
    start = support_now_ms();
    ends_join(&threads[0]);
    ends_join(&threads[1]);
    assert_true(support_now_ms() - start < TOLD_MS);
    assert_int_equal(reader.result, WPIPE_EDIED);
    assert_int_equal(drainer.result, WPIPE_EDIED);
    wpipe_stream_close(way.stream);
}

/* Calls that never wait are told as well. */
static void killed_peer_seen_without_waiting(void **state)
{
    enum {
        CALLS = 5
    };
    static uint8_t bytes[64];

    support_allow_left("*");
    for (int call = 0; call < CALLS; call++) {
        int64_t end;
        int64_t r = 0;
        struct way way;
        void *data;

        way_init(&way, *state);
        way_open(&way, do_nothing);
        event_expect(way.helper.fd, 2);
        helper_kill(&way.helper);
        end = support_now_ms() + TOLD_MS;
        while (r >= 0 || r == WPIPE_ETIMEDOUT) {
            if (support_now_ms() > end)
                fail_msg("call %d is not told", call);
            if (call == 0)
                r = wpipe_read(way.stream, bytes, 1, 0);
            else if (call == 1)
                r = wpipe_peek(way.stream, NULL, 0, NULL, NULL);
            else if (call == 2)
                r = wpipe_write(way.stream, bytes, sizeof bytes, 0);
            else if (call == 3)
                r = wpipe_read(way.stream, NULL, 0, 0);
            else if ((r = wpipe_write_begin(way.stream, 8, &data, 0)) == 0)
                r = wpipe_write_commit(way.stream, 8, 0);
        }
        assert_int_equal(r, WPIPE_EDIED);
        ends_expect_end(way.stream, WPIPE_EDIED);
        wpipe_stream_close(way.stream);
    }
}

static void sleep_in_read(wpipe_stream *stream, int events)
{
    char byte;

    event_send(events, 2);
    (void)wpipe_read(stream, &byte, 1, WPIPE_FOREVER);
}

/* A message that should wake the dead finds out: the write after it fails,
 * though there is room for it, and who polls is told. */
static void killed_sleeper_seen_by_second_write(void **state)
{
    struct way way;
    int64_t r;

    way_init(&way, *state);
    way_open(&way, sleep_in_read);
    event_expect(way.helper.fd, 2);
    support_wait_asleep(way.helper.pid, way.helper.pid);
    way_kill(&way);
    r = wpipe_write(way.stream, "x", 1, 0);
    if (r == 1)
        r = wpipe_write(way.stream, "y", 1, 0);
    assert_int_equal(r, WPIPE_EDIED);
    ends_expect_end(way.stream, WPIPE_EDIED);
    wpipe_stream_close(way.stream);
}

static void killed_peer_makes_fd_readable(void **state)
{
    struct way way;
    int fd;

    way_init(&way, *state);
    way_open(&way, do_nothing);
    event_expect(way.helper.fd, 2);
    fd = (int)wpipe_stream_fd(way.stream);
    assert_true(fd >= 0);
    assert_int_equal(wpipe_read(way.stream, NULL, 0, 0), 0);
    way_kill(&way);
    assert_true(support_wait_readable(fd, TOLD_MS));
    ends_expect_end(way.stream, WPIPE_EDIED);
    assert_true(support_wait_readable(fd, 0));
    wpipe_stream_close(way.stream);
}

/* What it wrote before it died is read first. */
static void write_three_then_wait(wpipe_stream *stream, int events)
{
    ends_write(stream, "one");
    ends_write(stream, "two");
    ends_write(stream, "three");
    do_nothing(stream, events);
}

static void killed_peer_leaves_what_it_wrote(void **state)
{
    struct way way;

    way_init(&way, *state);
    way_open(&way, write_three_then_wait);
    event_expect(way.helper.fd, 2);
    way_kill(&way);
    ends_expect(way.stream, "one");
    ends_expect(way.stream, "two");
    ends_expect(way.stream, "three");
    ends_expect_end(way.stream, WPIPE_EDIED);
    wpipe_stream_close(way.stream);
}

/* .NET row 142: "complete" is set, so that readers of the rest stop */
static void begin_message_then_wait(wpipe_stream *stream, int events)
{
    void *data;

    assert_int_equal(wpipe_write_begin(stream, 8, &data, SUPPORT_WAIT_MS), 0);
    memcpy(data, "01234567", 8);
    assert_int_equal(wpipe_write_commit(stream, 8, 1), 8);
    do_nothing(stream, events);
}

static void killed_in_middle_of_message(void **state)
{
    struct way way;
    char buf[16];

    way_init(&way, *state);
    way_open(&way, begin_message_then_wait);
    event_expect(way.helper.fd, 2);
    assert_int_equal(wpipe_read(way.stream, buf, 4, SUPPORT_WAIT_MS), 4);
    assert_int_equal(wpipe_stream_message_complete(way.stream), 0);
    way_kill(&way);
    assert_int_equal(wpipe_read(way.stream, buf, 16, SUPPORT_WAIT_MS),
                     WPIPE_EDIED);
    assert_int_equal(wpipe_stream_message_complete(way.stream), 1);
    wpipe_stream_close(way.stream);
}

/* ---- stopped ------------------------------------------------------------ */

static int64_t cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void echo_until_eof(wpipe_stream *stream, int events)
{
    static uint8_t buf[70000];
    int64_t r;

    event_send(events, 2);
    while ((r = wpipe_read(stream, buf, sizeof buf, WPIPE_FOREVER)) >= 0)
        assert_int_equal(wpipe_write(stream, buf, (size_t)r, WPIPE_FOREVER), r);
    assert_int_equal(r, WPIPE_EOF);
}

/* A stopped peer is not a dead one: calls end when they were told to. */
static void stopped_peer_costs_deadlines_only(void **state)
{
    static uint8_t bytes[1000];
    unsigned written = 0;
    struct way way;
    int64_t before;
    int64_t start;

    way_init(&way, *state);
    way_open(&way, echo_until_eof);
    event_expect(way.helper.fd, 2);
    helper_stop(&way.helper);
    while (wpipe_write(way.stream, bytes, sizeof bytes, 0) > 0)
        written++;
    before = cpu_ms();
    start = support_now_ms();
    assert_int_equal(wpipe_write(way.stream, bytes, sizeof bytes, 150),
                     WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_drain(way.stream, 150), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_read(way.stream, bytes, 1, 150), WPIPE_ETIMEDOUT);
    assert_true(support_now_ms() - start >= 448);
    assert_true(support_now_ms() - start < SUPPORT_SOON_MS);
    assert_true(cpu_ms() - before < 150 * SUPPORT_LIMIT_FACTOR);
    helper_cont(&way.helper);
    while (written-- > 0)
        assert_int_equal(
            wpipe_read(way.stream, bytes, sizeof bytes, SUPPORT_WAIT_MS),
            sizeof bytes);
    assert_int_equal(wpipe_finish(way.stream), 0);
    ends_expect_end(way.stream, WPIPE_EOF);
    assert_int_equal(helper_join(&way.helper), 0);
    wpipe_stream_close(way.stream);
}

/* Closing never blocks, also not with a stopped peer and a full buffer. */
static void stopped_peer_does_not_hold_close(void **state)
{
    static uint8_t bytes[1000];
    struct way way;
    int64_t start;

    way_init(&way, *state);
    way_open(&way, echo_until_eof);
    event_expect(way.helper.fd, 2);
    helper_stop(&way.helper);
    while (wpipe_write(way.stream, bytes, sizeof bytes, 0) > 0)
        ;
    start = support_now_ms();
    wpipe_stream_close(way.stream);
    assert_true(support_now_ms() - start < 900); /* no lingering */
    way_kill(&way);
}

/* ---- lost wake-ups ------------------------------------------------------ */

enum {
    PINGS = 100000
};

static void pause_a_little(uint64_t *random)
{
    uint64_t r = ends_random(random);
    uint64_t k = r % 8 ? r / 8 % 64 : r / 8 % 20000;

    for (; k > 0; k--)
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void answer_pings(wpipe_stream *stream, int events)
{
    uint64_t random = 77;
    uint32_t got;
    int64_t r;

    (void)events;
    while ((r = wpipe_read(stream, &got, sizeof got, SUPPORT_WAIT_MS)) ==
           sizeof got) {
        pause_a_little(&random);
        assert_int_equal(wpipe_write(stream, &got, sizeof got, SUPPORT_WAIT_MS),
                         sizeof got);
    }
    assert_int_equal(r, WPIPE_EOF);
}

/* A lost wake-up shows as a read that times out. */
static void hammer(const struct ends_kind *kind, int spin_us, uint32_t pings)
{
    uint64_t random = 78;
    struct way way;

    way_init(&way, kind);
    way.setup.client.spin_us = spin_us;
    way.setup.server.spin_us = spin_us;
    way_open(&way, answer_pings);
    for (uint32_t i = 0; i < pings; i++) {
        uint32_t got = 0;

        pause_a_little(&random);
        assert_int_equal(wpipe_write(way.stream, &i, sizeof i, SUPPORT_WAIT_MS),
                         sizeof i);
        if (wpipe_read(way.stream, &got, sizeof got, SUPPORT_WAIT_MS) !=
            sizeof got)
            fail_msg("no answer to ping %u", i);
        assert_int_equal(got, i);
    }
    wpipe_stream_close(way.stream);
    assert_int_equal(helper_join(&way.helper), 0);
}

static void hammer_100000_pings_spinning(void **state)
{
    hammer(*state, 0, PINGS);
}

static void hammer_100000_pings_asleep(void **state)
{
    hammer(*state, WPIPE_SPIN_OFF, PINGS);
}

/* One way, with the reader falling asleep at random moments. */
static void send_with_pauses(wpipe_stream *stream, int events)
{
    uint64_t random = 79;

    (void)events;
    for (uint32_t i = 0; i < PINGS; i++) {
        pause_a_little(&random);
        assert_int_equal(wpipe_write(stream, &i, sizeof i, SUPPORT_WAIT_MS),
                         sizeof i);
    }
    assert_int_equal(wpipe_drain(stream, SUPPORT_WAIT_MS), 0);
}

static void hammer_one_way_with_pauses(void **state)
{
    uint64_t random = 80;
    struct way way;

    way_init(&way, *state);
    way.setup.client.spin_us = WPIPE_SPIN_OFF;
    way.setup.server.spin_us = WPIPE_SPIN_OFF;
    way_open(&way, send_with_pauses);
    for (uint32_t i = 0; i < PINGS; i++) {
        uint32_t got = 0;

        pause_a_little(&random);
        assert_int_equal(
            wpipe_read(way.stream, &got, sizeof got, SUPPORT_WAIT_MS),
            sizeof got);
        assert_int_equal(got, i);
    }
    ends_expect_end(way.stream, WPIPE_EOF);
    assert_int_equal(helper_join(&way.helper), 0);
    wpipe_stream_close(way.stream);
}

#define SOME (ENDS_FEW)

static const struct ends_case cases[] = {
    EACH_SLOW(killed_writer_leaves_whole_messages, ENDS_ALL),
    EACH_SLOW(killed_reader_ends_writer, ENDS_ALL),
    EACH(killed_peer_ends_all_waits),
    EACH(killed_peer_seen_without_waiting),
    EACH(killed_sleeper_seen_by_second_write),
    EACH(killed_peer_makes_fd_readable),
    EACH(killed_peer_leaves_what_it_wrote),
    EACH(killed_in_middle_of_message),
    EACH(stopped_peer_costs_deadlines_only),
    EACH(stopped_peer_does_not_hold_close),
    EACH_SLOW(hammer_100000_pings_spinning, SOME),
    EACH_SLOW(hammer_100000_pings_asleep, SOME),
    EACH_SLOW(hammer_one_way_with_pauses, SOME),
};

ENDS_MAIN(cases)
