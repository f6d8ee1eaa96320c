/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that greet wrongly, in both roles: garbage, other protocols, fields out
 * of range, and a greeting in pieces. Each ends with the error that names it.
 */
#include "raw_peer.h"

#include <string.h>
#include <sys/socket.h>
#include <windpipe/error.h>

enum {
    SERVER = 1,
    CLIENT = 0,
    NEVER = WPIPE_SHARED_NEVER
};

static uint64_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* ---- instead of a greeting ----------------------------------------------- */

static void greeting_of_garbage_is_eproto(void **state)
{
    uint64_t random = 5;

    (void)state;
    for (int i = 0; i < 400; i++) {
        uint8_t bytes[200];
        struct raw_peer raw;
        int r;

        raw_open(&raw, i % 2, NEVER);
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)random_next(&random);
        if (i % 4 < 2) /* look more like a frame */
            bytes[1] = bytes[2] = bytes[3] = 0;
        assert_true(raw_send(&raw, bytes, sizeof bytes));
        r = wpipe__native_greeted(raw.link);
        assert_true(r == WPIPE_EPROTO || r == WPIPE__GREET_PENDING);
        raw_hang_up(&raw);
        assert_true(wpipe__native_greeted(raw.link) < 0);
        raw_close(&raw);
    }
}

/* What other programs say first. */
static void greeting_of_other_protocols_is_eproto(void **state)
{
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2p1\r\n",
        "{\"jsonrpc\": \"2.0\", \"method\": \"hello\"}\n",
        "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
        "\x16\x03\x01\x02\x10\x01\x01\x01\xfc\x03\x03 and a client hello",
    };

    (void)state;
    for (int i = 0; i < 10; i++) {
        struct raw_peer raw;

        raw_open(&raw, i % 2, NEVER);
        assert_true(raw_send(&raw, texts[i / 2], strlen(texts[i / 2])));
        raw_expect_greeting(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

static void greeting_with_wrong_magic_is_eproto(void **state)
{
    static const uint64_t values[] = { 0, 1, WPIPE__HELLO_MAGIC ^ 1,
                                       UINT64_MAX };
    struct wpipe__greeting g = raw_greeting();

    (void)state;
    for (int i = 0; i < 8; i++) {
        struct raw_peer raw;

        raw_open(&raw, i % 2, NEVER);
        assert_true(raw_greet(&raw,
                              i % 2 ? WPIPE__FRAME_HELLO : WPIPE__FRAME_VERDICT,
                              values[i / 2], &g));
        raw_expect_greeting(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

/* A greeting with one field out of its range. */
static void greet_badly(int field, struct wpipe__greeting *g)
{
    switch (field) {
    case 0:
        g->version_low = 2;
        g->version_high = 1;
        break;
    case 1:
        g->type = 3;
        break;
    case 2:
        g->direction = 7;
        break;
    case 3:
        g->code = 99;
        break;
    case 4:
        g->buffer_in = UINT32_MAX;
        break;
    case 5:
        g->buffer_out = 12345;
        break;
    case 6:
        g->buffer_out = 2048;
        break;
    default:
        g->max_message = 0;
        break;
    }
}

static void greeting_with_field_out_of_range_is_eproto(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++) {
        struct wpipe__greeting g = raw_greeting();
        struct raw_peer raw;

        greet_badly(i / 2, &g);
        raw_open(&raw, i % 2, NEVER);
        assert_true(raw_greet(&raw,
                              i % 2 ? WPIPE__FRAME_HELLO : WPIPE__FRAME_VERDICT,
                              WPIPE__HELLO_MAGIC, &g));
        raw_expect_greeting(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

/* Versions that are none of ours: told so, in both roles. */
static void greeting_of_later_version_is_refused(void **state)
{
    struct wpipe__greeting g = raw_greeting();
    uint8_t answer[WPIPE__FRAME_HEADER + WPIPE__GREETING_SIZE];
    struct raw_peer raw;

    (void)state;
    g.version_low = 2;
    g.version_high = 9;
    raw_open(&raw, SERVER, NEVER);
    assert_true(raw_greet(&raw, WPIPE__FRAME_HELLO, WPIPE__HELLO_MAGIC, &g));
    raw_expect_greeting(&raw, WPIPE__GREET_HELLO);
    assert_int_equal(wpipe__native_admit(raw.link), WPIPE_EVERSION);
    wpipe__native_refuse(raw.link, WPIPE_EVERSION);
    assert_int_equal(recv(raw.fd, answer, sizeof answer, 0), sizeof answer);
    assert_int_equal(answer[0], WPIPE__FRAME_VERDICT);
    assert_int_equal(wpipe__greeting_decode(answer + WPIPE__FRAME_HEADER, &g),
                     0);
    assert_int_equal(g.code, WPIPE__VERDICT_VERSION);
    raw_close(&raw);
    /* a server that chose what the client does not speak */
    g = raw_greeting();
    g.version_low = g.version_high = 2;
    raw_open(&raw, CLIENT, NEVER);
    assert_true(raw_greet(&raw, WPIPE__FRAME_VERDICT, WPIPE__HELLO_MAGIC, &g));
    raw_expect_greeting(&raw, WPIPE_EPROTO);
    raw_close(&raw);
    /* one that speaks it among others is welcome */
    g.version_low = 0;
    g.version_high = UINT16_MAX;
    raw_open(&raw, SERVER, NEVER);
    assert_true(raw_greet(&raw, WPIPE__FRAME_HELLO, WPIPE__HELLO_MAGIC, &g));
    raw_expect_greeting(&raw, WPIPE__GREET_HELLO);
    assert_int_equal(wpipe__native_admit(raw.link), 0);
    raw_close(&raw);
}

static void greeting_of_wrong_size_is_eproto(void **state)
{
    static const uint32_t sizes[] = { 0, 39, 41, 80, 65536, UINT32_MAX };

    (void)state;
    for (int i = 0; i < 12; i++) {
        struct raw_peer raw;

        raw_open(&raw, i % 2, NEVER);
        assert_true(
            raw_header(&raw, i % 2 ? WPIPE__FRAME_HELLO : WPIPE__FRAME_VERDICT,
                       0, WPIPE__HELLO_MAGIC, sizes[i / 2]));
        raw_expect_greeting(&raw, WPIPE_EPROTO);
        raw_close(&raw);
    }
}

/* Before its turn nothing but the greeting may come. */
static void frame_before_greeting_is_eproto(void **state)
{
    (void)state;
    for (unsigned type = 1; type < 256; type++) {
        for (int serves = 0; serves < 2; serves++) {
            uint32_t size = 0;
            struct raw_peer raw;

            if (type == WPIPE__FRAME_BELL ||
                (serves ? type == WPIPE__FRAME_HELLO
                        : type == WPIPE__FRAME_VERDICT ||
                              type == WPIPE__FRAME_WAIT))
                continue;
            if (type == WPIPE__FRAME_HELLO || type == WPIPE__FRAME_VERDICT)
                size = WPIPE__GREETING_SIZE;
            if (type == WPIPE__FRAME_CREDIT || type == WPIPE__FRAME_SWITCH)
                size = 8;
            raw_open(&raw, serves, WPIPE_SHARED_AUTO);
            assert_true(raw_frame(&raw, (uint8_t)type, 0,
                                  type == WPIPE__FRAME_STATE, NULL, size));
            raw_expect_greeting(&raw, WPIPE_EPROTO);
            raw_close(&raw);
        }
    }
}

/* After its turn the greeting may not come again. */
static void greeting_twice_is_eproto(void **state)
{
    struct wpipe__greeting g = raw_greeting();

    (void)state;
    for (int serves = 0; serves < 2; serves++) {
        for (uint8_t type = WPIPE__FRAME_HELLO; type <= WPIPE__FRAME_WAIT;
             type++) {
            struct raw_peer raw;

            raw_open_greeted(&raw, serves, NEVER);
            if (type == WPIPE__FRAME_WAIT)
                assert_true(raw_frame(&raw, type, 0, 0, NULL, 0));
            else
                assert_true(raw_greet(&raw, type, WPIPE__HELLO_MAGIC, &g));
            raw_expect_end(&raw, WPIPE_EPROTO);
            raw_close(&raw);
        }
    }
}

/* FACTS for somebody who asked nothing. */
static void facts_unasked_are_eproto(void **state)
{
    struct raw_peer raw;

    (void)state;
    raw_open(&raw, CLIENT, NEVER);
    assert_true(raw_frame(&raw, WPIPE__FRAME_FACTS, 0, 0, "facts", 5));
    raw_expect_greeting(&raw, WPIPE_EPROTO);
    raw_close(&raw);
    raw_open_greeted(&raw, CLIENT, NEVER);
    assert_true(raw_frame(&raw, WPIPE__FRAME_FACTS, 0, 0, "facts", 5));
    raw_expect_end(&raw, WPIPE_EPROTO);
    raw_close(&raw);
}

/* Leaving after each byte of the greeting; and each byte for itself. */
static void greeting_byte_by_byte(void **state)
{
    enum {
        SIZE = WPIPE__FRAME_HEADER + WPIPE__GREETING_SIZE
    };
    struct wpipe__greeting g = raw_greeting();
    uint8_t bytes[SIZE];
    struct wpipe__frame frame = { .size = WPIPE__GREETING_SIZE,
                                  .value = WPIPE__HELLO_MAGIC };

    (void)state;
    wpipe__greeting_encode(&g, bytes + WPIPE__FRAME_HEADER);
    for (size_t size = 0; size <= SIZE; size++) {
        for (int serves = 0; serves < 2; serves++) {
            int done = serves ? WPIPE__GREET_HELLO : WPIPE__GREET_DONE;
            struct raw_peer raw;
            int r;

            frame.type = serves ? WPIPE__FRAME_HELLO : WPIPE__FRAME_VERDICT;
            wpipe__frame_encode(&frame, bytes);
            raw_open(&raw, serves, NEVER);
            for (size_t i = 0; i < size; i++) {
                assert_int_equal(wpipe__native_greeted(raw.link),
                                 WPIPE__GREET_PENDING);
                assert_true(raw_send(&raw, bytes + i, 1));
            }
            assert_int_equal(wpipe__native_greeted(raw.link),
                             size == SIZE ? done : WPIPE__GREET_PENDING);
            raw_hang_up(&raw);
            r = wpipe__native_greeted(raw.link);
            assert_true(r < 0 || (size == SIZE && r == done));
            raw_close(&raw);
        }
    }
}

static const struct support_case cases[] = {
    TEST(greeting_of_garbage_is_eproto),
    TEST(greeting_of_other_protocols_is_eproto),
    TEST(greeting_with_wrong_magic_is_eproto),
    TEST(greeting_with_field_out_of_range_is_eproto),
    TEST(greeting_of_later_version_is_refused),
    TEST(greeting_of_wrong_size_is_eproto),
    TEST(frame_before_greeting_is_eproto),
    TEST(greeting_twice_is_eproto),
    TEST(facts_unasked_are_eproto),
    TEST(greeting_byte_by_byte),
};

TEST_MAIN(cases)
