/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hex dump on stderr: sixteen bytes a line, offset, bytes, text. Two flows
 * use it at once, so each chunk is printed under stderr's lock.
 */
#include "trace.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "output.h"

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

void trace_hex(const char *from, const char *to, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    flockfile(stderr);
    output_escaped(stderr, from, strlen(from), false);
    fputs(" -> ", stderr);
    output_escaped(stderr, to, strlen(to), false);
    fprintf(stderr, ": %zu %s\n", size, size == 1 ? "byte" : "bytes");
    for (size_t i = 0; i < size; i += WIDTH)
        print_row(bytes + i, i, size - i < WIDTH ? size - i : WIDTH);
    fflush(stderr);
    funlockfile(stderr);
}
