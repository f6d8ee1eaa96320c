/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing to peers that are not windpipe: messages of many pieces, what a byte
 * stream cannot carry, what cannot be taken back, and memory that is short with
 * half a message on its way.
 */
#include "support.h"

#include <string.h>
#include <sys/socket.h>
#include <windpipe.h>

#include "base/base.h"
#include "base/memory.h"
#include "base/options.h"
#include "link/link.h"
#include "loop/outbox.h"
#include "stream/stream.h"

enum {
    MANY = 1024 /* pieces of one write */
};

/* A link with that framing, and the peer's end of its socket. */
struct pair {
    wpipe_options options;
    struct wpipe__link *link;
    wpipe_stream *stream; /* it owns the link, once made */
    wpipe__handle peer;
};

static void pair_open(struct pair *p, int framing)
{
    wpipe_options wish = { .size = sizeof(wish),
                           .type = WPIPE_MESSAGE,
                           .framing = framing };
    wpipe__handle ends[2];

    memset(p, 0, sizeof(*p));
    assert_int_equal(wpipe__options_take(&wish, &p->options), 0);
    assert_int_equal(wpipe__os_socket_pair(ends), 0);
    p->peer = ends[1];
    assert_int_equal(wpipe__foreign_make(ends[0], &p->options, &p->link), 0);
}

static void pair_stream(struct pair *p, int framing)
{
    pair_open(p, framing);
    assert_int_equal(wpipe__stream_make(p->link, &p->options, 0, &p->stream),
                     0);
}

static void pair_close(struct pair *p)
{
    if (p->stream != NULL)
        wpipe_stream_close(p->stream);
    else
        p->link->transport->free(p->link);
    wpipe__os_close(p->peer);
    assert_int_equal(wpipe__memory_live(), 0);
}

static void expect_bytes(const struct pair *p, const void *bytes, size_t size)
{
    uint8_t got[2 * MANY + 16];

    assert_true(size < sizeof(got));
    assert_int_equal(recv(p->peer, got, sizeof(got), MSG_DONTWAIT), size);
    assert_memory_equal(got, bytes, size);
}

static void expect_nothing(const struct pair *p)
{
    char byte;

    assert_int_equal(recv(p->peer, &byte, 1, MSG_DONTWAIT), -1);
}

static int put(struct pair *p, uint32_t flags, const void *data, size_t size)
{
    wpipe_piece piece = { (void *)(uintptr_t)data, size };
    struct wpipe__parcel parcel = { .pieces = &piece, .count = 1 };

    parcel.record.flags = flags;
    parcel.record.size = (uint32_t)size;
    return p->link->transport->put(p->link, &parcel);
}

/* ---- pieces -------------------------------------------------------------- */

/* As many as wpipe_writev takes, whatever goes before them. */
static void write_of_many_pieces_is_one_message(void **state)
{
    static const struct {
        int framing;
        uint8_t before[5]; /* the message: 1025 bytes */
        size_t size;
    } rows[] = {
        { WPIPE_FRAMING_RAW, { 0 }, 0 },
        { WPIPE_FRAMING_LE32, { 1, 4, 0, 0 }, 4 },
        { WPIPE_FRAMING_BE32, { 0, 0, 4, 1 }, 4 },
        { WPIPE_FRAMING_TYPE_LE32, { 'p', 0, 4, 0, 0 }, 5 },
    };
    static const int counts[] = { 15, 16, 17, MANY };

    (void)state;
    for (size_t i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        static char text[MANY + 1];
        wpipe_piece pieces[MANY];
        struct pair p;

        memset(text, 'p', sizeof(text));
        for (size_t n = 0; n < WPIPE__ARRAY_SIZE(counts); n++) {
            uint8_t want[sizeof(text) + 5];
            const int is_typed = rows[i].framing == WPIPE_FRAMING_TYPE_LE32;
            const int count = counts[n];

            for (int k = 0; k < count; k++)
                pieces[k] = (wpipe_piece){ text + k, 1 };
            pieces[count - 1].size = sizeof(text) - (size_t)count + 1;
            memcpy(want, rows[i].before, 5);
            memset(want + rows[i].size, 'p', sizeof(text));
            pair_stream(&p, rows[i].framing);
            assert_int_equal(
                wpipe_writev(p.stream, pieces, count, SUPPORT_WAIT_MS),
                sizeof(text));
            expect_bytes(&p, want,
                         rows[i].size + sizeof(text) - (size_t)is_typed);
            pair_close(&p);
        }
    }
}

/* A record may begin anywhere in them, also in front of empty ones; however
 * many there are. */
static void write_of_pieces_from_an_offset(void **state)
{
    char no[] = "no";
    char yes[] = "not yes";
    char end[] = "!";
    wpipe_piece pieces[20] = {
        { no, 2 }, { NULL, 0 }, { yes, 7 }, { NULL, 0 }, { end, 1 }
    };
    struct wpipe__parcel parcel = { .pieces = pieces, .offset = 6 };
    struct pair p;

    (void)state;
    parcel.record.size = 4;
    pair_open(&p, WPIPE_FRAMING_TYPE_LE32);
    for (parcel.count = 5; parcel.count <= 20; parcel.count += 15) {
        assert_int_equal(p.link->transport->put(p.link, &parcel), 1);
        expect_bytes(&p, "y\3\0\0\0es!", 8);
    }
    pair_close(&p);
}

static void write_of_many_pieces_without_memory_sends_nothing(void **state)
{
    wpipe_piece pieces[MANY];
    char byte = 'x';
    struct pair p;

    (void)state;
    for (int k = 0; k < MANY; k++)
        pieces[k] = (wpipe_piece){ &byte, 1 };
    pair_stream(&p, WPIPE_FRAMING_RAW);
    wpipe__memory_fail_at(1);
    assert_int_equal(wpipe_writev(p.stream, pieces, MANY, 0), WPIPE_ENOMEM);
    wpipe__memory_fail_at(0);
    expect_nothing(&p);
    assert_int_equal(wpipe_write(p.stream, "after", 5, 0), 5);
    expect_bytes(&p, "after", 5);
    pair_close(&p);
}

/* ---- what cannot be ------------------------------------------------------ */

static void write_of_a_call_is_enotsup(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, WPIPE_FRAMING_LE32);
    assert_int_equal(put(&p, WPIPE__RECORD_REQUEST, "call", 4), WPIPE_ENOTSUP);
    assert_int_equal(put(&p, WPIPE__RECORD_REPLY, "reply", 5), WPIPE_ENOTSUP);
    expect_nothing(&p);
    pair_close(&p);
}

/* Its length goes in front, and is not known. */
static void write_of_a_beginning_needs_its_length(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, WPIPE_FRAMING_LE32);
    assert_int_equal(put(&p, WPIPE__RECORD_MORE, "part", 4), WPIPE_ENOTSUP);
    expect_nothing(&p);
    pair_close(&p);
    pair_open(&p, WPIPE_FRAMING_LINES);
    assert_int_equal(put(&p, WPIPE__RECORD_MORE, "part", 4), 1);
    assert_int_equal(put(&p, 0, "ner", 3), 1);
    expect_bytes(&p, "partner\n", 8);
    pair_close(&p);
}

static void write_of_nothing_has_no_type(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, WPIPE_FRAMING_TYPE_LE32);
    assert_int_equal(put(&p, 0, "", 0), WPIPE_EINVAL);
    expect_nothing(&p);
    pair_close(&p);
}

/* ---- half a message ------------------------------------------------------ */

static void message_given_up_half_way_ends_the_connection(void **state)
{
    const struct wpipe__transport *t;
    struct pair p;
    char byte;

    (void)state;
    pair_open(&p, WPIPE_FRAMING_LINES);
    t = p.link->transport;
    assert_int_equal(put(&p, WPIPE__RECORD_MORE, "half", 4), 1);
    assert_int_equal(t->mark(p.link, WPIPE__RECORD_ABORT), 0);
    assert_int_equal(put(&p, 0, "next", 4), WPIPE_EABORTED);
    expect_bytes(&p, "half", 4);
    assert_int_equal(recv(p.peer, &byte, 1, MSG_DONTWAIT), 0);
    pair_close(&p);
    /* bytes have no halves */
    pair_open(&p, WPIPE_FRAMING_RAW);
    assert_int_equal(put(&p, WPIPE__RECORD_MORE, "half", 4), 1);
    assert_int_equal(t->mark(p.link, WPIPE__RECORD_ABORT), 0);
    assert_int_equal(put(&p, 0, "next", 4), 1);
    expect_bytes(&p, "halfnext", 8);
    pair_close(&p);
}

/* The system took a part, and the rest finds no memory: the peer must not take
 * the next message for that rest. */
static void message_cut_short_for_memory_ends_the_connection(void **state)
{
    static uint8_t data[1 << 20];
    struct pair p;
    int r;

    (void)state;
    pair_open(&p, WPIPE_FRAMING_LE32);
    wpipe__memory_fail_at(1);
    r = put(&p, 0, data, sizeof(data));
    wpipe__memory_fail_at(0);
    assert_int_equal(r, WPIPE_ENOMEM);
    assert_int_equal(put(&p, 0, "next", 4), WPIPE_ENOMEM);
    pair_close(&p);
}

/* Of a message in two records. */
static void second_record_without_memory_ends_the_connection(void **state)
{
    static char data[300];
    wpipe_piece pieces[MANY];
    struct pair p;

    (void)state;
    for (int k = 0; k < MANY; k++)
        pieces[k] = (wpipe_piece){ data, sizeof(data) };
    pair_stream(&p, WPIPE_FRAMING_LE32);
    wpipe__memory_fail_at(-2);
    assert_int_equal(wpipe_writev(p.stream, pieces, MANY, 0), WPIPE_ENOMEM);
    wpipe__memory_fail_at(0);
    assert_int_equal(wpipe_write(p.stream, "next", 4, 0), WPIPE_EABORTED);
    pair_close(&p);
}

/* That it cannot be carried shows in its second record: nothing of it goes. */
static void line_with_a_late_newline_sends_nothing(void **state)
{
    static char line[300000];
    struct wpipe__budget budget = { .limit = sizeof(line) };
    struct wpipe__outgoing post = { .data = line, .size = sizeof(line) };
    struct wpipe__outbox outbox = { .limit = sizeof(line) };
    uint64_t held = 0;
    struct wpipe__share share = { &budget, &held, NULL };
    struct pair p;

    (void)state;
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 2] = '\n';
    pair_stream(&p, WPIPE_FRAMING_LINES);
    assert_int_equal(wpipe_write(p.stream, line, sizeof(line), 0),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_write(p.stream, "next", 4, 0), 4);
    expect_bytes(&p, "next\n", 5);
    pair_close(&p);
    pair_open(&p, WPIPE_FRAMING_LINES);
    assert_int_equal(wpipe__outbox_send(&outbox, p.link, &share, &post, 0),
                     WPIPE_EINVAL);
    expect_nothing(&p);
    pair_close(&p);
}

static void line_with_its_newline_is_one_line(void **state)
{
    wpipe_piece pieces[] = { { (char *)(uintptr_t) "a", 1 },
                             { (char *)(uintptr_t) "b\n", 2 },
                             { NULL, 0 } };
    struct pair p;

    (void)state;
    pair_stream(&p, WPIPE_FRAMING_LINES);
    assert_int_equal(wpipe_write(p.stream, "one\n", 4, 0), 4);
    assert_int_equal(wpipe_write(p.stream, "two", 3, 0), 3);
    assert_int_equal(wpipe_write(p.stream, "\n", 1, 0), 1);
    assert_int_equal(wpipe_write(p.stream, "", 0, 0), 0);
    assert_int_equal(wpipe_writev(p.stream, pieces, 3, 0), 3);
    expect_bytes(&p, "one\ntwo\n\n\nab\n", 13);
    assert_int_equal(wpipe_write(p.stream, "a\nb", 3, 0), WPIPE_EINVAL);
    expect_nothing(&p);
    pair_close(&p);
}

static const struct support_case cases[] = {
    TEST(write_of_many_pieces_is_one_message),
    TEST(write_of_pieces_from_an_offset),
    TEST(write_of_many_pieces_without_memory_sends_nothing),
    TEST(write_of_a_call_is_enotsup),
    TEST(write_of_a_beginning_needs_its_length),
    TEST(write_of_nothing_has_no_type),
    TEST(message_given_up_half_way_ends_the_connection),
    TEST(message_cut_short_for_memory_ends_the_connection),
    TEST(second_record_without_memory_ends_the_connection),
    TEST(line_with_a_late_newline_sends_nothing),
    TEST(line_with_its_newline_is_one_line),
};

TEST_MAIN(cases)
