/* SPDX-License-Identifier: Apache-2.0 */
/* The .NET checklist: bytes both ways. Rows 76-88 and 114. */
#include "table.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- nothing, and one: rows 76-78 ---------------------------------------- */

static void row_zero(enum side side)
{
    struct pair pair;
    char none;

    row_begin("76", "reads of no bytes", side);
    pair_open(&pair, side, 0, "InOut");
    for (int i = 0; i < 2; i++)
        saw("%s", is_mono ? "0" : tell("read a 0")); /* it would block */
    saw("%d", (int)wpipe_read(pair.stream, &none, 0, WAIT_MS));
    row_end("0 0 0");

    row_begin("77", "its writes of no bytes between others", side);
    tell("write a");
    tell("write a hello");
    tell("write a");
    tell("write a world");
    saw("%s", read_text(pair.stream, 5));
    saw("%s", read_text(pair.stream, 16));
    row_end("5:hello 5:world");

    row_begin("77", "our writes of no bytes between others", side);
    saw("%s", word(wpipe_write(pair.stream, "", 0, WAIT_MS)));
    (void)wpipe_write(pair.stream, "hello", 5, WAIT_MS);
    saw("%s", word(wpipe_write(pair.stream, "", 0, WAIT_MS)));
    (void)wpipe_write(pair.stream, "world", 5, WAIT_MS);
    saw("%s", tell("read a 16"));
    pair_close(&pair);
    row_end("ok ok 10:helloworld");
}

static void row_single(enum side side)
{
    struct pair pair;
    uint8_t byte;
    int in = 0;
    int out = 0;

    row_begin("78", "42 single bytes each way", side);
    pair_open(&pair, side, 0, "InOut");
    for (int i = 0; i < 42; i++) {
        tell("writebyte a %d", i + 1);
        byte = (uint8_t)(100 + i);
        (void)wpipe_write(pair.stream, &byte, 1, WAIT_MS);
    }
    for (int i = 0; i < 42; i++) {
        in += wpipe_read(pair.stream, &byte, 1, WAIT_MS) == 1 && byte == i + 1;
        out += strtol(tell("readbyte a"), NULL, 10) == 100 + i;
    }
    saw("%d %d", in, out);
    pair_close(&pair);
    row_end("42 42");
}

/* ---- sizes: rows 79-81, 86 ----------------------------------------------- */

/* `total` bytes each way, written `out` and read `in` at a time. */
static void see_bytes(struct pair *pair, int total, int out, int in)
{
    tell("start t writebig a %d %d", total, out);
    saw("%s", read_pattern(pair->stream, total, in));
    tell("join t");
    tell("start t readall a %d %d", total, in);
    (void)write_pattern(pair->stream, total, out);
    saw("%s", tell("join t"));
}

static void row_chunks(enum side side, const char *number, const char *what,
                       const int sizes[3])
{
    struct pair pair;
    char expected[64];

    row_begin(number, what, side);
    pair_open(&pair, side, 0, "InOut");
    see_bytes(&pair, sizes[0], sizes[1], sizes[2]);
    pair_close(&pair);
    (void)snprintf(expected, sizeof(expected), "%d same %d same", sizes[0],
                   sizes[0]);
    row_end(expected);
}

static void row_sizes(enum side side)
{
    static const struct {
        const char *number;
        const char *what;
        int sizes[3]; /* in all, a write, a read */
    } rows[] = {
        { "79", "1 byte at a time", { 2048, 1, 1 } },
        { "79", "42 bytes at a time", { 42000, 42, 42 } },
        { "79", "10 KiB at a time, 10 MiB", { 10485760, 10240, 10240 } },
        { "86", "5000 times 1 byte, read by 1", { 5000, 1, 1 } },
        { "86", "500 times 21 bytes, read by 18", { 10500, 21, 18 } },
        { "86", "500 times 18 bytes, read by 21", { 9000, 18, 21 } },
        { "86", "5 times 128000, read by 64000", { 640000, 128000, 64000 } },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        row_chunks(side, rows[i].number, rows[i].what, rows[i].sizes);
}

static void row_no_more(enum side side)
{
    struct pair pair;
    char buf[1024];
    char text[513];
    int in = 0;
    int out = 0;

    row_begin("80", "512 into 1024 bytes, 5 times each way", side);
    pair_open(&pair, side, 0, "InOut");
    memset(text, 'x', 512);
    text[512] = '\0';
    for (int i = 0; i < 5; i++) {
        tell("write a %s", text);
        in += wpipe_read(pair.stream, buf, sizeof(buf), WAIT_MS) == 512;
        (void)wpipe_write(pair.stream, text, 512, WAIT_MS);
        out += strtol(tell("read a 1024"), NULL, 10) == 512;
    }
    saw("%d %d", in, out);
    pair_close(&pair);
    row_end("5 5");
}

/* ---- ends: rows 82-84, 87 ------------------------------------------------ */

static void row_ends(enum side side)
{
    struct pair pair;

    row_begin("82", "it says hello and is disposed", side);
    pair_open(&pair, side, 0, "InOut");
    tell("write a hello");
    tell("dispose a");
    saw("%s", read_text(pair.stream, 16));
    for (int i = 0; i < 3; i++)
        saw("%s", read_text(pair.stream, 16));
    pair_close(&pair);
    row_end("5:hello EOF EOF EOF");

    row_begin("83", "we say hello and close", side);
    pair_open(&pair, side, 0, "InOut");
    (void)wpipe_write(pair.stream, "hello", 5, WAIT_MS);
    wpipe_stream_close(pair.stream);
    pair.stream = NULL;
    saw("%s", tell("read a 16"));
    saw("%s", tell("read a 16"));
    saw("%s", tell("read a 16"));
    saw("%s", tell("readbyte a"));
    saw("%s", tell("asyncread a 16"));
    pair_close(&pair);
    row_end("5:hello 0 0 -1 0");
}

static void *read_until_end(void *stream)
{
    static char word_of_end[32];

    (void)snprintf(word_of_end, sizeof(word_of_end), "%s",
                   read_text(stream, 16));
    return word_of_end;
}

static void row_pending(enum side side)
{
    struct pair pair;
    pthread_t reader;
    void *end = NULL;

    row_begin("84", "its read is pending, we close", side);
    pair_open(&pair, side, 0, "InOut");
    tell("start r read a 16");
    wpipe_stream_close(pair.stream);
    pair.stream = NULL;
    saw("%s", tell("join r"));
    pair_close(&pair);
    row_end("0");

    row_begin("84", "our read is pending, it is disposed", side);
    pair_open(&pair, side, 0, "InOut");
    if (pthread_create(&reader, NULL, read_until_end, pair.stream) == 0) {
        tell("dispose a");
        (void)pthread_join(reader, &end);
        saw("%s", (char *)end);
    }
    pair_close(&pair);
    row_end("EOF");
}

static void row_copy(enum side side, int size)
{
    struct pair pair;
    char what[64];
    char expected[64];

    (void)snprintf(what, sizeof(what), "%d bytes to the end, each way", size);
    (void)snprintf(expected, sizeof(expected), "%d same %d same", size, size);
    row_begin("87", what, side);
    pair_open(&pair, side, 0, "InOut");
    tell("start t copy a");
    (void)write_pattern(pair.stream, size, 4096);
    wpipe_stream_close(pair.stream);
    pair.stream = NULL;
    saw("%s", tell("join t"));
    pair_close(&pair);
    pair_open(&pair, side, 0, "InOut");
    tell("start t writebig a %d 4096", size);
    if (size < 65536) {
        tell("join t");
        tell("dispose a");
    }
    saw("%s", read_pattern(pair.stream, size < 65536 ? size + 1 : size, 5000));
    pair_close(&pair);
    row_end(expected);
}

/* ---- at once: rows 85, 88, 114 ------------------------------------------- */

enum {
    DUPLEX = 8 << 20
};

static void *write_duplex(void *stream)
{
    (void)write_pattern(stream, DUPLEX, 10000);
    (void)wpipe_finish(stream);
    return NULL;
}

static void row_duplex(enum side side)
{
    struct pair pair;
    pthread_t writer;
    char expected[64];

    row_begin("85", "8 MiB there and back at the same time", side);
    pair_open(&pair, side, 0, "InOut");
    tell("start e echo a");
    if (pthread_create(&writer, NULL, write_duplex, pair.stream) == 0) {
        saw("%s", read_pattern(pair.stream, DUPLEX, 9000));
        (void)pthread_join(writer, NULL);
    }
    saw("%s", tell("join e"));
    pair_close(&pair);
    (void)snprintf(expected, sizeof(expected), "%d same %d", DUPLEX, DUPLEX);
    row_end(expected);
}

static void open_pairs(enum side side, wpipe_stream **streams, int count,
                       wpipe_listener **ret_listener)
{
    char name[96];

    *ret_listener = side == DOTNET_CLIENT
                        ? listen_here(row_name(), WPIPE_DUPLEX, count)
                        : NULL;
    for (int i = 0; i < count; i++) {
        if (side == DOTNET_CLIENT) {
            tell("client p%d %s InOut", i, row_name());
            tell("connect p%d 5000", i);
            (void)wpipe_accept(*ret_listener, &streams[i], WAIT_MS);
        } else {
            (void)snprintf(name, sizeof(name), "%s.%d", row_name(), i);
            tell("server p%d %s InOut 1", i, name);
            (void)connect_here(&streams[i], name, 0);
            tell("wait p%d", i);
        }
    }
}

static void row_parallel(enum side side)
{
    enum {
        PAIRS = 20,
        SIZE = 10240
    };
    wpipe_listener *listener;
    wpipe_stream *streams[PAIRS] = { NULL };
    int in = 0;
    int out = 0;

    row_begin("88", "20 pairs at once, 10 KiB each way", side);
    open_pairs(side, streams, PAIRS, &listener);
    for (int i = 0; i < PAIRS; i++)
        tell("start r%d readall p%d %d 4096", i, i, SIZE);
    for (int i = 0; i < PAIRS; i++)
        tell("start w%d writebig p%d %d 1000", i, i, SIZE);
    for (int i = PAIRS - 1; i >= 0; i--)
        (void)write_pattern(streams[i], SIZE, 3000);
    for (int i = 0; i < PAIRS; i++) {
        in += strcmp(read_pattern(streams[i], SIZE, 3000), "10240 same") == 0;
        out += strcmp(tell("join r%d", i), "10240 same") == 0;
        tell("join w%d", i);
    }
    saw("%d %d", in, out);
    for (int i = 0; i < PAIRS; i++) {
        tell("dispose p%d", i);
        wpipe_stream_close(streams[i]);
    }
    wpipe_listener_close(listener);
    row_end("20 20");
}

static void row_ping_pong(enum side side)
{
    wpipe_listener *listener;
    wpipe_stream *streams[2] = { NULL };
    uint8_t byte;
    int good = 0;

    row_begin("114", "10 bytes to and fro over two pipes", side);
    open_pairs(side, streams, 2, &listener);
    for (int i = 0; i < 10; i++) {
        byte = (uint8_t)(i + 1);
        (void)wpipe_write(streams[0], &byte, 1, WAIT_MS);
        tell("writebyte p1 %ld", strtol(tell("readbyte p0"), NULL, 10));
        byte = 0;
        good += wpipe_read(streams[1], &byte, 1, WAIT_MS) == 1 && byte == i + 1;
    }
    saw("%d", good);
    for (int i = 0; i < 2; i++) {
        tell("dispose p%d", i);
        wpipe_stream_close(streams[i]);
    }
    wpipe_listener_close(listener);
    row_end("10");
}

void table_bytes(void)
{
    static const int copies[] = { 0, 1, 1024, 4095, 4096, 1 << 20 };

    for (enum side side = DOTNET_SERVER; side <= DOTNET_CLIENT; side++) {
        row_zero(side);
        row_single(side);
        row_sizes(side);
        row_no_more(side);
        row_ends(side);
        row_pending(side);
        for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++)
            row_copy(side, copies[i]);
        row_duplex(side);
        row_parallel(side);
        row_ping_pong(side);
    }
}
