/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How windpipe serve ends: what was accepted is handed over first, and what
 * nobody took is counted and said.
 */
#include "serve.h"

#include <poll.h>
#include <unistd.h>

#include "clock.h"

enum {
    LOOK_MS = 20 /* between two looks whether all was read */
};

/* Has everybody read all that was read of stdin? */
static bool all_read(struct serve *s)
{
    serve_spread_lines(s);
    return s->owed == 0 &&
           wpipe_server_drain(s->server, WPIPE_ALL, 0) != WPIPE_ETIMEDOUT;
}

/* Events go on meanwhile: who is not listened to may stop reading. */
static void feed_the_rest(struct serve *s, int64_t until)
{
    struct pollfd set = { .fd = (int)wpipe_server_fd(s->server),
                          .events = POLLIN };
    const int status = s->status;
    int64_t left;

    s->done = false;
    s->quit_at = -1;
    while (!s->done && s->count > 0 && !all_read(s) &&
           (left = until - clock_ms()) > 0) {
        if (poll(&set, 1, left < LOOK_MS ? (int)left : LOOK_MS) > 0)
            serve_take_events(s);
    }
    s->status = status;
}

/* Whole lines that were read of stdin and not sent to all. */
static void count_unsent(struct serve *s)
{
    const bool bytes = s->options->type == WPIPE_BYTE;
    const size_t peers = s->count > 0 ? s->count : 1;

    serve_add_lost(s, s->owed, s->owed * s->size);
    while (bytes ? lines_bytes(&s->lines, &s->line, &s->size)
                 : lines_next(&s->lines, &s->line, &s->size))
        serve_add_lost(s, peers, peers * s->size);
}

/* Is there more on stdin that nobody read? Does not wait. */
static bool is_unread(struct serve *s)
{
    struct pollfd set = { .fd = STDIN_FILENO, .events = POLLIN };

    if (!s->input || s->lines.ended)
        return false;
    return s->lines.start != s->lines.end ||
           (poll(&set, 1, 0) > 0 && lines_fill(&s->lines, STDIN_FILENO) > 0);
}

void serve_hand_over(struct serve *s)
{
    const int64_t until = clock_ms() + s->options->linger_ms;
    wpipe_lost lost = { .size = sizeof(lost) };
    bool unread = false;
    int64_t left;

    s->ending = true;
    if (serve_feeds(s))
        feed_the_rest(s, until);
    left = until - clock_ms();
    wpipe_server_shutdown(s->server, left > 0 ? (int)left : 0, &lost);
    serve_add_lost(s, lost.messages, lost.bytes);
    if (serve_feeds(s)) {
        count_unsent(s);
        unread = is_unread(s);
    }
    if (s->lost.messages == WPIPE_LOST_UNKNOWN)
        say(s->options, "not everything was delivered");
    else if (s->lost.messages > 0)
        say(s->options, "%llu messages, %llu bytes were not delivered",
            (unsigned long long)s->lost.messages,
            (unsigned long long)s->lost.bytes);
    if (unread)
        say(s->options, "standard input was not read to its end");
    if (s->status == STATUS_DONE && (s->lost.messages > 0 || unread))
        s->status = STATUS_LOST;
}
