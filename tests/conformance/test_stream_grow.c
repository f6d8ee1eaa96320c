/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection in shared memory begins with little of it, and a direction gets
 * the ring of the terms when it needs it or has earned it. Nobody notices, but
 * for the memory.
 */
#include "ends.h"

#include <stdlib.h>
#include <windpipe/error.h>

#include "base/ring.h"
#include "os/os_test.h"

#define SMALL  ((size_t)WPIPE__SEGMENT_MIN)
#define EARNED (256 * KIB)

/* Bytes of address space that map segments; each is mapped twice here, by its
 * owner and by the peer. */
static size_t shared_bytes(void)
{
    char line[512];
    size_t total = 0;
    FILE *maps = fopen("/proc/self/maps", "re");

    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        char *end;
        unsigned long from;

        if (!strstr(line, "/memfd:windpipe"))
            continue;
        from = strtoul(line, &end, 16);
        total += strtoul(end + 1, NULL, 16) - from;
    }
    fclose(maps);
    return total;
}

static void converse(const struct ends *ends, size_t bytes, size_t size)
{
    for (size_t i = 0; i * (size + 8) < bytes; i++) {
        ends_write_pattern(ends->a, size, i);
        ends_read_pattern(ends->b, size, i);
    }
}

static void open_shared(struct ends *ends, void **state)
{
    ends_open(ends, *state, WPIPE_MESSAGE);
    ends_settle(ends);
    assert_int_equal(ends_shared(ends->a), 2);
    assert_int_equal(ends_shared(ends->b), 2);
}

/* Could a ring of this kind grow at all? */
static int grows(const struct ends *ends)
{
    return ends_ring(ends) > WPIPE__RING_MIN;
}

static void conversation_stays_small_until_it_earned_more(void **state)
{
    struct ends ends;

    open_shared(&ends, state);
    assert_int_equal(shared_bytes(), 4 * SMALL);
    converse(&ends, EARNED / 2, 1000);
    assert_int_equal(shared_bytes(), 4 * SMALL);
    converse(&ends, 3 * EARNED, 1000);
    if (grows(&ends))
        assert_int_equal(shared_bytes(), 4 * SMALL + 2 * (ends_ring(&ends) +
                                                          WPIPE__CONTROL_SIZE));
    else
        assert_int_equal(shared_bytes(), 4 * SMALL);
    converse(&ends, EARNED, 1000);
    ends_close(&ends);
    assert_int_equal(shared_bytes(), 0);
}

/* What the terms promise fits, with nobody reading; each way for itself. */
static void ring_takes_what_was_promised(void **state)
{
    static const size_t sizes[] = { 1, 100, 2000, 5000 };
    struct ends ends;

    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        static uint8_t bytes[5000];
        size_t space = (sizes[k] + 8 + 7) & ~(size_t)7;
        size_t count = 0;
        size_t ring;

        open_shared(&ends, state);
        ring = ends_ring(&ends);
        ends_fill(bytes, sizes[k], 7);
        while (wpipe_write(ends.a, bytes, sizes[k], 0) >= 0)
            count++;
        /* but for a PAD, and what a long one is cut into */
        assert_true((count + 3) * space + 256 > ring || space > ring / 4);
        assert_int_equal(wpipe_write(ends.a, bytes, sizes[k], 0),
                         WPIPE_ETIMEDOUT);
        ends_write(ends.b, "the other way");
        ends_expect(ends.a, "the other way");
        while (count-- > 0)
            ends_read_pattern(ends.b, sizes[k], 7);
        assert_int_equal(wpipe_peek(ends.b, NULL, 0, NULL, NULL), 0);
        ends_close(&ends);
    }
}

/* A peek sees all that is there, before the reader has come to the place. */
static void peek_sees_across_the_place(void **state)
{
    struct ends ends;
    size_t available = 0;
    size_t left = 0;
    unsigned count;

    open_shared(&ends, state);
    count = grows(&ends) ? 20 : 10;
    for (unsigned i = 0; i < count; i++)
        ends_write_pattern(ends.a, 300 + i, i);
    assert_int_equal(wpipe_peek(ends.b, NULL, 0, &available, &left), 0);
    assert_int_equal(available, count * 300 + count * (count - 1) / 2);
    assert_int_equal(left, 300);
    for (unsigned i = 0; i < count; i++)
        ends_read_pattern(ends.b, 300 + i, i);
    assert_int_equal(wpipe_peek(ends.b, NULL, 0, &available, &left), 0);
    assert_int_equal(available, 0);
    ends_close(&ends);
}

/* The first message is longer than the small ring, or just fits. */
static void first_message_of_any_size_arrives(void **state)
{
    static const size_t sizes[] = { 1980, 1984, 1985, 2048,  4064,
                                    4072, 4080, 4096, 70000, 1000000 };
    struct ends ends;

    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        struct ends_kind kind = *(const struct ends_kind *)*state;
        uint8_t *bytes = malloc(sizes[k]);
        struct ends_setup setup;
        int64_t r;
        size_t at = 0;

        assert_non_null(bytes);
        ends_setup_init(&setup, &kind, WPIPE_BYTE);
        ends_open_setup(&ends, &setup);
        ends_settle(&ends);
        ends_fill(bytes, sizes[k], k);
        while (at < sizes[k]) {
            uint8_t part[3000];
            size_t want = at;

            r = wpipe_write(ends.a, bytes + at, sizes[k] - at, 0);
            assert_true(r > 0);
            at += (size_t)r;
            while (want < at) {
                r = wpipe_read(ends.b, part, sizeof part, SUPPORT_WAIT_MS);
                assert_true(r > 0);
                assert_memory_equal(part, bytes + want, (size_t)r);
                want += (size_t)r;
            }
        }
        ends_close(&ends);
        free(bytes);
    }
}

/* A place reserved in the ring is in the larger one, if need be. */
static void reservation_makes_the_ring_grow(void **state)
{
    struct ends ends;
    size_t size;
    void *data;

    open_shared(&ends, state);
    size = ends_ring(&ends) / 4;
    assert_int_equal(wpipe_write_begin(ends.a, size, &data, 0), 0);
    ends_fill(data, size, 3);
    assert_int_equal(wpipe_write_commit(ends.a, size, 0), (int64_t)size);
    ends_read_pattern(ends.b, size, 3);
    ends_close(&ends);
}

/* ---- no memory ----------------------------------------------------------- */

struct message {
    wpipe_stream *stream;
    size_t size;
};

static void write_it(void *argument)
{
    const struct message *m = argument;

    ends_write_pattern(m->stream, m->size, m->size);
}

/* What cannot grow goes on as it is: in smaller pieces. And what needs one
 * piece says so, and hurts nothing. */
static void ring_that_cannot_grow_is_enough(void **state)
{
    static const size_t sizes[] = { 0, 1, 1984, 1985, 4096, 5000, 300000 };
    struct ends_thread thread;
    struct ends ends;
    void *data;

    open_shared(&ends, state);
    wpipe__os_test_no_memory(1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct message m = { ends.a, sizes[i] };

        ends_start(&thread, write_it, &m);
        ends_read_pattern(ends.b, sizes[i], sizes[i]);
        ends_join(&thread);
    }
    converse(&ends, 2 * EARNED, 1000);
    assert_int_equal(shared_bytes(), 4 * SMALL);
    if (grows(&ends))
        assert_int_equal(
            wpipe_write_begin(ends.a, ends_ring(&ends) / 4, &data, 0),
            WPIPE_ENOTSUP);
    wpipe__os_test_no_memory(0);
    converse(&ends, 5000, 1000); /* then it is tried again */
    ends_write_pattern(ends.a, 3000, 1);
    ends_read_pattern(ends.b, 3000, 1);
    if (grows(&ends))
        assert_true(shared_bytes() > 4 * SMALL);
    ends_close(&ends);
}

/* ---- what was withdrawn -------------------------------------------------- */

/* The ring grows for a message that is then withdrawn: a drain does not wait
 * for a reader to find that there is nothing. */
static void withdrawn_message_that_made_it_grow_is_no_rest(void **state)
{
    struct ends ends;
    size_t size;
    uint8_t *bytes;

    open_shared(&ends, state);
    size = 2 * ends_ring(&ends);
    bytes = calloc(1, size);
    assert_non_null(bytes);
    ends_write(ends.a, "read");
    ends_expect(ends.b, "read");
    assert_int_equal(wpipe_drain(ends.a, 0), 0);
    assert_int_equal(wpipe_write(ends.a, bytes, size, 0), WPIPE_ETIMEDOUT);
    assert_int_equal(wpipe_drain(ends.a, 0), 0);
    free(bytes);
    ends_write(ends.a, "more");
    assert_int_equal(wpipe_drain(ends.a, 0), WPIPE_ETIMEDOUT);
    ends_expect(ends.b, "more");
    assert_int_equal(wpipe_drain(ends.a, 0), 0);
    ends_close(&ends);
}

/* Messages are cut for frames, and then their direction has moved to a ring
 * that is smaller than that and cannot grow. */
static void message_that_moves_there_goes_on(void **state)
{
    static const size_t sizes[] = { 60000, 300000 };
    struct ends_thread thread;
    struct ends ends;

    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        struct message m;

        ends_open(&ends, *state, WPIPE_MESSAGE);
        /* b moves, and a is not asked to look at its socket */
        for (int i = 0; i < 20; i++) {
            ends_write(ends.a, "x");
            ends_expect(ends.b, "x");
        }
        wpipe__os_test_no_memory(1);
        m.stream = ends.a;
        m.size = sizes[k];
        ends_start(&thread, write_it, &m);
        ends_read_pattern(ends.b, m.size, m.size);
        ends_join(&thread);
        ends_write(ends.a, "next");
        ends_expect(ends.b, "next");
        wpipe__os_test_no_memory(0);
        ends_close(&ends);
    }
}

static void commit_it(void *argument)
{
    const struct message *m = argument;

    assert_int_equal(wpipe_write_commit(m->stream, m->size, 0),
                     (int64_t)m->size);
}

/* The same with what was reserved as one piece. */
static void reservation_that_moves_there_goes_on(void **state)
{
    struct ends_thread thread;
    struct message m;
    struct ends ends;
    void *data;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    if (!grows(&ends) || ends_shared(ends.a)) {
        ends_close(&ends); /* it is about those that are framed as yet */
        return;
    }
    m.stream = ends.a;
    m.size = 12000;
    assert_int_equal(wpipe_write_begin(ends.a, m.size, &data, SUPPORT_WAIT_MS),
                     0);
    ends_fill(data, m.size, 3);
    for (int i = 0; i < 20; i++) {
        ends_write(ends.b, "y");
        ends_expect(ends.a, "y");
    }
    ends_settle(&ends);
    assert_int_equal(ends_shared(ends.a), 2);
    wpipe__os_test_no_memory(1);
    ends_start(&thread, commit_it, &m);
    ends_wait_asleep(&thread);
    ends_read_pattern(ends.b, m.size, 3);
    ends_join(&thread);
    ends_write(ends.a, "next");
    ends_expect(ends.b, "next");
    wpipe__os_test_no_memory(0);
    ends_close(&ends);
}

/* ---- the reader's limits ------------------------------------------------- */

/* A reader that has no descriptor left when the ring grows: it gets what was
 * written before, whenever it looks at its socket, and then the reason. */
static void reader_without_descriptors_reads_up_to_the_mark(void **state)
{
    for (int looks = 0; looks < 2; looks++) {
        struct rlimit before;
        struct ends ends;
        char bytes[8];
        unsigned count = 0;
        size_t small;
        int64_t r;

        open_shared(&ends, state);
        if (!grows(&ends)) {
            ends_close(&ends);
            return;
        }
        assert_int_equal(wpipe_read(ends.b, bytes, 1, 1), WPIPE_ETIMEDOUT);
        small = shared_bytes();
        while (shared_bytes() == small)
            ends_write_pattern(ends.a, 1000, count++);
        assert_true(count > 2);
        before = support_use_up_descriptors();
        if (looks)
            ends_settle(&ends);
        for (unsigned i = 0; i + 1 < count; i++)
            ends_read_pattern(ends.b, 1000, i);
        assert_int_equal(wpipe_read(ends.b, bytes, 8, SUPPORT_WAIT_MS),
                         WPIPE_ELIMIT);
        support_give_back_descriptors(before);
        assert_int_equal(wpipe_read(ends.b, bytes, 8, 0), WPIPE_ELIMIT);
        r = wpipe_drain(ends.a, SUPPORT_WAIT_MS);
        assert_true(r == WPIPE_EDIED || r == WPIPE_EDISCONNECTED);
        ends_close(&ends);
    }
}

static const struct ends_case cases[] = {
    EACH_OF(conversation_stays_small_until_it_earned_more, ENDS_SHARED),
    EACH_OF(ring_takes_what_was_promised, ENDS_SHARED),
    EACH_OF(peek_sees_across_the_place, ENDS_SHARED),
    EACH_OF(first_message_of_any_size_arrives, ENDS_SHARED | ENDS_SWITCHING),
    EACH_OF(reservation_makes_the_ring_grow, ENDS_SHARED),
    EACH_OF(ring_that_cannot_grow_is_enough, ENDS_SHARED),
    EACH_OF(reader_without_descriptors_reads_up_to_the_mark, ENDS_SHARED),
    EACH_OF(withdrawn_message_that_made_it_grow_is_no_rest, ENDS_SHARED),
    EACH_OF(message_that_moves_there_goes_on, ENDS_SWITCHING),
    EACH_OF(reservation_that_moves_there_goes_on, ENDS_SWITCHING),
};

ENDS_MAIN(cases)
