/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hex dump on stderr: sixteen bytes a line, offset, bytes, text; or JSON on
 * stdout. Two flows use it at once, so each chunk is printed under the
 * stream's lock.
 */
#include "trace.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "output.h"
#include "text.h"

enum {
    WIDTH = 16
};

static void print_row(const unsigned char *bytes, size_t offset, size_t count)
{
    fprintf(stderr, "  %08zx ", offset);
    for (size_t i = 0; i < WIDTH; i++) {
        if (i % 8 == 0)
            putc(' ', stderr);
        if (i < count)
            fprintf(stderr, "%02x ", bytes[i]);
        else
            fputs("   ", stderr);
    }
    fputs(" |", stderr);
    for (size_t i = 0; i < count; i++)
        putc(bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : '.', stderr);
    fputs("|\n", stderr);
}

void trace_hex(const struct options *options, const struct trace *t)
{
    const unsigned char *bytes = t->data;
    char now[TEXT_TIME_ROOM];

    flockfile(stderr);
    if (options->timestamps)
        fprintf(stderr, "%s ", text_time(now));
    text_escaped(stderr, t->from, strlen(t->from), false);
    fputs(" -> ", stderr);
    text_escaped(stderr, t->to, strlen(t->to), false);
    fprintf(stderr, ": %zu %s\n", t->size, t->size == 1 ? "byte" : "bytes");
    for (size_t i = 0; i < t->size; i += WIDTH)
        print_row(bytes + i, i, t->size - i < WIDTH ? t->size - i : WIDTH);
    fflush(stderr);
    funlockfile(stderr);
}

int trace_json(const struct options *options, const struct trace *t)
{
    int status;

    flockfile(stdout);
    output_event(options, t->kind == WPIPE_CALL_REQUEST ? "call"
                          : t->kind == WPIPE_CALL_REPLY ? "reply"
                                                        : "message");
    json_number(stdout, "visit", t->visit);
    json_text(stdout, "from", t->from);
    json_text(stdout, "to", t->to);
    json_number(stdout, "size", t->size);
    json_data(stdout, "text", t->data, t->size);
    json_end(stdout);
    status = output_flush(options);
    funlockfile(stdout);
    return status;
}
