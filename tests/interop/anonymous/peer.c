/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C side of the scenarios that anonymous pipes go through with programs of
 * other kinds; Peer.cs and peer.py are the others. A parent makes two system
 * pipes, starts the child with their strings and prints what it saw, in words
 * that are the same for every parent; run.sh compares them.
 *
 *     peer parent SCENARIO CHILD...    starts CHILD... child SCENARIO IN OUT
 *     peer child SCENARIO IN OUT
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windpipe/stream.h>

enum {
    WAIT_MS = 10000,
    BIG = 1 << 20,
    SIZE = 8192,
    ARGUMENTS_MAX = 16
};

static const char hello[] = "Hello";
static const char back[] = "Hello right back!";
static uint8_t big[BIG];

static void fail(const char *what, int64_t r)
{
    fprintf(stderr, "peer: %s: %s\n", what, wpipe_error_name((int)r));
    exit(1);
}

static void fill_big(void)
{
    for (size_t i = 0; i < BIG; i++)
        big[i] = (uint8_t)(i * 7 + (i >> 8));
}

static uint32_t sum(const uint8_t *bytes, size_t size)
{
    uint32_t total = 0;

    for (size_t i = 0; i < size; i++)
        total += bytes[i];
    return total;
}

static void put_u32(uint8_t bytes[4], uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_u32(const uint8_t bytes[4])
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
           (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void write_all(wpipe_stream *out, const void *bytes, size_t size)
{
    int64_t r = wpipe_write(out, bytes, size, WAIT_MS);

    if (r != (int64_t)size)
        fail("write", r);
}

static void read_all(wpipe_stream *in, void *bytes, size_t size)
{
    size_t at = 0;

    while (at < size) {
        int64_t r = wpipe_read(in, (uint8_t *)bytes + at, size - at, WAIT_MS);

        if (r < 0)
            fail("read", r);
        at += (size_t)r;
    }
}

static uint32_t size_of(wpipe_stream *stream, int out)
{
    wpipe_stream_facts facts = { .size = sizeof facts };

    wpipe_stream_info(stream, &facts);
    return out ? facts.buffer_out : facts.buffer_in;
}

/* ---- the child ----------------------------------------------------------- */

static void child_hundred(wpipe_stream *in, wpipe_stream *out)
{
    uint8_t byte;

    read_all(in, &byte, 1);
    byte = (uint8_t)(byte * 2);
    write_all(out, &byte, 1);
}

static void child_child_closes(wpipe_stream *in, wpipe_stream *out)
{
    (void)in;
    write_all(out, "\1\2\3\4\5", 5);
}

static void child_parent_closes(wpipe_stream *in, wpipe_stream *out)
{
    uint8_t count = 0;
    uint8_t byte;
    int64_t r;

    while ((r = wpipe_read(in, &byte, 1, WAIT_MS)) == 1)
        count++;
    if (r != WPIPE_EOF)
        fail("end", r);
    write_all(out, &count, 1);
}

static void child_big(wpipe_stream *in, wpipe_stream *out)
{
    uint8_t bytes[4];

    read_all(in, big, BIG);
    put_u32(bytes, sum(big, BIG));
    write_all(out, bytes, 4);
}

static void child_framed(wpipe_stream *in, wpipe_stream *out)
{
    int64_t n;

    n = wpipe_read(in, big, BIG, WAIT_MS);
    if (n != (int64_t)strlen(hello) || memcmp(big, hello, (size_t)n) != 0)
        fail("message", n);
    write_all(out, back, strlen(back));
    n = wpipe_read(in, big, BIG, WAIT_MS);
    if (n < 0 || !wpipe_stream_message_complete(in))
        fail("message", n);
    write_all(out, big, (size_t)n);
}

static void child_size(wpipe_stream *in, wpipe_stream *out)
{
    uint8_t bytes[4];

    put_u32(bytes, size_of(in, 0));
    write_all(out, bytes, 4);
}

/* Takes nothing; then says so. */
static void child_broken(wpipe_stream *in, wpipe_stream *out)
{
    wpipe_stream_close(in);
    write_all(out, "!", 1);
}

/* ---- the parent ---------------------------------------------------------- */

static void parent_hundred(wpipe_stream **out, wpipe_stream *in)
{
    uint8_t byte = 100;

    write_all(*out, &byte, 1);
    read_all(in, &byte, 1);
    printf("%d ", byte);
}

static void parent_child_closes(wpipe_stream **out, wpipe_stream *in)
{
    uint8_t bytes[5];

    (void)out;
    read_all(in, bytes, 5);
    for (int i = 0; i < 5; i++)
        printf("%d ", bytes[i]);
}

static void parent_parent_closes(wpipe_stream **out, wpipe_stream *in)
{
    uint8_t count;

    write_all(*out, "\1\2\3\4\5", 5);
    wpipe_stream_close(*out);
    *out = NULL;
    read_all(in, &count, 1);
    printf("%d ", count);
}

static void parent_big(wpipe_stream **out, wpipe_stream *in)
{
    uint8_t bytes[4];

    fill_big();
    write_all(*out, big, BIG);
    read_all(in, bytes, 4);
    printf("%s ", get_u32(bytes) == sum(big, BIG) ? "same" : "other");
}

static void parent_framed(wpipe_stream **out, wpipe_stream *in)
{
    static uint8_t answer[BIG];
    int64_t n;

    fill_big();
    write_all(*out, hello, strlen(hello));
    n = wpipe_read(in, answer, BIG, WAIT_MS);
    printf("%.*s ", n > 0 ? (int)n : 0, (const char *)answer);
    write_all(*out, big, BIG);
    n = wpipe_read(in, answer, BIG, WAIT_MS);
    printf("%s ", n == BIG && memcmp(big, answer, BIG) == 0 ? "same" : "other");
}

static void parent_size(wpipe_stream **out, wpipe_stream *in)
{
    uint8_t bytes[4];

    read_all(in, bytes, 4);
    printf("%d %d ", (int)size_of(*out, 1), (int)get_u32(bytes));
}

static void parent_broken(wpipe_stream **out, wpipe_stream *in)
{
    uint8_t byte;
    int64_t r;

    read_all(in, &byte, 1);
    r = wpipe_write(*out, "x", 1, WAIT_MS);
    printf("%s ", r == WPIPE_EPIPE ? "broken" : wpipe_error_name((int)r));
}

/* ---- both ---------------------------------------------------------------- */

static const struct scenario {
    const char *name;
    void (*child)(wpipe_stream *in, wpipe_stream *out);
    void (*parent)(wpipe_stream **out, wpipe_stream *in);
    int framing;
    uint32_t size;
} scenarios[] = {
    { "hundred", child_hundred, parent_hundred, 0, 0 },
    { "child-closes", child_child_closes, parent_child_closes, 0, 0 },
    { "parent-closes", child_parent_closes, parent_parent_closes, 0, 0 },
    { "big", child_big, parent_big, 0, 0 },
    { "framed", child_framed, parent_framed, WPIPE_FRAMING_LE32, 0 },
    { "size", child_size, parent_size, 0, SIZE },
    { "broken", child_broken, parent_broken, 0, 0 },
};

static const struct scenario *find(const char *name)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    fprintf(stderr, "peer: no scenario %s\n", name);
    exit(2);
}

static int be_child(const struct scenario *s, char **strings)
{
    wpipe_options o = { .size = sizeof o, .framing = s->framing };
    wpipe_stream *in = NULL;
    wpipe_stream *out = NULL;
    int64_t r = wpipe_anonymous_open(&in, WPIPE_IN, strings[0], &o);

    if (r == 0)
        r = wpipe_anonymous_open(&out, WPIPE_OUT, strings[1], &o);
    if (r < 0)
        fail("open", r);
    s->child(in, out);
    wpipe_stream_close(out);
    if (s->child != child_broken)
        wpipe_stream_close(in);
    return 0;
}

static int64_t spawn(const struct scenario *s, char **command,
                     wpipe_stream *const *streams)
{
    const char *arguments[ARGUMENTS_MAX + 5];
    int64_t pid = 0;
    int64_t r;
    int n = 0;

    for (; command[n] != NULL && n < ARGUMENTS_MAX; n++)
        arguments[n] = command[n];
    arguments[n++] = "child";
    arguments[n++] = s->name;
    arguments[n++] = "{0}";
    arguments[n++] = "{1}";
    arguments[n] = NULL;
    r = wpipe_spawn(&pid, arguments, streams, 2);
    if (r < 0)
        fail(command[0], r);
    return pid;
}

static int be_parent(const struct scenario *s, char **command)
{
    wpipe_options o = { .size = sizeof o, .framing = s->framing };
    wpipe_stream *streams[2];
    uint8_t byte;
    int64_t pid;
    int64_t r;

    o.foreign = WPIPE_FOREIGN_ONLY;
    o.buffer_out = s->size;
    r = wpipe_anonymous(&streams[0], WPIPE_OUT, &o);
    if (r == 0)
        r = wpipe_anonymous(&streams[1], WPIPE_IN, &o);
    if (r < 0)
        fail("make", r);
    pid = spawn(s, command, streams);
    s->parent(&streams[0], streams[1]);
    r = wpipe_read(streams[1], &byte, 1, WAIT_MS);
    printf("%s ", r == WPIPE_EOF ? "end" : wpipe_error_name((int)r));
    printf("exit %d\n", wpipe_reap(pid, WAIT_MS));
    wpipe_stream_close(streams[0]);
    wpipe_stream_close(streams[1]);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "child") == 0)
        return be_child(find(argv[2]), argv + 3);
    if (argc > 3 && strcmp(argv[1], "parent") == 0)
        return be_parent(find(argv[2]), argv + 3);
    fprintf(stderr, "usage: peer parent SCENARIO CHILD... |"
                    " child SCENARIO IN OUT\n");
    return 2;
}
