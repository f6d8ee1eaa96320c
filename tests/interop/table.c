/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The .NET checklist as one table: row, expected, seen. One .NET process at the
 * other end does step by step what it is told, as server and as client of the
 * library. Ends with 1 when something was not as expected.
 *
 *     table AGENT...     such as: table dotnet Peer.dll agent
 */
#include "table.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct agent dotnet;
int is_mono;

static struct {
    const char *number;
    const char *what;
    enum side side;
    int rows;
    int failed;
    char name[64];
    size_t size;
    char seen[AGENT_ANSWER_MAX];
} table;

/* ---- rows ---------------------------------------------------------------- */

void row_begin(const char *number, const char *what, enum side side)
{
    table.number = number;
    table.what = what;
    table.side = side;
    table.size = 0;
    table.seen[0] = '\0';
    table.rows++;
    (void)snprintf(table.name, sizeof(table.name), "row%d", table.rows);
}

const char *row_name(void)
{
    return table.name;
}

void saw(const char *format, ...)
{
    va_list list;
    int n;

    if (table.size > 0 && table.size + 1 < sizeof(table.seen))
        table.seen[table.size++] = ' ';
    va_start(list, format);
    n = vsnprintf(table.seen + table.size, sizeof(table.seen) - table.size,
                  format, list);
    va_end(list);
    if (n > 0)
        table.size += (size_t)n;
    if (table.size >= sizeof(table.seen))
        table.size = sizeof(table.seen) - 1;
}

void row_end(const char *expected)
{
    int good = strcmp(expected, table.seen) == 0;

    table.failed += !good;
    printf("%-4s .NET %s  %-34s %-34s %s%s%s\n", table.number,
           table.side == DOTNET_SERVER ? "server" : "client", table.what,
           expected, good ? "ok" : table.seen, good ? "" : "   FAILED", "");
    fflush(stdout);
}

const char *path_of(const char *name)
{
    static char path[256];
    const char *temp = getenv("TMPDIR");

    (void)snprintf(path, sizeof(path), "%s/CoreFxPipe_%s",
                   temp == NULL ? "/tmp" : temp, name);
    return path;
}

const char *word(int64_t r)
{
    return r >= 0 ? "ok" : wpipe_error_name((int)r) + strlen("WPIPE_");
}

/* ---- our end ------------------------------------------------------------- */

wpipe_listener *listen_here(const char *name, int direction, int max)
{
    char text[256] = "";
    const wpipe_options options = { .size = sizeof(options),
                                    .foreign = WPIPE_FOREIGN_ONLY,
                                    .direction = direction,
                                    .max_clients = (uint32_t)max,
                                    .error_text = text,
                                    .error_text_size = sizeof(text) };
    wpipe_listener *listener;
    int r = wpipe_listen(&listener, name, &options);

    if (r == 0)
        return listener;
    fprintf(stderr, "row %s: %s: %s\n", table.number, word(r), text);
    exit(1);
}

int connect_here(wpipe_stream **ret, const char *name, int direction)
{
    const wpipe_options options = { .size = sizeof(options),
                                    .direction = direction,
                                    .foreign = name[0] == '/'
                                                   ? WPIPE_FOREIGN_ONLY
                                                   : WPIPE_FOREIGN_DEFAULT };
    *ret = NULL;
    return wpipe_connect(ret, name, &options, WAIT_MS);
}

static void must(const char *what, const char *result)
{
    if (strcmp(result, "ok") == 0)
        return;
    fprintf(stderr, "row %s: %s: %s\n", table.number, what, result);
    exit(1);
}

void pair_open(struct pair *pair, enum side side, int ours, const char *theirs)
{
    pair->listener = NULL;
    if (side == DOTNET_SERVER) {
        must("server", tell("server a %s %s 1", table.name, theirs));
        must("connect", word(connect_here(&pair->stream, table.name, ours)));
        must("wait", tell("wait a"));
        return;
    }
    pair->listener = listen_here(table.name, ours, 0);
    must("client", tell("client a %s %s", table.name, theirs));
    must("connect", tell("connect a 5000"));
    must("accept", word(wpipe_accept(pair->listener, &pair->stream, WAIT_MS)));
}

void pair_close(struct pair *pair)
{
    must("dispose", tell("dispose a"));
    wpipe_stream_close(pair->stream);
    wpipe_listener_close(pair->listener);
}

uint8_t pattern(int64_t at)
{
    return (uint8_t)(at * 7 + (at >> 8));
}

const char *write_pattern(wpipe_stream *stream, int64_t size, int64_t part)
{
    uint8_t *bytes = malloc((size_t)size + 1);
    int64_t at;
    int64_t n = 0;

    if (bytes == NULL)
        exit(1);
    for (at = 0; at < size; at++)
        bytes[at] = pattern(at);
    for (at = 0; at < size; at += n) {
        n = size - at < part ? size - at : part;
        n = wpipe_write(stream, bytes + at, (size_t)n, WAIT_MS);
        if (n < 0)
            break;
    }
    free(bytes);
    return word(n);
}

const char *read_pattern(wpipe_stream *stream, int64_t size, int64_t part)
{
    static char answer[64];
    uint8_t *bytes = malloc((size_t)part);
    int64_t got = 0;
    int64_t n = 0;
    int same = 1;

    if (bytes == NULL)
        exit(1);
    while (got < size) {
        n = size - got < part ? size - got : part;
        n = wpipe_read(stream, bytes, (size_t)n, WAIT_MS);
        if (n < 0)
            break;
        for (int64_t i = 0; i < n; i++)
            same &= bytes[i] == pattern(got + i);
        got += n;
    }
    free(bytes);
    if (n < 0 && n != WPIPE_EOF)
        return word(n);
    (void)snprintf(answer, sizeof(answer), "%lld %s", (long long)got,
                   same ? "same" : "different");
    return answer;
}

const char *read_text(wpipe_stream *stream, size_t size)
{
    static char answer[1100];
    char buf[1024];
    int64_t n = wpipe_read(stream, buf, size < sizeof(buf) ? size : sizeof(buf),
                           WAIT_MS);

    if (n < 0)
        return word(n);
    (void)snprintf(answer, sizeof(answer), "%lld:%.*s", (long long)n, (int)n,
                   buf);
    return n == 0 ? "0" : answer;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: table AGENT...\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* the agent may have gone */
    alarm(150);
    is_mono = strcmp(argv[1], "mono") == 0;
    agent_start(&dotnet, argv + 1, getuid());
    printf("%-4s %-11s  %-34s %-34s %s\n", "row", "other end", "what",
           "expected", "seen");
    table_connect();
    table_state();
    table_bytes();
    table_users(argv + 1);
    agent_stop(&dotnet);
    if (is_mono)
        printf("27, 52, 53, 76: skipped, in part: Mono cannot do it\n");
    printf("%d rows, %d failed\n", table.rows, table.failed);
    return table.failed != 0;
}
