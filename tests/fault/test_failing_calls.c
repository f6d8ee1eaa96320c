/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that fail, at each place where one is made: every program of
 * every_call.h runs with one call of one kind failing in one way that Linux has
 * for it, the first such call, then the second one, and so on. A signal or a
 * call that has to wait is the caller's business never; of the rest calls say
 * so, nothing leaks or hangs, and afterwards all goes on.
 */
#include "every_call.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "failing_calls.h"

enum {
    PLACES = 4, /* of one call that are tried in a usual run */
    SPARED = 3  /* so many of the transports take turns in it */
};

static const int transports[] = { WPIPE_SHARED_NEVER, WPIPE_SHARED_NOW,
                                  WPIPE_SHARED_AUTO };

static void calm(void)
{
    (void)failing_disarm();
}

/* Signals, and what has to be tried again. */
static bool is_nothing(const struct failing_call *call, int error)
{
    if (error == EINTR || error == ECONNABORTED)
        return true;
    return error == EAGAIN && strcmp(call->name, "mmap") != 0 &&
           strcmp(call->name, "madvise") != 0 &&
           strcmp(call->name, "pthread_create") != 0 &&
           strcmp(call->name, "posix_spawnp") != 0;
}

/* What the caller may be told: the system's trouble, or, when the other end had
 * it, that the connection has ended or was never made. */
static bool is_told_well(int error)
{
    switch (error) {
    case 0:
    case WPIPE_ENOMEM:
    case WPIPE_ELIMIT:
    case WPIPE_EACCES:
    case WPIPE_ESYSTEM:
    case WPIPE_ENOTSUP:
    case WPIPE_ENOTCONN:
    case WPIPE_EREFUSED:
    case WPIPE_EBUSY:
    case WPIPE_EPIPE:
    case WPIPE_EOF:
    case WPIPE_EDIED:
    case WPIPE_EDISCONNECTED:
        return true;
    default:
        return false;
    }
}

struct place {
    const struct trial_program *program;
    int transport;
    size_t call;
    int error;
    long count;
};

static void fail_place(const struct place *p, const struct trial *trial,
                       const char *why)
{
    fail_msg("transport %d, %s number %ld fails with \"%s\": %s; %s gave %s",
             p->transport, failing_calls[p->call].name, p->count,
             strerror(p->error), why, trial->call ? trial->call : "nothing",
             wpipe_error_name(trial->error));
}

/* Files in the directories of the case that no trial removed. */
static unsigned count_files(void)
{
    const char *const paths[] = { support_runtime_dir(), getenv("TMPDIR") };
    unsigned count = 0;

    for (int i = 0; i < 2; i++) {
        DIR *directory = opendir(paths[i]);
        const struct dirent *entry;

        assert_non_null(directory);
        while ((entry = readdir(directory)))
            count += entry->d_name[0] != '.';
        closedir(directory);
    }
    return count;
}

/* What a closing thread was to close, but none could be made, goes with what is
 * to be closed so next (src/os/linux_close.c): in a run without failures. */
static void close_parked(const struct place *p)
{
    struct trial trial;

    if (strcmp(failing_calls[p->call].name, "pthread_create") != 0)
        return;
    trial_begin(&trial, p->transport, NULL);
    p->program->run(&trial);
}

/* True when the call was met. */
static bool fails_at(const struct place *p, bool recovers)
{
    size_t descriptors = support_count_descriptors();
    size_t mappings = support_count_mappings();
    unsigned files = count_files();
    long live = wpipe__memory_live();
    int64_t begun = support_now_ms();
    struct trial trial;
    int met;

    trial_begin(&trial, p->transport, recovers ? calm : NULL);
    failing_arm(p->call, p->error, p->count);
    p->program->run(&trial);
    met = failing_disarm();
    trial_check(&trial);
    if (!is_told_well(trial.error) ||
        (trial.error && is_nothing(&failing_calls[p->call], p->error)))
        fail_place(p, &trial, "told badly");
    if (trial.error && !met)
        fail_place(p, &trial, "although it was not met");
    if (wpipe__memory_live() != live)
        fail_place(p, &trial, "memory is left");
    close_parked(p);
    if (!support_wait_descriptors(descriptors))
        fail_place(p, &trial, "descriptors are left");
    if (support_count_mappings() != mappings)
        fail_place(p, &trial, "mappings are left");
    if (count_files() != files)
        fail_place(p, &trial, "files are left");
    if (support_now_ms() - begun > SUPPORT_SOON_MS)
        fail_place(p, &trial, "it took long");
    return met;
}

/* Returns how many were tried. */
static unsigned at_each_place(struct place *p)
{
    bool all = support_is_soak();
    unsigned tried = 0;

    for (p->count = 1; all || p->count <= PLACES; p->count++) {
        if (!fails_at(p, p->count % 2))
            break;
        if (all)
            fails_at(p, p->count % 2 == 0);
        tried++;
    }
    return tried;
}

static void each_call_fails(const struct trial_program *program)
{
    struct place p = { .program = program };
    unsigned tried = 0;
    unsigned turn = 0;

    for (p.call = 0; p.call < failing_call_count; p.call++) {
        const int *error = failing_calls[p.call].errors;

        for (; *error; error++) {
            p.error = *error;
            for (int i = 0; i < SPARED; i++) {
                p.transport = transports[i];
                if (support_is_soak() || turn++ % SPARED == p.call % SPARED)
                    tried += at_each_place(&p);
            }
        }
    }
    printf("%s: %u failures\n", program->name, tried);
    assert_true(tried >= 10);
}

static void call_that_fails_anywhere_is_survived(void **state)
{
    each_call_fails(*state);
}

int main(int argc, char **argv)
{
    struct support_case cases[16];

    for (size_t i = 0; i < trial_program_count; i++)
        cases[i] = (struct support_case){
            .name = "call_that_fails_anywhere_is_survived",
            .run = call_that_fails_anywhere_is_survived,
            .argument = (void *)(uintptr_t)&trial_programs[i],
            .variant = trial_programs[i].name,
            .flags = SUPPORT_SLOW,
        };
    return support_main(argc, argv, cases, trial_program_count);
}
