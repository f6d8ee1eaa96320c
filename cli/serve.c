/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe serve: a server at the terminal. Who comes, goes and says what is
 * printed, and lines that are typed go to everybody. The same loop is
 * recv --listen, which only prints.
 */
#include "commands.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "ending.h"
#include "serve.h"

static void stop(void *object)
{
    const struct serve *s = object;
    const uint64_t one = 1;

    if (write(s->bell, &one, sizeof(one)) < 0)
        return; /* it rings already */
}

/* SIGUSR1: a successor is to have the name. */
static volatile sig_atomic_t retiring;
static volatile sig_atomic_t retiring_bell;

static void on_retire(int number)
{
    const int before = errno;
    const uint64_t one = 1;

    (void)number;
    retiring = 1;
    (void)!write((int)retiring_bell, &one, sizeof(one));
    errno = before;
}

static void watch_retire(const struct serve *s)
{
    struct sigaction action = { .sa_handler = on_retire };

    if (s->plain)
        return;
    retiring_bell = s->bell;
    (void)sigaction(SIGUSR1, &action, NULL);
}

/* Is it time to read stdin? */
static bool wants_input(const struct serve *s)
{
    return s->input && !s->ending && s->owed == 0 &&
           (s->terminal || s->count > 0 || s->lines.start == s->lines.end);
}

static void take_input(struct serve *s)
{
    const long got = lines_fill(&s->lines, STDIN_FILENO);

    if (got < 0 && got != -EAGAIN) {
        say(s->options, "stdin: %s", strerror((int)-got));
        s->lines.ended = true;
    }
    serve_spread_lines(s);
}

/* How long to wait for something to happen. */
static int poll_timeout(const struct serve *s)
{
    int64_t left;

    if (s->quit_at < 0)
        return s->options->wait_ms;
    left = s->quit_at - clock_ms();
    left = left > 0 ? left : 0;
    return s->options->wait_ms >= 0 && s->options->wait_ms < left
               ? s->options->wait_ms
               : (int)left;
}

static void on_bell(struct serve *s)
{
    uint64_t count;

    if (ending_signal() != 0 || !retiring) {
        serve_finish(s, STATUS_DONE);
        return;
    }
    (void)!read(s->bell, &count, sizeof(count));
    retiring = 0;
    s->retired = true;
    (void)wpipe_server_stop_accepting(s->server);
    say(s->options, "accepts no more clients, and ends with the last one");
}

static void loop(struct serve *s)
{
    struct pollfd set[3] = {
        { .fd = (int)wpipe_server_fd(s->server), .events = POLLIN },
        { .fd = s->bell, .events = POLLIN },
        { .fd = STDIN_FILENO, .events = POLLIN },
    };
    int r;

    while (!s->done) {
        if (s->retired && s->count == 0) {
            serve_finish(s, STATUS_DONE);
            break;
        }
        set[2].revents = 0; /* it may be left out */
        r = poll(set, wants_input(s) ? 3 : 2, poll_timeout(s));
        if (r < 0 && errno != EINTR)
            serve_finish(s, STATUS_FAILED);
        if (s->quit_at >= 0 && clock_ms() >= s->quit_at) {
            serve_finish(s, STATUS_DONE);
        } else if (r == 0) {
            say(s->options, "nothing arrived in the time given by -w");
            serve_finish(s, STATUS_TIMED_OUT);
        }
        if (r <= 0)
            continue;
        if (set[1].revents != 0)
            on_bell(s);
        if (!s->done && set[0].revents != 0)
            serve_take_events(s);
        if (!s->done && wants_input(s) && set[2].revents != 0)
            take_input(s);
    }
}

/* A terminal that another job of the shell is using would stop us. */
static bool may_read_stdin(void)
{
    return !isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static int serve_events(struct serve *s)
{
    const char *name = s->options->operands[0];
    wpipe_options wishes;
    int r;

    options_fill(&wishes, s->options);
    s->quit_at = -1;
    s->lines.limit = options_message_limit(s->options);
    s->terminal = isatty(STDIN_FILENO) == 1;
    s->input = !s->plain && !s->options->echo && may_read_stdin();
    s->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->bell < 0) {
        say(s->options, "%s", strerror(errno));
        return STATUS_FAILED;
    }
    r = wpipe_options_inherit(&wishes, name);
    if (r >= 0)
        r = wpipe_server_open(&s->server, name, &wishes);
    if (r < 0) {
        close(s->bell);
        return say_error(s->options, name, r);
    }
    if (serve_talks(s) || !s->plain)
        serve_announce(s->options, wpipe_server_name(s->server));
    ending_watch(stop, s);
    watch_retire(s);
    loop(s);
    serve_hand_over(s);
    ending_watch(NULL, NULL);
    wpipe_server_close(s->server);
    close(s->bell);
    lines_done(&s->lines);
    free(s->clients);
    return s->status;
}

int serve_plain(const struct options *options)
{
    struct serve s = { .options = options, .plain = true };

    return serve_events(&s);
}

int serve_run(const struct options *options)
{
    struct serve s = { .options = options };

    if (options->echo && options->exec != NULL)
        return say_usage(options, "--echo and --exec exclude each other");
    if (options->exec != NULL)
        return serve_commands(options);
    return serve_events(&s);
}
