/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs share: the notes of a trial, and the table.
 */
#include "every_call.h"

#include <string.h>

const struct trial_program trial_programs[] = {
    { "server", trial_server, 0 },
    { "handlers", trial_handlers, 1 },
    { "foreign", trial_foreign, 0 },
    { "second-pipe", trial_second_pipe, 0 },
    { "reconnect", trial_reconnect, 0 },
    { "stream", trial_stream, 0 },
    { "zero-copy", trial_zero_copy, 0 },
    { "anonymous", trial_anonymous, 0 },
    { "spawn", trial_spawn, 0 },
};

const size_t trial_program_count =
    sizeof trial_programs / sizeof *trial_programs;

void trial_begin(struct trial *trial, int shared_memory, void (*calm)(void))
{
    memset(trial, 0, sizeof *trial);
    trial->shared_memory = shared_memory;
    trial->calm = calm;
    trial->name = support_unique_name();
}

void trial_check(const struct trial *trial)
{
    if (trial->arrived > trial->accepted ||
        (!trial->ended && trial->arrived < trial->accepted))
        fail_msg("%u messages were accepted, %u came, %d connections ended",
                 trial->accepted, trial->arrived, trial->ended);
}

int64_t trial_saw(struct trial *trial, const char *call, int64_t result)
{
    if (result < 0 && result != WPIPE_ETIMEDOUT && result != WPIPE_EAGAIN &&
        !trial->call) {
        trial->call = call;
        trial->error = (int)result;
    }
    return result;
}
