/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that lie in the memory that they share with us: control words and
 * records that are impossible, or that change at full speed while we read and
 * write, or that have no end. What we took from them once is judged and used;
 * no call is held beyond its deadline.
 */
#include "raw_peer.h"

#include <pthread.h>
#include <string.h>
#include <windpipe/error.h>

#include "stream/stream.h"

enum {
    SERVER = 1,
    CLIENT = 0,
    MOST = 1 << 20, /* the victim's max_message */
    RING = 65536
};

/* ---- words that lie ------------------------------------------------------ */

static void head_that_cannot_be_is_eproto(void **state)
{
    static const int64_t lies[] = { RING + 8,  RING + 4096, 1, 4,
                                    INT64_MAX, INT64_MIN,   -8 };

    (void)state;
    for (size_t i = 0; i < 14; i++) {
        struct raw_peer raw;

        raw_open_shared(&raw, i % 2);
        atomic_store(&raw.mine->head, (uint64_t)lies[i / 2]);
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

static void tail_that_cannot_be_is_eproto(void **state)
{
    static const int64_t lies[] = { RING + 8, 1 << 20, 4, -8, INT64_MIN };
    static uint8_t bytes[8000];

    (void)state;
    for (size_t i = 0; i < 10; i++) {
        struct raw_peer raw;
        int64_t r;

        raw_open_shared(&raw, i % 2);
        atomic_store(&raw.mine->tail, (uint64_t)lies[i / 2]);
        do
            r = wpipe_write(raw.stream, bytes, sizeof bytes, 0);
        while (r >= 0);
        assert_int_equal(r, WPIPE_EPROTO);
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

static void state_word_that_is_none_is_eproto(void **state)
{
    static const uint32_t lies[] = { 4, 5, 255, UINT32_MAX };

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        struct raw_peer raw;

        raw_open_shared(&raw, i % 2);
        atomic_store(&raw.mine->state, lies[i / 2]);
        raw_expect_end(&raw, WPIPE_EPROTO);
        /* and it stays so, whatever the word says next */
        atomic_store(&raw.mine->state, 0);
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

/* The words after the move may be anything: they were looked at once. */
static void words_looked_at_once_may_change(void **state)
{
    struct raw_peer raw;

    (void)state;
    raw_open_shared(&raw, SERVER);
    raw.mine->magic = 0;
    raw.mine->version = 99;
    raw.mine->ring_size = UINT32_MAX;
    raw.mine->features = UINT32_MAX;
    atomic_store(&raw.mine->want, UINT64_MAX);
    atomic_store(&raw.mine->core, UINT32_MAX);
    atomic_store(&raw.mine->consumed, UINT64_MAX);
    atomic_store(&raw.mine->claim, UINT64_MAX);
    atomic_store(&raw.mine->fenceless, UINT32_MAX);
    for (int i = 0; i < 200; i++) {
        int end = raw_exercise(&raw);

        assert_true(end == 0 || end == WPIPE_EPROTO);
        raw_ignore(&raw);
    }
    raw_close(&raw);
}

static void record_in_ring_that_is_none_is_eproto(void **state)
{
    static const uint64_t words[] = {
        9,                                  /* beyond head */
        UINT32_MAX,                         /* far beyond */
        (uint64_t)WPIPE__RECORD_PAD << 32,  /* PAD in the middle */
        (uint64_t)WPIPE__RECORD_MORE << 32, /* MORE and empty */
        (uint64_t)WPIPE__RECORD_FIN << 32 | 8,
        (uint64_t)WPIPE__RECORD_ALIGNED << 32,     /* and empty */
        (uint64_t)WPIPE__RECORD_ALIGNED << 32 | 8, /* its gap is beyond head */
        (uint64_t)0x8000 << 32 | 8,
        UINT64_MAX,
    };

    (void)state;
    for (size_t i = 0; i < 2 * sizeof words / sizeof *words; i++) {
        struct raw_peer raw;

        raw_open_shared(&raw, i % 2);
        memcpy(raw.ring, &words[i / 2], 8);
        atomic_store(&raw.mine->head, 16);
        raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

/* ---- at full speed ------------------------------------------------------- */

struct liar {
    struct raw_peer *raw;
    int stop;
    int how;
    uint64_t random;
};

static uint64_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static int stopped(struct liar *l)
{
    return __atomic_load_n(&l->stop, __ATOMIC_RELAXED);
}

static void put_word(struct liar *l, uint64_t position, uint64_t word)
{
    uint8_t *at = l->raw->ring + (position & (RING - 1));

    *(volatile uint64_t *)(void *)at = word;
}

static uint64_t their_tail(const struct liar *l)
{
    return atomic_load(&l->raw->theirs->tail);
}

/* Every word of the control page, anything. */
static void *lie_in_all_words(void *argument)
{
    struct liar *l = argument;
    struct wpipe__control *c = l->raw->mine;

    while (!stopped(l)) {
        uint64_t r = random_next(&l->random);
        uint64_t near = their_tail(l) + (r >> 8) % (RING + 16);

        atomic_store(&c->head, r & 1 ? near & ~7ull : near);
        atomic_store(&c->tail,
                     atomic_load(&l->raw->theirs->head) - (r >> 3) % 4096);
        atomic_store(&c->want, r << 20 | (r & 7));
        atomic_store(&c->core, (uint32_t)r % 4);
        atomic_store(&c->consumed, r);
        atomic_store(&c->fenceless, (uint32_t)r & 1);
        c->features = (uint32_t)r;
        put_word(l, r & ~7ull, (r & 0x5f) << 32 | (r >> 9) % 100);
    }
    return NULL;
}

/* Positions are honest; records change all the time. */
static void *lie_in_records(void *argument)
{
    static const uint32_t flags[] = { 0, WPIPE__RECORD_MORE,
                                      WPIPE__RECORD_ABORT, WPIPE__RECORD_PAD,
                                      WPIPE__RECORD_MORE |
                                          WPIPE__RECORD_TOTAL };
    struct liar *l = argument;

    while (!stopped(l)) {
        uint64_t tail = their_tail(l);

        atomic_store(&l->raw->mine->tail, atomic_load(&l->raw->theirs->head));
        atomic_store(&l->raw->mine->head, tail + RING);
        for (uint64_t at = 0; at < 512; at += 16) {
            uint64_t r = random_next(&l->random);

            put_word(l, tail + at, (uint64_t)flags[r % 5] << 32 | (r & 8));
        }
    }
    return NULL;
}

static void *(*const lies[])(void *argument) = {
    lie_in_all_words,
    lie_in_records,
};

/* Every call ends in time, with WPIPE_EPROTO or not; nothing is touched that
 * is not ours. Again and again, for a while. */
static void run_lies(int how, int duration_ms)
{
    int64_t until = support_now_ms() + duration_ms;

    for (uint64_t seed = 1; support_now_ms() < until; seed++) {
        struct liar l = { .how = how, .random = seed };
        struct raw_peer raw;
        pthread_t thread;
        int end = 0;

        raw_open_shared(&raw, seed % 2);
        l.raw = &raw;
        assert_int_equal(pthread_create(&thread, NULL, lies[how], &l), 0);
        for (int i = 0; i < 200 && support_now_ms() < until; i++) {
            end = raw_exercise(&raw);
            raw_ignore(&raw);
            if (end < 0)
                break;
        }
        __atomic_store_n(&l.stop, 1, __ATOMIC_RELAXED);
        pthread_join(thread, NULL);
        if (end < 0 && end != WPIPE_EPROTO && end != WPIPE_EMSGSIZE)
            fail_msg("ended with %s", wpipe_error_name(end));
        if (end == WPIPE_EPROTO)
            raw_expect_end(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

static void words_rewritten_at_full_speed(void **state)
{
    (void)state;
    run_lies(0, 1500);
}

static void records_rewritten_at_full_speed(void **state)
{
    (void)state;
    run_lies(1, 1500);
}

/* The announced size of the first message, again and again: large and too
 * large, while we look. */
static void *lie_in_total(void *argument)
{
    struct liar *l = argument;

    while (!stopped(l)) {
        put_word(l, 8, MOST);
        put_word(l, 8, 0x30d00000000ull);
    }
    return NULL;
}

/* What peek tells is never over the limit: it was judged, and that is told. */
static void total_rewritten_at_full_speed_is_never_told(void **state)
{
    const int64_t until = support_now_ms() + 1000;
    size_t told = 0;

    (void)state;
    while (support_now_ms() < until) {
        struct raw_peer raw;
        struct liar l = { .raw = &raw };
        pthread_t thread;

        raw_open_shared(&raw, SERVER);
        put_word(&l, 8, MOST);
        put_word(&l, 0,
                 (uint64_t)(WPIPE__RECORD_MORE | WPIPE__RECORD_TOTAL) << 32 |
                     8);
        atomic_store(&raw.mine->head, 24);
        assert_int_equal(pthread_create(&thread, NULL, lie_in_total, &l), 0);
        for (int i = 0; i < 100; i++) {
            size_t left = 0;
            int64_t r = wpipe_peek(raw.stream, NULL, 0, NULL, &left);

            if (r < 0) {
                assert_int_equal(r, WPIPE_EMSGSIZE);
                break;
            }
            if (left > MOST)
                fail_msg("%zu bytes left in a message", left);
            told++;
        }
        __atomic_store_n(&l.stop, 1, __ATOMIC_RELAXED);
        pthread_join(thread, NULL);
        raw_close(&raw);
    }
    assert_true(told > 0);
}

/* ---- always more of nothing ---------------------------------------------- */

/*
 * A peer that writes as fast as we read never lets the ring run empty. Two
 * threads would have to race for that; here the link itself plays such a peer:
 * whenever it is looked at there is one more record, until much too late.
 */
static struct wpipe__transport endless;
static uint32_t endless_look_flags; /* of every record that look shows */
static uint32_t endless_scan_flags; /* of the second one that a scan shows */
static uint32_t endless_size;
static int64_t endless_until;

static int more_of_it(uint32_t flags, struct wpipe__record *ret)
{
    static const uint8_t bytes[64];
    static unsigned calls;
    const struct wpipe__record record = { .flags = flags,
                                          .size = flags & WPIPE__RECORD_ABORT
                                                      ? 0
                                                      : endless_size,
                                          .data = bytes };

    if (endless_until == 0)
        return 0;
    if (++calls % 1024 == 0 && support_now_ms() > endless_until) {
        endless_until = 0;
        return 0;
    }
    *ret = record;
    return 1;
}

static int endless_look(struct wpipe__link *link, struct wpipe__record *ret)
{
    (void)link;
    return more_of_it(endless_look_flags, ret);
}

static int endless_scan(struct wpipe__link *link, struct wpipe__cursor *cursor,
                        struct wpipe__record *ret)
{
    int first = !cursor->begun;

    (void)link;
    cursor->begun = 1;
    if (++cursor->position > 4096) /* a scan sees what fits the ring */
        return 0;
    return more_of_it(first ? endless_look_flags : endless_scan_flags, ret);
}

static void endless_take(struct wpipe__link *link,
                         const struct wpipe__record *record, uint32_t bytes,
                         int whole)
{
    (void)link;
    (void)record;
    (void)bytes;
    (void)whole;
}

/* Every way to read ends when it was told to, or soon after. */
static void hold_by(uint32_t look_flags, uint32_t scan_flags, uint32_t size,
                    int reads_messages)
{
    struct raw_peer raw;
    const void *view;
    uint8_t buf[64];
    size_t got;

    raw_open_shared(&raw, SERVER);
    endless = *raw.link->transport;
    endless.look = endless_look;
    endless.scan = endless_scan;
    endless.take = endless_take;
    endless_look_flags = look_flags;
    endless_scan_flags = scan_flags;
    endless_size = size;
    raw.link->transport = &endless;
    raw.stream->reads_messages = reads_messages;
    for (int call = 0; call < 5; call++) {
        int64_t start = support_now_ms();
        int64_t took;

        endless_until = start + 2 * RAW_SOON_MS;
        if (call == 0)
            (void)wpipe_read(raw.stream, buf, sizeof buf, 20);
        else if (call == 1)
            (void)wpipe_peek(raw.stream, buf, sizeof buf, NULL, NULL);
        else if (call == 2)
            (void)wpipe_read(raw.stream, buf, 1, 0);
        else if (call == 3)
            (void)wpipe_read(raw.stream, NULL, 0, 0);
        else if (wpipe_read_begin(raw.stream, &view, &got, 20) == 0)
            (void)wpipe_read_end(raw.stream, got);
        took = support_now_ms() - start;
        if (took > RAW_SOON_MS)
            fail_msg("call %d took %lld ms", call, (long long)took);
    }
    raw_close(&raw);
}

static void withdrawals_without_end_do_not_hold_us(void **state)
{
    (void)state;
    hold_by(WPIPE__RECORD_ABORT, WPIPE__RECORD_ABORT, 0, 1);
    hold_by(WPIPE__RECORD_ABORT, WPIPE__RECORD_ABORT, 0, 0);
}

/* A message that seems to be withdrawn; who skips it finds no end. */
static void withdrawal_taken_back_does_not_hold_us(void **state)
{
    (void)state;
    hold_by(WPIPE__RECORD_MORE, WPIPE__RECORD_ABORT, 8, 1);
    hold_by(WPIPE__RECORD_MORE, WPIPE__RECORD_ABORT, 8, 0);
}

/* Empty messages are nothing to a reader of bytes. */
static void empty_messages_without_end_do_not_hold_us(void **state)
{
    (void)state;
    hold_by(0, 0, 0, 0);
}

/* A message without end fills any buffer, and then the read is done. */
static void message_without_end_does_not_hold_us(void **state)
{
    (void)state;
    hold_by(WPIPE__RECORD_MORE, WPIPE__RECORD_MORE, 8, 1);
    hold_by(WPIPE__RECORD_MORE, WPIPE__RECORD_MORE, 8, 0);
}

static const struct support_case cases[] = {
    TEST(head_that_cannot_be_is_eproto),
    TEST(tail_that_cannot_be_is_eproto),
    TEST(state_word_that_is_none_is_eproto),
    TEST(words_looked_at_once_may_change),
    TEST(record_in_ring_that_is_none_is_eproto),
    TEST(words_rewritten_at_full_speed),
    TEST(records_rewritten_at_full_speed),
    TEST(total_rewritten_at_full_speed_is_never_told),
    TEST(withdrawals_without_end_do_not_hold_us),
    TEST(withdrawal_taken_back_does_not_hold_us),
    TEST(empty_messages_without_end_do_not_hold_us),
    TEST(message_without_end_does_not_hold_us),
};

TEST_MAIN(cases)
