/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short programs that together make every public call, both ends of each
 * connection in one process. Something is to fail inside of them, an allocation
 * or a system call; they go on with what is left, as a careful caller does, and
 * note what they were told. For test_failing_*.c.
 */
#ifndef WINDPIPE_TESTS_EVERY_CALL_H
#define WINDPIPE_TESTS_EVERY_CALL_H

#include "support.h"

#include <windpipe.h>

struct trial {
    int shared_memory; /* WPIPE_SHARED_* of all ends */
    /* When not NULL: ends the failing in the middle of the program. From then
     * on a new connection has to work, and the old ones that did not end. */
    void (*calm)(void);
    const char *name; /* of the pipe */

    const char *call; /* the first one that failed, and its error; or NULL */
    int error;
    unsigned accepted; /* messages that a send took, and those that came */
    unsigned arrived;
    int ended; /* connections that ended before the program wanted it */
};

/* Both work on what trial_begin has made. */
void trial_begin(struct trial *trial, int shared_memory, void (*calm)(void));
/* What must hold after each, however it went: what was accepted came, but for
 * connections that ended. */
void trial_check(const struct trial *trial);

/* Note the result of a call, and give it back. A time that is over, and a queue
 * that is full, are no failures. */
int64_t trial_saw(struct trial *trial, const char *call, int64_t result);
#define TRIAL(trial, call) trial_saw(trial, #call, call)

/* A thing to do with every program. */
struct trial_program {
    const char *name;
    void (*run)(struct trial *trial);
    int threaded; /* what happens in which order differs from run to run */
};

extern const struct trial_program trial_programs[];
extern const size_t trial_program_count;

void trial_server(struct trial *trial); /* every_call_server.c */
void trial_handlers(struct trial *trial);
void trial_foreign(struct trial *trial);
void trial_second_pipe(struct trial *trial);
void trial_reconnect(struct trial *trial);
void trial_stream(struct trial *trial); /* every_call_stream.c */
void trial_zero_copy(struct trial *trial);
void trial_anonymous(struct trial *trial);
void trial_spawn(struct trial *trial);

#endif
