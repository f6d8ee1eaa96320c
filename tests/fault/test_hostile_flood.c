/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that say too much or too little: floods of bells and frames, peers that
 * never read, and peers that speak in single bytes. Every call of ours still
 * ends when it was told to.
 */
#include "raw_peer.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <windpipe/error.h>

enum {
    SERVER = 1,
    CLIENT = 0,
    NEVER = WPIPE_SHARED_NEVER
};

/* ---- floods and stillness ------------------------------------------------ */

/* More bells than we ever asked for. */
static void bells_without_end_are_eproto(void **state)
{
    uint8_t bells[1000];
    struct raw_peer raw;

    (void)state;
    memset(bells, WPIPE__FRAME_BELL, sizeof bells);
    raw_open_greeted(&raw, SERVER, NEVER);
    assert_true(raw_send(&raw, bells, sizeof bells));
    raw_expect_end(&raw, WPIPE_EPROTO);
    raw_close(&raw);
    raw_open(&raw, CLIENT, NEVER);
    assert_true(raw_send(&raw, bells, 1));
    raw_expect_greeting(&raw, WPIPE_EPROTO);
    raw_close(&raw);
}

/* Asks and asks, and reads none of the answers. */
static void wants_unread_do_not_hold_us(void **state)
{
    static uint8_t frames[256 * WPIPE__FRAME_HEADER];
    struct raw_peer raw;
    int end = 0;

    (void)state;
    raw_open_greeted(&raw, SERVER, NEVER);
    for (unsigned i = 0; i < 256; i++) {
        const struct wpipe__frame want = { .type = WPIPE__FRAME_WANT,
                                           .value = (uint64_t)i << 8 | 6 };

        wpipe__frame_encode(&want, frames + i * WPIPE__FRAME_HEADER);
    }
    for (int i = 0; i < 2000 && end == 0; i++) {
        (void)raw_data(&raw, 0, "x", 1);
        (void)raw_send(&raw, frames, sizeof frames);
        end = raw_exercise(&raw);
    }
    assert_true(end == 0 || end == WPIPE_EPROTO);
    raw_close(&raw);
}

/* Reads nothing at all: deadlines hold, and closing does not wait. */
static void peer_that_never_reads_costs_deadlines_only(void **state)
{
    static uint8_t bytes[5000];

    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        int64_t start = support_now_ms();
        struct raw_peer raw;
        int64_t r;

        raw_open_greeted(&raw, serves, NEVER);
        do
            r = wpipe_write(raw.stream, bytes, sizeof bytes, 0);
        while (r > 0);
        assert_int_equal(r, WPIPE_ETIMEDOUT);
        assert_int_equal(wpipe_write(raw.stream, bytes, sizeof bytes, 20),
                         WPIPE_ETIMEDOUT);
        for (int i = 0; i < 50; i++)
            assert_int_equal(raw_exercise(&raw), 0);
        assert_int_equal(wpipe_finish(raw.stream), 0);
        wpipe_stream_close(raw.stream);
        raw.stream = NULL;
        raw_hang_up(&raw);
        assert_true(support_now_ms() - start < RAW_SOON_MS);
    }
}

struct flood {
    struct raw_peer *raw;
    int stop;
    uint8_t type;
};

/* Sends the same frame as fast as it is taken; never reads. */
static void *flood_run(void *argument)
{
    struct flood *f = argument;
    uint8_t bytes[64 * (WPIPE__FRAME_HEADER + 8)];
    size_t one = WPIPE__FRAME_HEADER;

    memset(bytes, 0, sizeof bytes);
    if (f->type == WPIPE__FRAME_CREDIT)
        one += 8;
    for (size_t i = 0; i < 64; i++) {
        const struct wpipe__frame frame = {
            .type = f->type,
            .size = (uint32_t)(one - WPIPE__FRAME_HEADER),
            .value = f->type == WPIPE__FRAME_STATE
        };

        wpipe__frame_encode(&frame, bytes + i * one);
    }
    while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED))
        (void)send(f->raw->fd, bytes, 64 * one, MSG_NOSIGNAL | MSG_DONTWAIT);
    return NULL;
}

static void flood_one(uint8_t type, int deaf, int serves)
{
    struct flood f = { .type = type };
    struct raw_peer raw;
    pthread_t thread;
    int64_t until;

    raw_open_greeted(&raw, serves, NEVER);
    f.raw = &raw;
    if (deaf) /* our sends meet EPIPE, while more and more comes */
        assert_int_equal(shutdown(raw.fd, SHUT_RD), 0);
    assert_int_equal(pthread_create(&thread, NULL, flood_run, &f), 0);
    until = support_now_ms() + 150;
    while (support_now_ms() < until)
        if (raw_exercise(&raw) < 0)
            break;
    __atomic_store_n(&f.stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    raw_close(&raw);
}

/* Frames that cost nothing, at full speed: every call still ends in time. */
static void flood_of_frames_does_not_hold_us(void **state)
{
    static const uint8_t types[] = { WPIPE__FRAME_WANT, WPIPE__FRAME_CREDIT,
                                     WPIPE__FRAME_STAY, WPIPE__FRAME_STATE };

    (void)state;
    for (int i = 0; i < 8; i++)
        flood_one(types[i / 2], 0, i % 2);
}

static void flood_from_deaf_peer_does_not_hold_us(void **state)
{
    static const uint8_t types[] = { WPIPE__FRAME_WANT, WPIPE__FRAME_CREDIT,
                                     WPIPE__FRAME_STAY, WPIPE__FRAME_STATE };

    (void)state;
    for (int i = 0; i < 8; i++)
        flood_one(types[i / 2], 1, i % 2);
}

/* A whole conversation in single bytes is a conversation. */
static void frames_byte_by_byte_are_frames(void **state)
{
    uint8_t bytes[WPIPE__FRAME_HEADER + 10];
    const struct wpipe__frame frame = { .type = WPIPE__FRAME_DATA, .size = 10 };
    struct raw_peer raw;
    uint8_t buf[16];

    (void)state;
    wpipe__frame_encode(&frame, bytes);
    memcpy(bytes + WPIPE__FRAME_HEADER, "0123456789", 10);
    raw_open_greeted(&raw, SERVER, NEVER);
    for (int i = 0; i < 100; i++) {
        for (size_t k = 0; k < sizeof bytes; k++) {
            assert_int_equal(wpipe_read(raw.stream, buf, 16, 0),
                             WPIPE_ETIMEDOUT);
            assert_true(raw_send(&raw, bytes + k, 1));
        }
        assert_int_equal(wpipe_read(raw.stream, buf, 16, 0), 10);
        assert_memory_equal(buf, "0123456789", 10);
        raw_ignore(&raw);
    }
    raw_close(&raw);
}

static const struct support_case cases[] = {
    TEST(bells_without_end_are_eproto),
    TEST(wants_unread_do_not_hold_us),
    TEST(peer_that_never_reads_costs_deadlines_only),
    TEST(flood_of_frames_does_not_hold_us),
    TEST(flood_from_deaf_peer_does_not_hold_us),
    TEST(frames_byte_by_byte_are_frames),
};

TEST_MAIN(cases)
