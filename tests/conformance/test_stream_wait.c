/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting: deadlines of each call, what a late write leaves behind, and waking
 * from other threads.
 */
#include "ends.h"

#include <stdlib.h>
#include <time.h>
#include <windpipe/error.h>

static int64_t cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Fill the buffer from a to b with messages of `size` bytes. */
static unsigned fill(const struct ends *ends, size_t size)
{
    unsigned count = 0;
    uint8_t *bytes = calloc(1, size);
    int64_t r;

    while ((r = wpipe_write(ends->a, bytes, size, 0)) == (int64_t)size)
        count++;
    assert_int_equal(r, WPIPE_ETIMEDOUT);
    assert_true(count > 0);
    free(bytes);
    return count;
}

static void empty(const struct ends *ends, size_t size, unsigned count)
{
    uint8_t *bytes = malloc(size);

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(wpipe_read(ends->b, bytes, size, SUPPORT_WAIT_MS),
                         size);
    assert_int_equal(wpipe_read(ends->b, bytes, size, 0), WPIPE_ETIMEDOUT);
    free(bytes);
}

/* ---- deadlines ----------------------------------------------------------- */

static void read_times_out_when_told(void **state)
{
    static const int timeouts[] = { 0, 1, 7, 40 };
    struct ends ends;
    char byte;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (size_t i = 0; i < 4; i++) {
        int64_t start = support_now_ns();
        const void *data;
        size_t size;

        assert_int_equal(wpipe_read(ends.b, &byte, 1, timeouts[i]),
                         WPIPE_ETIMEDOUT);
        assert_int_equal(wpipe_read_begin(ends.b, &data, &size, timeouts[i]),
                         WPIPE_ETIMEDOUT);
        assert_true(support_now_ns() - start >= timeouts[i] * 2000000);
    }
    ends_write(ends.a, "x");
    assert_int_equal(wpipe_read(ends.b, &byte, 1, 0), 1);
    ends_close(&ends);
}

static void write_times_out_when_told(void **state)
{
    static const int timeouts[] = { 0, 1, 7, 40 };
    static uint8_t bytes[200];
    struct ends ends;
    unsigned count;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    count = fill(&ends, 200);
    for (size_t i = 0; i < 4; i++) {
        int64_t start = support_now_ns();

        assert_int_equal(wpipe_write(ends.a, bytes, 200, timeouts[i]),
                         WPIPE_ETIMEDOUT);
        assert_true(support_now_ns() - start >= timeouts[i] * 1000000);
    }
    empty(&ends, 200, count);
    ends_write(ends.a, "again");
    ends_expect(ends.b, "again");
    ends_close(&ends);
}

/* A wait costs no processor time: nobody polls. */
static void wait_burns_no_time(void **state)
{
    static uint8_t bytes[200];
    struct ends ends;
    int64_t before;
    unsigned count;
    char byte;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    count = fill(&ends, 200);
    before = cpu_ms();
    assert_int_equal(wpipe_write(ends.a, bytes, 200, 100), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_drain(ends.a, 100), WPIPE_ETIMEDOUT);
    empty(&ends, 200, count);
    assert_int_equal(wpipe_read(ends.b, &byte, 1, 100), WPIPE_ETIMEDOUT);
    assert_true(cpu_ms() - before < 60 * SUPPORT_LIMIT_FACTOR);
    ends_close(&ends);
}

/* An empty pipe takes what is well below its size at once, again and again:
 * no call of the peer's is needed for that. */
static void write_into_empty_pipe_needs_no_wait(void **state)
{
    uint64_t random = 3;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (unsigned i = 0; i < 300; i++) {
        size_t size = ends_random(&random) % (ends_ring(&ends) / 8);
        uint8_t *bytes;

        size %= 4096;
        bytes = malloc(size + 1);
        ends_fill(bytes, size, i);
        assert_int_equal(wpipe_write(ends.a, bytes, size, 0), size);
        free(bytes);
        ends_read_pattern(ends.b, size, i);
    }
    ends_close(&ends);
}

/* ---- a write that does not make it --------------------------------------- */

/* Windows row 178: the reader never sees any of it */
static void write_late_and_unseen_leaves_nothing(void **state)
{
    uint8_t *large = malloc(4 * MIB);
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_fill(large, 4 * MIB, 1);
    for (int i = 0; i < 20; i++) {
        ends_write(ends.a, "before");
        assert_int_equal(wpipe_write(ends.a, large, 4 * MIB, i % 3),
                         WPIPE_ETIMEDOUT);
        ends_expect(ends.b, "before");
        /* what was withdrawn takes room until the reader comes by */
        assert_int_equal(wpipe_read(ends.b, large, 10, 0), WPIPE_ETIMEDOUT);
        ends_write(ends.a, "after");
        ends_expect(ends.b, "after");
    }
    ends_close(&ends);
    free(large);
}

/* As above without a word behind it: nothing to read, nothing to see. */
static void write_late_shows_nothing_to_reader(void **state)
{
    uint8_t *large = malloc(4 * MIB);
    size_t available = 77;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_fill(large, 4 * MIB, 1);
    assert_int_equal(wpipe_write(ends.a, large, 4 * MIB, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_read(ends.b, NULL, 0, 0), 0);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    assert_int_equal(wpipe_peek(ends.b, NULL, 0, &available, NULL), 0);
    assert_int_equal(available, 0);
    assert_int_equal(wpipe_read(ends.b, large, 10, 10), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_stream_message_complete(ends.b), 1);
    ends_close_a(&ends);
    ends_expect_end(ends.b, WPIPE_EOF);
    ends_close(&ends);
    free(large);
}

struct late {
    struct ends ends;
    size_t size;
    int64_t result;
    int timeout_ms;
};

static void write_late(void *argument)
{
    struct late *late = argument;
    uint8_t *large = malloc(late->size);

    ends_fill(large, late->size, 1);
    late->result =
        wpipe_write(late->ends.a, large, late->size, late->timeout_ms);
    free(large);
}

/* Windows row 179: a reader that had begun it is told, and only once */
static void write_late_and_begun_gives_eaborted(void **state)
{
    struct late late = { .size = 4 * MIB, .timeout_ms = 60 };
    uint8_t *buf = malloc(4 * MIB);
    struct ends_thread thread;

    ends_open(&late.ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, write_late, &late);
    assert_int_equal(wpipe_read(late.ends.b, buf, 10, SUPPORT_WAIT_MS), 10);
    assert_int_equal(wpipe_stream_message_complete(late.ends.b), 0);
    ends_join(&thread);
    assert_int_equal(late.result, WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_read(late.ends.b, buf, 4 * MIB, SUPPORT_WAIT_MS),
                     WPIPE_EABORTED);
    assert_int_equal(wpipe_stream_message_complete(late.ends.b), 1);
    ends_write(late.ends.a, "clean");
    ends_expect(late.ends.b, "clean");
    ends_close(&late.ends);
    free(buf);
}

/* The reader is in the middle of one read that takes all there is. */
static void write_woken_and_begun_gives_eaborted(void **state)
{
    struct late late = { .size = 4 * MIB, .timeout_ms = WPIPE_FOREVER };
    uint8_t *buf = malloc(4 * MIB);
    struct ends_thread thread;

    ends_open(&late.ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, write_late, &late);
    assert_int_equal(wpipe_read(late.ends.b, buf, 10, SUPPORT_WAIT_MS), 10);
    ends_wait_asleep(&thread);
    wpipe_stream_wake(late.ends.a);
    ends_join(&thread);
    assert_int_equal(late.result, WPIPE_EWOKEN);
    assert_int_equal(wpipe_read(late.ends.b, buf, 4 * MIB, SUPPORT_WAIT_MS),
                     WPIPE_EABORTED);
    ends_write(late.ends.a, "clean");
    ends_expect(late.ends.b, "clean");
    ends_close(&late.ends);
    free(buf);
}

/* Bytes have no message to withdraw: what went counts. */
static void write_late_bytes_count(void **state)
{
    struct late late = { .size = 4 * MIB, .timeout_ms = 30 };
    uint8_t *buf = malloc(4 * MIB);
    size_t at = 0;

    ends_open(&late.ends, *state, WPIPE_BYTE);
    write_late(&late);
    assert_true(late.result > 0 && late.result < (int64_t)(4 * MIB));
    while (at < (size_t)late.result) {
        int64_t r =
            wpipe_read(late.ends.b, buf + at, 4 * MIB - at, SUPPORT_WAIT_MS);

        assert_true(r > 0);
        at += (size_t)r;
    }
    assert_int_equal(at, late.result);
    ends_check(buf, at, 1);
    assert_int_equal(wpipe_read(late.ends.b, buf, 1, 0), WPIPE_ETIMEDOUT);
    ends_close(&late.ends);
    free(buf);
}

/* ---- waking -------------------------------------------------------------- */

static void read_is_woken(void *argument)
{
    char byte;

    assert_int_equal(wpipe_read(argument, &byte, 1, WPIPE_FOREVER),
                     WPIPE_EWOKEN);
}

static void wake_ends_waiting_reader(void **state)
{
    struct ends_thread thread;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (int i = 0; i < 10; i++) {
        ends_start(&thread, read_is_woken, ends.b);
        ends_wait_asleep(&thread);
        wpipe_stream_wake(ends.b);
        ends_join(&thread);
    }
    ends_write(ends.a, "fine");
    ends_expect(ends.b, "fine");
    ends_close(&ends);
}

static void wake_before_wait_ends_next_one(void **state)
{
    struct ends ends;
    char byte;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    wpipe_stream_wake(ends.b);
    assert_int_equal(wpipe_read(ends.b, &byte, 1, SUPPORT_WAIT_MS),
                     WPIPE_EWOKEN);
    assert_int_equal(wpipe_read(ends.b, &byte, 1, 1), WPIPE_ETIMEDOUT);
    /* many wakes with nobody waiting are one */
    wpipe_stream_wake(ends.b);
    wpipe_stream_wake(ends.b);
    assert_int_equal(wpipe_read(ends.b, &byte, 1, SUPPORT_WAIT_MS),
                     WPIPE_EWOKEN);
    assert_int_equal(wpipe_read(ends.b, &byte, 1, 1), WPIPE_ETIMEDOUT);
    wpipe_stream_wake(NULL);
    ends_close(&ends);
}

/* A read that finds data did not wait; the wake is for one that does. */
static void wake_is_kept_by_read_of_ready_data(void **state)
{
    int types[] = { WPIPE_MESSAGE, WPIPE_BYTE };
    struct ends ends;
    char buf[100];

    for (int i = 0; i < 2; i++) {
        ends_open(&ends, *state, types[i]);
        ends_write(ends.a, "data");
        wpipe_stream_wake(ends.b);
        assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, SUPPORT_WAIT_MS),
                         4);
        assert_int_equal(wpipe_read(ends.b, buf, sizeof buf, SUPPORT_WAIT_MS),
                         WPIPE_EWOKEN);
        ends_close(&ends);
    }
}

static void write_is_woken(void *argument)
{
    static uint8_t bytes[200];
    int64_t r;

    do
        r = wpipe_write(argument, bytes, sizeof bytes, WPIPE_FOREVER);
    while (r > 0);
    assert_int_equal(r, WPIPE_EWOKEN);
}

static void wake_ends_waiting_writer(void **state)
{
    struct ends_thread thread;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, write_is_woken, ends.a);
    ends_wait_asleep(&thread);
    wpipe_stream_wake(ends.a);
    ends_join(&thread);
    ends_close(&ends);
}

/* Both of one stream's threads wait: one wake ends both. */
static void wake_ends_reader_and_writer(void **state)
{
    struct ends_thread reader;
    struct ends_thread writer;
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (int i = 0; i < 5; i++) {
        ends_start(&writer, write_is_woken, ends.a);
        ends_wait_asleep(&writer);
        ends_start(&reader, read_is_woken, ends.a);
        ends_wait_asleep(&reader);
        wpipe_stream_wake(ends.a);
        ends_join(&reader);
        ends_join(&writer);
    }
    ends_close(&ends);
}

struct spinning {
    wpipe_stream *stream;
    int begun;
    int64_t result;
};

static void spin_in_read(void *argument)
{
    struct spinning *s = argument;
    char byte;

    __atomic_store_n(&s->begun, 1, __ATOMIC_RELEASE);
    s->result = wpipe_read(s->stream, &byte, 1, WPIPE_FOREVER);
}

/* A wake that falls into the spin before a sleep is not lost. */
static void wake_meets_spinning_reader(void **state)
{
    for (int i = 0; i < 60; i++) {
        struct spinning s = { .result = 1 };
        struct ends_thread thread;
        struct ends_setup setup;
        struct ends ends;
        int64_t until;

        ends_setup_init(&setup, *state, WPIPE_MESSAGE);
        setup.client.spin_us = 2000;
        setup.server.spin_us = 2000;
        ends_open_setup(&ends, &setup);
        s.stream = ends.b;
        ends_start(&thread, spin_in_read, &s);
        while (!__atomic_load_n(&s.begun, __ATOMIC_ACQUIRE))
            ;
        until = support_now_ns() + i * 20000;
        while (support_now_ns() < until)
            ;
        wpipe_stream_wake(ends.b);
        ends_join(&thread);
        assert_int_equal(s.result, WPIPE_EWOKEN);
        ends_close(&ends);
    }
}

struct hammer {
    struct ends ends;
    unsigned wakes; /* seen by the reader */
    int done;
};

static void count_wakes(void *argument)
{
    struct hammer *h = argument;
    unsigned next = 0;

    for (;;) {
        unsigned got = 0;
        int64_t r = wpipe_read(h->ends.b, &got, sizeof got, WPIPE_FOREVER);

        if (r == WPIPE_EWOKEN) {
            __atomic_fetch_add(&h->wakes, 1, __ATOMIC_RELEASE);
            continue;
        }
        if (r == WPIPE_EOF)
            return;
        assert_int_equal(r, sizeof got);
        assert_int_equal(got, next++);
    }
}

/* Wakes and messages at the same time: each wake is seen, no message lost. */
static void wake_hammered_loses_nothing(void **state)
{
    struct hammer h = { .wakes = 0 };
    struct ends_thread thread;
    uint64_t random = 11;

    ends_open(&h.ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, count_wakes, &h);
    for (unsigned i = 0; i < 3000; i++) {
        assert_int_equal(wpipe_write(h.ends.a, &i, sizeof i, SUPPORT_WAIT_MS),
                         sizeof i);
        if (i % 3 == 0) {
            unsigned before = __atomic_load_n(&h.wakes, __ATOMIC_ACQUIRE);
            int64_t end = support_now_ms() + SUPPORT_WAIT_MS;

            wpipe_stream_wake(h.ends.b);
            while (__atomic_load_n(&h.wakes, __ATOMIC_ACQUIRE) == before)
                if (support_now_ms() > end)
                    fail_msg("wake %u was lost", i / 3);
        }
        for (uint64_t k = ends_random(&random) % 500; k > 0; k--)
            __atomic_signal_fence(__ATOMIC_SEQ_CST);
    }
    ends_close_a(&h.ends);
    ends_join(&thread);
    assert_int_equal(h.wakes, 1000);
    ends_close(&h.ends);
}

static const struct ends_case cases[] = {
    EACH(read_times_out_when_told),
    EACH(write_times_out_when_told),
    EACH(wait_burns_no_time),
    EACH(write_into_empty_pipe_needs_no_wait),
    EACH(write_late_and_unseen_leaves_nothing),
    EACH(write_late_shows_nothing_to_reader),
    EACH_SEEN(write_late_and_begun_gives_eaborted),
    EACH_SEEN(write_woken_and_begun_gives_eaborted),
    EACH(write_late_bytes_count),
    EACH_SEEN(wake_ends_waiting_reader),
    EACH(wake_before_wait_ends_next_one),
    EACH(wake_is_kept_by_read_of_ready_data),
    EACH_SEEN(wake_ends_waiting_writer),
    EACH_SEEN(wake_ends_reader_and_writer),
    EACH(wake_meets_spinning_reader),
    EACH(wake_hammered_loses_nothing),
};

ENDS_MAIN(cases)
