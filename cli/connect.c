/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe connect: the terminal, or a command, at the client's end of a pipe.
 */
#include "commands.h"

#include <string.h>

#include "ending.h"
#include "gate.h"
#include "pump.h"

static void stop(void *pump)
{
    pump_stop(pump);
}

static int open_mine(struct endpoint *mine, const struct options *options,
                     const struct endpoint *pipe)
{
    wpipe_peer peer = { .size = sizeof(peer) };
    int r;

    if (options->exec == NULL)
        return gate_dial(mine, options, "-");
    r = endpoint_init(mine, options);
    if (r < 0)
        return say_error(options, options->exec, r);
    snprintf(mine->label, sizeof(mine->label), "%s", options->exec);
    r = wpipe_stream_peer(pipe->stream, &peer);
    r = endpoint_exec(mine, options->exec, r == 0 ? &peer : NULL);
    if (r == 0)
        return STATUS_DONE;
    say(options, "%s: %s", options->exec, strerror(-r));
    return STATUS_FAILED;
}

int connect_run(const struct options *options)
{
    struct endpoint mine, pipe;
    struct pump pump; /* outlives the endpoints, which look at its stop */
    int status, r = endpoint_init(&pipe, options);

    if (r < 0)
        return say_error(options, options->operands[0], r);
    snprintf(pipe.label, sizeof(pipe.label), "%s", options->operands[0]);
    r = gate_connect(&pipe.stream, options, options->operands[0]);
    if (r < 0) {
        status = say_error(options, options->operands[0], r);
        endpoint_close(&pipe, true);
        return status;
    }
    status = open_mine(&mine, options, &pipe);
    mine.shows = mine.borrowed;
    pump_init(&pump, options, &mine, &pipe);
    ending_watch(stop, &pump);
    endpoint_say_peer(&pipe);
    if (status == STATUS_DONE)
        status = pump_run(&pump);
    ending_watch(NULL, NULL);
    endpoint_close(&pipe, false);
    endpoint_close(&mine, ending_signal() != 0);
    pump_done(&pump);
    return status;
}
