/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is out, at each place where some is wanted: every program of
 * every_call.h runs with its first allocation failing, then its second one, and
 * so on until none is left to fail; for each, that one alone or all from then
 * on. Calls say WPIPE_ENOMEM or work, nothing leaks or hangs, and what is left
 * goes on when there is memory again.
 */
#include "every_call.h"

#include "base/memory.h"

enum {
    MOST = 4000 /* allocations of one program: more is a loop */
};

static const int transports[] = { WPIPE_SHARED_NEVER, WPIPE_SHARED_NOW,
                                  WPIPE_SHARED_AUTO };

static void calm(void)
{
    (void)wpipe__memory_fail_at(0);
}

/* What a caller may be told: that memory is out, or, when it was the other end
 * that found none, that the connection has ended or was never made. */
static bool is_told_well(int error)
{
    switch (error) {
    case 0:
    case WPIPE_ENOMEM:
    case WPIPE_ENOTCONN:
    case WPIPE_EREFUSED:
    case WPIPE_EPIPE:
    case WPIPE_EOF:
    case WPIPE_EDISCONNECTED:
        return true;
    default:
        return false;
    }
}

/* True when the allocation was met. */
static bool fails_at(const struct trial_program *program, int transport,
                     long at, bool recovers)
{
    size_t descriptors = support_count_descriptors();
    long live = wpipe__memory_live();
    int64_t begun = support_now_ms();
    struct trial trial;
    long left;

    trial_begin(&trial, transport, recovers ? calm : NULL);
    (void)wpipe__memory_fail_at(at);
    program->run(&trial);
    left = wpipe__memory_fail_at(0);
    trial_check(&trial);
    if (!is_told_well(trial.error) || (at == -MOST && trial.error != 0))
        fail_msg("allocation %ld: %s gave %s", at, trial.call,
                 wpipe_error_name(trial.error));
    if (wpipe__memory_live() != live)
        fail_msg("allocation %ld: %ld blocks are left", at,
                 wpipe__memory_live() - live);
    if (!support_wait_descriptors(descriptors))
        fail_msg("allocation %ld: descriptors are left; %s gave %s", at,
                 trial.call, wpipe_error_name(trial.error));
    if (support_now_ms() - begun > SUPPORT_SOON_MS)
        fail_msg("allocation %ld: it took %lld ms, and %s gave %s", at,
                 (long long)(support_now_ms() - begun), trial.call,
                 wpipe_error_name(trial.error));
    return at < 0 ? left == 0 : true;
}

/* The whole program goes on without memory, or has it again in the middle: by
 * turns, or both of them when there is time. */
static void each_allocation_fails(const struct trial_program *program)
{
    bool both = support_is_soak();

    for (size_t i = 0; i < sizeof transports / sizeof *transports; i++) {
        long at = 1;

        assert_false(fails_at(program, transports[i], -MOST, false));
        while (fails_at(program, transports[i], -at, at % 2)) {
            fails_at(program, transports[i], at, at / 2 % 2);
            if (both) {
                fails_at(program, transports[i], -at, at % 2 == 0);
                fails_at(program, transports[i], at, at / 2 % 2 == 0);
            }
            at++;
        }
        printf("%s, transport %d: %ld allocations\n", program->name,
               transports[i], at - 1);
        assert_true(at > 3);
    }
}

static void memory_out_at_any_place_is_survived(void **state)
{
    each_allocation_fails(*state);
}

int main(int argc, char **argv)
{
    struct support_case cases[16];

    for (size_t i = 0; i < trial_program_count; i++)
        cases[i] = (struct support_case){
            .name = "memory_out_at_any_place_is_survived",
            .run = memory_out_at_any_place_is_survived,
            .argument = (void *)(uintptr_t)&trial_programs[i],
            .variant = trial_programs[i].name,
            .flags = SUPPORT_SLOW,
        };
    return support_main(argc, argv, cases, trial_program_count);
}
