/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe send and windpipe call: one thing said, and perhaps one answer.
 * Both return only when the server has read it, so that success means that it
 * arrived.
 */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ending.h"
#include "gate.h"
#include "lines.h"
#include "output.h"

/* What is to be sent: the operand, stdin, or a typed message of either. */
struct parcel {
    char *memory; /* NULL when `data` is not ours */
    const char *data;
    size_t size;
};

/* All of stdin, up to the limit of one message. */
static int read_stdin(const struct options *options, struct parcel *ret)
{
    struct lines input = { .limit = options_message_limit(options) };
    long got;

    do {
        got = lines_fill(&input, STDIN_FILENO);
    } while (got > 0);
    if (got == -EMSGSIZE || (got == 0 && input.end > input.limit)) {
        say(options,
            "stdin is over the limit of one message (%zu bytes): "
            "see --max-message and --byte",
            input.limit);
        lines_done(&input);
        return STATUS_FAILED;
    }
    if (got < 0) {
        say(options, "stdin: %s", strerror((int)-got));
        lines_done(&input);
        return STATUS_FAILED;
    }
    *ret = (struct parcel){ .memory = input.data,
                            .data = input.data,
                            .size = input.end };
    return STATUS_DONE;
}

/* Make it topic and body. */
static int wrap(const struct options *options, struct parcel *p)
{
    const wpipe_message message = { .topic = options->topic,
                                    .topic_size = strlen(options->topic),
                                    .body = p->data,
                                    .body_size = p->size };
    int64_t size = wpipe_message_size(&message);
    char *memory = size < 0 ? NULL : malloc((size_t)size + 1);

    if (size >= 0 && memory == NULL)
        size = WPIPE_ENOMEM;
    if (size >= 0)
        size = wpipe_message_encode(&message, memory, (size_t)size);
    free(p->memory);
    *p = (struct parcel){ .memory = memory, .data = memory };
    if (size < 0) {
        say(options, "cannot make a typed message: %s",
            size == WPIPE_EINVAL ? "topic and text must be UTF-8"
                                 : wpipe_strerror((int)size));
        free(memory);
        p->memory = NULL;
        return size == WPIPE_EINVAL ? STATUS_USAGE : STATUS_FAILED;
    }
    p->size = (size_t)size;
    return STATUS_DONE;
}

static bool from_stdin(const struct options *options)
{
    return options->count < 2 || strcmp(options->operands[1], "-") == 0;
}

static int parcel_make(const struct options *options, struct parcel *ret)
{
    int status = STATUS_DONE;

    if (from_stdin(options))
        status = read_stdin(options, ret);
    else
        *ret = (struct parcel){ .data = options->operands[1],
                                .size = strlen(options->operands[1]) };
    if (status == STATUS_DONE && options->topic != NULL)
        status = wrap(options, ret);
    return status;
}

/* Both ends of what is sent, for the thread of signals. */
struct sending {
    struct endpoint pipe, input;
};

static void wake_sending(void *object)
{
    struct sending *s = object;

    endpoint_wake(&s->input);
    endpoint_wake(&s->pipe);
}

/* stdin as it comes. */
static int send_bytes(const struct options *options, struct sending *s)
{
    char *data;
    size_t size;
    int r;

    do {
        r = endpoint_read(&s->input, &data, &size, WPIPE_FOREVER);
        if (r < 0 && r != WPIPE_EWOKEN)
            return endpoint_say(&s->input, r);
        if (r > 0)
            r = endpoint_write(&s->pipe, data, size, options->wait_ms);
        if (r < 0 && r != WPIPE_EWOKEN)
            return say_error(options, options->operands[0], r);
    } while ((r != 0 || !s->input.lines.ended) && ending_signal() == 0);
    return STATUS_DONE;
}

static int send_message(const struct options *options, struct endpoint *e,
                        const struct parcel *p)
{
    int r = endpoint_write(e, p->data, p->size, options->wait_ms);
    const char *why = NULL;

    if (r == WPIPE_EINVAL && options->framing >= 0)
        why = wpipe_framing_problem(options->framing, p->data, p->size);
    if (why != NULL) {
        say(options, "%s: %s", options->operands[0], why);
        return STATUS_USAGE;
    }
    return r < 0 ? say_error(options, options->operands[0], r) : STATUS_DONE;
}

/* The next message that comes, as the reply. */
static int print_reply(const struct options *options, struct endpoint *e)
{
    struct output_message shown = { .event = "reply" };
    char *data;
    size_t size;
    int r;

    do {
        r = endpoint_read(e, &data, &size, options->wait_ms);
    } while (r == WPIPE_EWOKEN && ending_signal() == 0);
    if (r == WPIPE_EWOKEN)
        return STATUS_DONE;
    if (r <= 0)
        return say_error(options, options->operands[0], r == 0 ? WPIPE_EOF : r);
    shown.data = data;
    shown.size = size;
    return output_message(options, &shown);
}

/* See that it was read, or print the reply. */
static int conclude(const struct options *options, struct endpoint *e)
{
    int r;

    if (options->expect)
        return print_reply(options, e);
    do {
        r = wpipe_drain(e->stream, options->wait_ms);
    } while (r == WPIPE_EWOKEN && ending_signal() == 0);
    if (r < 0 && r != WPIPE_EWOKEN)
        return say_error(options, options->operands[0], r);
    say_verbose(options, "%s: the server has read it", options->operands[0]);
    return STATUS_DONE;
}

/* Connected: what was asked for. Stdin as one message is read before signals
 * are watched, so that Ctrl-C ends that at once. */
static int converse(const struct options *options, struct sending *s)
{
    const bool streams = options->type == WPIPE_BYTE && from_stdin(options) &&
                         options->topic == NULL;
    struct parcel parcel = { .memory = NULL };
    int status = STATUS_DONE;

    if (!streams)
        status = parcel_make(options, &parcel);
    if (status != STATUS_DONE)
        return status;
    ending_watch(wake_sending, s);
    if (streams)
        status = send_bytes(options, s);
    else
        status = send_message(options, &s->pipe, &parcel);
    if (status == STATUS_DONE && ending_signal() == 0)
        status = conclude(options, &s->pipe);
    ending_watch(NULL, NULL);
    free(parcel.memory);
    return status;
}

int send_run(const struct options *options)
{
    const char *name = options->operands[0];
    struct sending s;
    int r, status = gate_dial(&s.input, options, "-");

    if (status != STATUS_DONE)
        return status;
    r = endpoint_init(&s.pipe, options);
    if (r >= 0)
        r = gate_connect(&s.pipe.stream, options, name);
    status = r < 0 ? say_error(options, name, r) : converse(options, &s);
    endpoint_close(&s.pipe, false);
    endpoint_close(&s.input, false);
    return status;
}

static void wake_client(void *client)
{
    wpipe_client_wake(client);
}

static int call(const struct options *options, wpipe_client *client,
                const struct parcel *p)
{
    struct output_message shown = { .event = "reply" };
    wpipe_event answer;
    int r =
        wpipe_client_call(client, p->data, p->size, &answer, options->wait_ms);

    if (r == WPIPE_EWOKEN)
        return STATUS_DONE; /* a signal; main ends by it */
    if (r == WPIPE_ENOTCONN) {
        say(options,
            "%s: the server left, or will send nothing more, and "
            "did not reply",
            options->operands[0]);
        return STATUS_PEER_LEFT;
    }
    if (r == WPIPE_ENOTSUP) {
        say(options,
            "%s does not support calls: the server is not windpipe, or it "
            "is a byte pipe",
            options->operands[0]);
        return STATUS_FAILED;
    }
    if (r < 0)
        return say_error(options, options->operands[0], r);
    shown.data = answer.data;
    shown.size = answer.size;
    return output_message(options, &shown);
}

/* Not "//./pipe/NAME", which is a name. */
static bool is_path(const char *name)
{
    return name[0] == '/' && name[1] != '/';
}

int call_run(const struct options *options)
{
    struct parcel parcel = { .memory = NULL };
    wpipe_client *client = NULL;
    int status, r;

    if (is_path(options->operands[0]) || options->foreign != 0 ||
        options->framing >= 0 || options->second != WPIPE_SECOND_PIPE_NONE)
        return say_usage(options, "no calls over a foreign socket: its bytes "
                                  "carry no request numbers; send "
                                  "--expect-reply takes the next message as "
                                  "the reply");
    r = gate_client(&client, options, options->operands[0]);
    if (r < 0)
        return say_error(options, options->operands[0], r);
    status = parcel_make(options, &parcel);
    if (status == STATUS_DONE) {
        ending_watch(wake_client, client);
        status = call(options, client, &parcel);
        ending_watch(NULL, NULL);
    }
    wpipe_client_close(client);
    free(parcel.memory);
    return status;
}
