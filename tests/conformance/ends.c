/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of connection, how a pair of each is made, and the runner that
 * multiplies cases by kinds. ends.h tells what a case gets.
 */
#include "ends.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/options.h"
#include "ends_named.h"
#include "native/native.h"
#include "os/os_test.h"
#include "stream/stream.h"

#define PAIR(client, server)                         \
    {                                                \
        WPIPE_SHARED_##client, WPIPE_SHARED_##server \
    }
#define OFF WPIPE_SPIN_OFF

enum {
    FRAMED = ENDS_FRAMED,
    SHARED = ENDS_SHARED,
    MOVING = ENDS_SWITCHING,
    FEW = ENDS_FEW
};

/*
 * A connection earns shared memory with its sixteenth record: with `warm` at
 * 0, 9, 14 and 15 the move falls on different records of a case.
 */
static const struct ends_kind kinds[] = {
    { "framed", FRAMED | FEW | ENDS_ONCE, PAIR(NEVER, NEVER), 0, 0, 0, 0, 0,
      0 },
    { "framed-4k", FRAMED, PAIR(NEVER, NEVER), 4096, 0, 1, OFF, 0, 0 },
    { "framed-64k", FRAMED, PAIR(NEVER, NEVER), 65536, 3, 1, 0, 0, 0 },
    { "one-never", FRAMED, PAIR(NEVER, NOW), 65536, 0, 0, OFF, 0, 0 },
    { "no-memory", FRAMED, PAIR(AUTO, AUTO), 65536, 15, 0, 0, 1, 0 },
    { "named-framed", FRAMED, PAIR(NEVER, NEVER), 0, 0, 1, 0, 0, 1 },
    { "shared", SHARED | FEW, PAIR(NOW, NOW), 0, 0, 1, 0, 0, 0 },
    { "shared-4k", SHARED, PAIR(NOW, NOW), 4096, 0, 0, 0, 0, 0 },
    { "shared-64k", SHARED, PAIR(NOW, AUTO), 65536, 1, 1, OFF, 0, 0 },
    { "named-shared", SHARED, PAIR(NOW, NOW), 0, 0, 0, 0, 0, 1 },
    { "named-required", SHARED, PAIR(REQUIRED, AUTO), 65536, 0, 1, 0, 0, 1 },
    { "one-mapping", ENDS_ONE_MAPPING, PAIR(NOW, NOW), 0, 0, 0, 0, 0, 0 },
    { "one-mapping-4k", ENDS_ONE_MAPPING, PAIR(NOW, NOW), 4096, 0, 1, OFF, 0,
      0 },
    { "auto-4k-15", MOVING | FEW, PAIR(AUTO, AUTO), 4096, 15, 0, 0, 0, 0 },
    { "auto-4k", MOVING, PAIR(AUTO, AUTO), 4096, 0, 1, OFF, 0, 0 },
    { "auto-64k-9", MOVING, PAIR(AUTO, AUTO), 65536, 9, 1, 0, 0, 0 },
    { "auto-64k-14", MOVING, PAIR(AUTO, AUTO), 65536, 14, 0, OFF, 0, 0 },
    { "auto-15", MOVING | FEW, PAIR(AUTO, AUTO), 0, 15, 1, 0, 0, 0 },
    { "now-64k", MOVING, PAIR(AUTO, NOW), 65536, 0, 0, OFF, 0, 0 },
    { "named-auto-12", MOVING, PAIR(AUTO, AUTO), 65536, 12, 0, 0, 0, 1 },
};

/* ---- making a pair ------------------------------------------------------- */

void ends_setup_init(struct ends_setup *setup, const struct ends_kind *kind,
                     int type)
{
    memset(setup, 0, sizeof *setup);
    setup->kind = kind;
    setup->a_is_server = kind->a_is_server;
    setup->client.size = sizeof setup->client;
    setup->client.type = type;
    setup->client.buffer_in = kind->buffer;
    setup->client.buffer_out = kind->buffer;
    setup->client.spin_us = kind->spin_us;
    setup->server = setup->client;
    setup->client.shared_memory = kind->shared_memory[0];
    setup->server.shared_memory = kind->shared_memory[1];
}

/* Client and server greet each other over the two sockets. */
static int greet(wpipe__handle sockets[2], const wpipe_options *client,
                 const wpipe_options *server, struct wpipe__link *links[2])
{
    int r = wpipe__native_dial(sockets[0], client, 0, 0, &links[0]);

    if (r < 0) {
        wpipe__os_close(sockets[1]);
        return r;
    }
    r = wpipe__native_accept(sockets[1], server, &links[1]);
    if (r < 0)
        return r;
    do /* it is there, but maybe not in one piece */
        r = wpipe__native_greeted(links[1]);
    while (r == WPIPE__GREET_PENDING);
    assert_int_equal(r, WPIPE__GREET_HELLO);
    r = wpipe__native_admit(links[1]);
    if (r < 0)
        wpipe__native_refuse(links[1], r);
    if (r < 0)
        return r;
    do
        r = wpipe__native_greeted(links[0]);
    while (r == WPIPE__GREET_PENDING);
    return r < 0 ? r : 0;
}

static int connect_by_pair(struct ends *ends, const struct ends_setup *setup)
{
    struct wpipe__link *links[2] = { NULL, NULL };
    wpipe__handle sockets[2];
    wpipe_options client;
    wpipe_options server;
    int r;

    assert_int_equal(wpipe__options_take(&setup->client, &client), 0);
    assert_int_equal(wpipe__options_take(&setup->server, &server), 0);
    assert_int_equal(wpipe__os_socket_pair(sockets), 0);
    r = greet(sockets, &client, &server, links);
    if (r < 0) {
        if (links[0])
            links[0]->transport->free(links[0]);
        if (links[1])
            links[1]->transport->free(links[1]);
        return r;
    }
    assert_int_equal(wpipe__stream_make(links[0], &client, 0, &ends->client),
                     0);
    assert_int_equal(wpipe__stream_make(links[1], &server, 1, &ends->server),
                     0);
    return 0;
}

void ends_settle(const struct ends *ends)
{
    struct wpipe__link *a = ends->a->link;
    struct wpipe__link *b = ends->b->link;

    while (a->transport->pump(a) > 0 || b->transport->pump(b) > 0)
        ;
}

/* Let `end` read where the peer writes, instead of where it mapped that. */
static void look_at(wpipe_stream *end, const struct wpipe__control *words)
{
    struct wpipe__native *n = wpipe__native(end->link);

    n->theirs = words;
    if (wpipe__in_shared(n))
        n->in.bytes = (const uint8_t *)words + WPIPE__CONTROL_SIZE;
}

static void join_mappings(const struct ends *ends)
{
    look_at(ends->a, wpipe__native(ends->b->link)->mine);
    look_at(ends->b, wpipe__native(ends->a->link)->mine);
}

/* Each to its own again: one of them goes now. */
static void part_mappings(const struct ends *ends)
{
    if (!ends->one_mapping || !ends->a || !ends->b)
        return;
    look_at(ends->a, wpipe__native(ends->a->link)->their_segment);
    look_at(ends->b, wpipe__native(ends->b->link)->their_segment);
}

/* Messages that belong to the connection, not to the case. */
static void warm(const struct ends *ends, int count)
{
    for (int i = 0; i < count; i++) {
        ends_write(ends->a, "w");
        ends_expect_bytes(ends->b, "w");
    }
}

int ends_try_setup(struct ends *ends, const struct ends_setup *setup)
{
    int r;

    memset(ends, 0, sizeof *ends);
    wpipe__os_test_no_memory(setup->kind->no_memory);
    r = setup->kind->named ? ends_connect_by_name(ends, setup)
                           : connect_by_pair(ends, setup);
    if (r < 0)
        return r;
    ends->a = setup->a_is_server ? ends->server : ends->client;
    ends->b = setup->a_is_server ? ends->client : ends->server;
    ends->one_mapping = setup->kind->set & ENDS_ONE_MAPPING;
    if (setup->kind->set & (ENDS_SHARED | ENDS_ONE_MAPPING)) {
        ends_settle(ends);
        assert_int_equal(ends_shared(ends->a), 2);
        assert_int_equal(ends_shared(ends->b), 2);
    }
    if (ends->one_mapping)
        join_mappings(ends);
    return 0;
}

void ends_open_setup(struct ends *ends, const struct ends_setup *setup)
{
    assert_int_equal(ends_try_setup(ends, setup), 0);
    warm(ends, setup->kind->warm);
}

void ends_open(struct ends *ends, const struct ends_kind *kind, int type)
{
    struct ends_setup setup;

    ends_setup_init(&setup, kind, type);
    ends_open_setup(ends, &setup);
}

void ends_close_a(struct ends *ends)
{
    part_mappings(ends);
    wpipe_stream_close(ends->a);
    ends->a = NULL;
}

void ends_close_b(struct ends *ends)
{
    part_mappings(ends);
    wpipe_stream_close(ends->b);
    ends->b = NULL;
}

void ends_close(struct ends *ends)
{
    ends_close_a(ends);
    ends_close_b(ends);
}

int ends_shared(const wpipe_stream *stream)
{
    wpipe_stream_facts facts = { .size = sizeof facts };

    assert_int_equal(wpipe_stream_info(stream, &facts), 0);
    return facts.shared;
}

size_t ends_ring(const struct ends *ends)
{
    wpipe_stream_facts facts = { .size = sizeof facts };

    assert_int_equal(wpipe_stream_info(ends->a, &facts), 0);
    return facts.buffer_out;
}

/* ---- words of the cases -------------------------------------------------- */

void ends_write(wpipe_stream *stream, const char *text)
{
    size_t size = strlen(text);

    assert_int_equal(wpipe_write(stream, text, size, SUPPORT_WAIT_MS), size);
}

void ends_expect(wpipe_stream *stream, const char *text)
{
    char buf[512];
    size_t size = strlen(text);

    assert_true(size < sizeof buf);
    assert_int_equal(wpipe_read(stream, buf, sizeof buf, SUPPORT_WAIT_MS),
                     size);
    assert_memory_equal(buf, text, size);
    assert_int_equal(wpipe_stream_message_complete(stream), 1);
}

void ends_expect_bytes(wpipe_stream *stream, const char *text)
{
    char buf[512];
    size_t size = strlen(text);
    size_t at = 0;

    assert_true(size < sizeof buf);
    while (at < size) {
        int64_t r = wpipe_read(stream, buf + at, size - at, SUPPORT_WAIT_MS);

        assert_true(r > 0);
        at += (size_t)r;
    }
    assert_memory_equal(buf, text, size);
}

void ends_expect_end(wpipe_stream *stream, int error)
{
    char buf[8];

    assert_int_equal(wpipe_read(stream, buf, sizeof buf, SUPPORT_WAIT_MS),
                     error);
    assert_int_equal(wpipe_read(stream, buf, sizeof buf, WPIPE_FOREVER), error);
    assert_int_equal(wpipe_read(stream, buf, 1, 0), error);
    assert_int_equal(wpipe_read(stream, NULL, 0, 0), error);
}

void ends_fill(uint8_t *buf, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++)
        buf[i] = (uint8_t)(seed * 31 + i * 7 + (i >> 8) + (i >> 16));
}

void ends_check(const uint8_t *buf, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t want = (uint8_t)(seed * 31 + i * 7 + (i >> 8) + (i >> 16));

        if (buf[i] != want)
            fail_msg("byte %zu of %zu of message %llu is %u, not %u", i, size,
                     (unsigned long long)seed, buf[i], want);
    }
}

void ends_write_pattern(wpipe_stream *stream, size_t size, uint64_t seed)
{
    uint8_t *buf = malloc(size + 1);
    size_t at = 0;

    assert_non_null(buf);
    ends_fill(buf, size, seed);
    do {
        int64_t r = wpipe_write(stream, buf + at, size - at, SUPPORT_WAIT_MS);

        assert_true(r > 0 || (r == 0 && size == 0));
        at += (size_t)r;
    } while (at < size);
    free(buf);
}

void ends_read_pattern(wpipe_stream *stream, size_t size, uint64_t seed)
{
    uint8_t *buf = malloc(size + 1);
    size_t at = 0;

    assert_non_null(buf);
    do {
        int64_t r =
            wpipe_read(stream, buf + at, size + 1 - at, SUPPORT_WAIT_MS);

        assert_true(r > 0 || (r == 0 && size == 0));
        at += (size_t)r;
    } while (at < size);
    assert_int_equal(at, size);
    assert_int_equal(wpipe_stream_message_complete(stream), 1);
    ends_check(buf, size, seed);
    free(buf);
}

uint64_t ends_random(uint64_t *state)
{
    uint64_t x = *state ? *state : 88172645463325252u;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x >> 11;
}

/* ---- threads ------------------------------------------------------------- */

static void *thread_main(void *argument)
{
    struct ends_thread *thread = argument;

    __atomic_store_n(&thread->tid, support_tid(), __ATOMIC_RELEASE);
    thread->run(thread->argument);
    return NULL;
}

void ends_start(struct ends_thread *thread, void (*run)(void *argument),
                void *argument)
{
    thread->run = run;
    thread->argument = argument;
    thread->tid = 0;
    assert_int_equal(pthread_create(&thread->system, NULL, thread_main, thread),
                     0);
}

void ends_join(struct ends_thread *thread)
{
    assert_int_equal(pthread_join(thread->system, NULL), 0);
}

void ends_wait_asleep(struct ends_thread *thread)
{
    pid_t tid;

    while ((tid = __atomic_load_n(&thread->tid, __ATOMIC_ACQUIRE)) == 0)
        wpipe__os_yield();
    support_wait_asleep(getpid(), tid);
}

/* ---- the table ----------------------------------------------------------- */

#define KINDS (sizeof kinds / sizeof *kinds)

int ends_main(int argc, char **argv, const struct ends_case *cases,
              size_t count)
{
    struct support_case *table = calloc(count * KINDS, sizeof *table);
    size_t used = 0;
    int r;

    if (!table)
        return 1;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < KINDS; k++) {
            struct support_case *entry = &table[used];

            if (!(cases[i].sets & kinds[k].set))
                continue;
            entry->name = cases[i].name;
            entry->run = cases[i].run;
            entry->argument = (void *)(uintptr_t)&kinds[k];
            entry->variant = kinds[k].name;
            entry->flags = cases[i].flags;
            used++;
        }
    }
    r = support_main(argc, argv, table, used);
    free(table);
    return r;
}
