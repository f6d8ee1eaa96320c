/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A large transfer over a stream of bytes, with a checksum at both ends.
 *
 *     transfer recv PIPE          be the server, take it all
 *     transfer send PIPE BYTES    make so many bytes up and send them
 *
 * The sender half-closes when it is done and reads the receiver's checksum
 * back: both print theirs, and the sender fails when they differ.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <windpipe.h>

enum {
    BLOCK = 256 * 1024,
    LANES = 4,
    PATIENCE_MS = 30000,
    BAR = 40
};

/* ---- a checksum: four lanes of multiply and rotate, position-sensitive --- */

struct sum {
    uint64_t lane[LANES];
    uint64_t bytes;
};

/* Every block but the last must be a multiple of 32 bytes. */
static void sum_add(struct sum *s, const unsigned char *data, size_t size)
{
    uint64_t word;
    size_t i;

    s->bytes += size;
    for (i = 0; i + 8 * LANES <= size; i += 8 * LANES) {
        for (int j = 0; j < LANES; j++) {
            memcpy(&word, data + i + 8 * (size_t)j, 8);
            word = (s->lane[j] ^ word) * 0x9e3779b97f4a7c15u;
            s->lane[j] = word << 31 | word >> 33;
        }
    }
    for (; i < size; i++)
        s->lane[i % LANES] = (s->lane[i % LANES] ^ data[i]) * 0x100000001b3u;
}

static uint64_t sum_end(const struct sum *s)
{
    uint64_t all = s->bytes;

    for (int j = 0; j < LANES; j++)
        all = (all ^ s->lane[j]) * 0xff51afd7ed558ccdu;
    return all ^ all >> 32;
}

/* ---- a progress bar on a terminal, a few lines elsewhere ----------------- */

struct progress {
    uint64_t total;
    double start, last;
    int quarter; /* shown last, where there is no terminal */
    int terminal;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void progress_start(struct progress *p, uint64_t total)
{
    *p = (struct progress){ .total = total,
                            .start = now(),
                            .terminal = isatty(STDERR_FILENO) };
}

static void progress_draw(struct progress *p, uint64_t done)
{
    const double part = p->total > 0 ? (double)done / (double)p->total : 1.0;
    const double took = now() - p->start;
    const int full = (int)(part * BAR);

    fprintf(stderr, "%s[", p->terminal ? "\r" : "");
    for (int i = 0; i < BAR; i++)
        putc(i < full ? '#' : '.', stderr);
    fprintf(stderr, "] %3.0f%%  %.2f GB/s%s", part * 100,
            took > 0 ? (double)done / took / 1e9 : 0.0,
            p->terminal && part < 1 ? "" : "\n");
    fflush(stderr);
}

/* Ten times a second on a terminal, each quarter elsewhere. */
static void progress_show(struct progress *p, uint64_t done)
{
    const double time = p->terminal ? now() : 0;
    const int quarter = (int)(done / (p->total / 4 + 1));

    if (done < p->total &&
        (p->terminal ? time - p->last < 0.1 : quarter == p->quarter))
        return;
    p->last = time;
    p->quarter = quarter;
    progress_draw(p, done);
}

/* ---- both ends ---------------------------------------------------------- */

static int fail(const char *what, int64_t error)
{
    fprintf(stderr, "transfer: %s: %s\n", what, wpipe_strerror((int)error));
    return 1;
}

/* Numbers nobody can guess from the place, so that a mix-up is noticed. */
static void fill(unsigned char *block, uint64_t *state)
{
    uint64_t x = *state;

    for (size_t i = 0; i < BLOCK; i += 8) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        memcpy(block + i, &x, 8);
    }
    *state = x;
}

static int send_all(wpipe_stream *stream, unsigned char *block, uint64_t total)
{
    struct progress progress;
    struct sum sum = { { 0 }, 0 };
    uint64_t state = 1, theirs = 0, mine;
    size_t size, put;
    int64_t r = 0;

    progress_start(&progress, total);
    while (sum.bytes < total) {
        size = total - sum.bytes < BLOCK ? (size_t)(total - sum.bytes) : BLOCK;
        fill(block, &state);
        sum_add(&sum, block, size);
        for (put = 0; put < size; put += (size_t)r) {
            r = wpipe_write(stream, block + put, size - put, PATIENCE_MS);
            if (r < 0)
                return fail("write", r);
        }
        progress_show(&progress, sum.bytes);
    }
    r = wpipe_finish(stream);
    if (r < 0)
        return fail("finish", r);
    for (put = 0; put < sizeof(theirs); put += (size_t)r) {
        r = wpipe_read(stream, (char *)&theirs + put, sizeof(theirs) - put,
                       PATIENCE_MS);
        if (r < 0)
            return fail("read the other checksum", r);
    }
    mine = sum_end(&sum);
    printf("sent      %" PRIu64 " bytes, checksum %016" PRIx64 ", %.2f GB/s\n",
           total, mine, (double)total / (now() - progress.start) / 1e9);
    return mine == theirs ? 0 : fail("the checksums differ", WPIPE_EPROTO);
}

static int receive_all(wpipe_stream *stream, unsigned char *block)
{
    struct sum sum = { { 0 }, 0 };
    size_t have = 0, whole;
    uint64_t mine;
    int64_t r;

    for (;;) {
        r = wpipe_read(stream, block + have, BLOCK - have, PATIENCE_MS);
        if (r < 0)
            break;
        have += (size_t)r;
        whole = have - have % (8 * LANES);
        sum_add(&sum, block, whole);
        memmove(block, block + whole, have - whole);
        have -= whole;
    }
    if (r != WPIPE_EOF)
        return fail("read", r);
    sum_add(&sum, block, have);
    mine = sum_end(&sum);
    printf("received  %" PRIu64 " bytes, checksum %016" PRIx64 "\n", sum.bytes,
           mine);
    r = wpipe_write(stream, &mine, sizeof(mine), PATIENCE_MS);
    return r < 0 ? fail("write", r) : 0;
}

static int open_stream(int sends, const char *name, wpipe_stream **ret)
{
    wpipe_options options = { .size = sizeof(options) };
    wpipe_listener *listener;
    char error[200] = "";
    int r;

    options.error_text = error;
    options.error_text_size = sizeof(error);
    options.buffer_in = options.buffer_out = 1 << 20;
    if (sends) {
        r = wpipe_connect(ret, name, &options, PATIENCE_MS);
    } else {
        r = wpipe_listen(&listener, name, &options);
        if (r >= 0) {
            r = wpipe_accept(listener, ret, PATIENCE_MS);
            wpipe_listener_close(listener);
        }
    }
    if (r < 0)
        fprintf(stderr, "transfer: %s: %s\n", name,
                error[0] != '\0' ? error : wpipe_strerror(r));
    return r;
}

int main(int argc, char **argv)
{
    const int sends = argc == 4 && strcmp(argv[1], "send") == 0;
    unsigned char *block;
    wpipe_stream *stream;
    int status;

    if (!sends && (argc != 3 || strcmp(argv[1], "recv") != 0)) {
        fprintf(stderr, "usage: transfer recv PIPE\n"
                        "       transfer send PIPE BYTES\n");
        return 2;
    }
    block = malloc(BLOCK);
    if (block == NULL || open_stream(sends, argv[2], &stream) < 0) {
        free(block);
        return 1;
    }
    if (sends)
        status = send_all(stream, block, strtoull(argv[3], NULL, 10));
    else
        status = receive_all(stream, block);
    wpipe_stream_close(stream);
    free(block);
    return status;
}
