/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tool says on stderr, and what it makes of the library's errors:
 * one line each, with control bytes escaped because names and peers may hold
 * anything, and one exit code for each kind.
 */
#include "options.h"

#include <stdarg.h>
#include <string.h>

#include "text.h"

/* Where the library puts its sentence about a failure. One a thread, as
 * relay and serve --exec open pipes on several. */
static _Thread_local char error_text[512];

/* A server with --foreign has both doors, unless its name is a path, which
 * only the foreign one can have. Second pipes are of that door. */
static int foreign_door(const struct options *options)
{
    const bool serves = options->command->bit == BIT_SERVE || options->listen;

    if (!options->foreign && options->second == WPIPE_SECOND_PIPE_NONE)
        return WPIPE_FOREIGN_DEFAULT;
    if (serves && options->operands[0][0] != '/')
        return WPIPE_FOREIGN_ALSO;
    return WPIPE_FOREIGN_ONLY;
}

/* Those who send clients on all cut messages alike. */
static int foreign_framing(const struct options *options)
{
    if (options->framing >= 0)
        return options->framing;
    return options->second == WPIPE_SECOND_PIPE_NONE ? WPIPE_FRAMING_RAW
                                                     : WPIPE_FRAMING_BE32;
}

void options_fill(wpipe_options *ret, const struct options *options)
{
    error_text[0] = '\0';
    *ret = (wpipe_options){
        .size = sizeof(*ret),
        .type = options->type,
        .access = options->access,
        .group = options->group,
        .shared_memory = options->shared,
        .foreign = foreign_door(options),
        .framing = foreign_framing(options),
        .second_pipe = options->second,
        .slow_reader = options->slow,
        .spin_us = options->spin_us,
        .max_clients = options->clients,
        .max_message = options->message,
        .buffer_in = options->buffer > UINT32_MAX ? UINT32_MAX
                                                  : (uint32_t)options->buffer,
        .error_text = error_text,
        .error_text_size = sizeof(error_text),
    };
    ret->buffer_out = ret->buffer_in;
    if (options->command->bit == BIT_SERVE)
        ret->linger_ms =
            options->linger_ms > 0 ? options->linger_ms : WPIPE_LINGER_OFF;
    /* 0: a moment, not the default */
    ret->message_ms = options->message_ms > 0 ? options->message_ms : 1;
}

static void say_line(const struct options *options, const char *format,
                     va_list values)
{
    char line[2048];
    int length = vsnprintf(line, sizeof(line), format, values);

    if (length < 0)
        return;
    if ((size_t)length >= sizeof(line))
        length = (int)sizeof(line) - 1;
    flockfile(stderr);
    fprintf(stderr, "windpipe %s: ", options->command->name);
    text_escaped(stderr, line, (size_t)length, false);
    putc('\n', stderr);
    funlockfile(stderr);
}

void say(const struct options *options, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    say_line(options, format, values);
    va_end(values);
}

void say_verbose(const struct options *options, const char *format, ...)
{
    va_list values;

    if (!options->verbose)
        return;
    va_start(values, format);
    say_line(options, format, values);
    va_end(values);
}

int say_usage(const struct options *options, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    say_line(options, format, values);
    va_end(values);
    fprintf(stderr, "try 'windpipe %s --help'\n", options->command->name);
    return STATUS_USAGE;
}

int say_error(const struct options *options, const char *what, int error)
{
    const char *text =
        error_text[0] != '\0' ? error_text : wpipe_strerror(error);

    if (strstr(text, what) != NULL) /* it names the pipe itself */
        say(options, "%s", text);
    else
        say(options, "%s: %s", what, text);
    if (error == WPIPE_ESTATE && options->type == WPIPE_MESSAGE)
        say(options, "a byte pipe is read with --byte");
    error_text[0] = '\0';
    return status_of(error);
}

int status_of(int error)
{
    switch (error) {
    case WPIPE_EINVAL:
    case WPIPE_ENAME:
        return STATUS_USAGE;
    case WPIPE_ENOTFOUND:
        return STATUS_NOT_FOUND;
    case WPIPE_EACCES:
    case WPIPE_EREFUSED:
        return STATUS_DENIED;
    case WPIPE_ETIMEDOUT:
        return STATUS_TIMED_OUT;
    case WPIPE_EINUSE:
        return STATUS_IN_USE;
    case WPIPE_EOF:
    case WPIPE_EPIPE:
    case WPIPE_EDIED:
    case WPIPE_EDISCONNECTED:
    case WPIPE_EABORTED:
    case WPIPE_ENOTCONN:
        return STATUS_PEER_LEFT;
    case WPIPE_EPROTO:
    case WPIPE_EVERSION:
        return STATUS_PROTOCOL;
    default:
        return error < 0 ? STATUS_FAILED : STATUS_DONE;
    }
}
