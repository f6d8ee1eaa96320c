/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe recv: print what a server sends. (recv --listen is in serve.c.)
 */
#include "commands.h"

#include "ending.h"
#include "gate.h"
#include "output.h"

static void stop(void *stream)
{
    wpipe_stream_wake(stream);
}

/* Messages until the end, the count, or a signal. */
static int print_all(struct endpoint *e)
{
    const struct options *options = e->options;
    const char *name = options->operands[0];
    struct output_message shown = { .event = "message" };
    uint64_t count = 0;
    char *data;
    size_t size;
    int r;

    while (options->number == 0 || count < options->number) {
        r = endpoint_read(e, &data, &size, options->wait_ms);
        if (r == WPIPE_EWOKEN && ending_signal() == 0)
            continue;
        if (r == WPIPE_EWOKEN)
            return STATUS_DONE;
        if (r < 0)
            return say_error(options, name, r);
        if (r == 0 && options->number == 0)
            return STATUS_DONE;
        if (r == 0) {
            say(options, "%s: the server left after %llu of %u messages", name,
                (unsigned long long)count, options->number);
            return STATUS_PEER_LEFT;
        }
        shown.data = data;
        shown.size = size;
        if (output_message(options, &shown) != STATUS_DONE)
            return STATUS_FAILED;
        count++;
    }
    return STATUS_DONE;
}

int recv_run(const struct options *options)
{
    struct endpoint e;
    int r, status;

    if (options->listen)
        return serve_plain(options);
    if (options->keep || options->access_given || options->clients != 0)
        return say_usage(options, "-k, --access and --max-clients go with "
                                  "--listen");
    r = endpoint_init(&e, options);
    if (r >= 0)
        r = gate_connect(&e.stream, options, options->operands[0]);
    if (r < 0) {
        status = say_error(options, options->operands[0], r);
    } else {
        snprintf(e.label, sizeof(e.label), "%s", options->operands[0]);
        ending_watch(stop, e.stream);
        endpoint_say_peer(&e);
        status = print_all(&e);
        ending_watch(NULL, NULL);
    }
    endpoint_close(&e, false);
    return status;
}
