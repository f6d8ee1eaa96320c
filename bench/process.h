/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a measurement: started together, bounded in time, gone with
 * the driver whatever happens to it. And what they share: memory, and gates
 * on which one waits for the others without polling.
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* A number in shared memory that only grows and can be waited for. */
struct gate {
    _Atomic uint32_t value;
};

/* Processes of one measurement. Zero is an empty crew. */
#define CREW_MAX 16
struct crew {
    int count;
    int pids[CREW_MAX];
    int handles[CREW_MAX]; /* pidfds; -1 once it is reaped */
    int failed;
};

/* Add to a gate and wake who waits there. */
void gate_add(struct gate *gate, uint32_t amount);

/* Add without waking, for a gate that is looked at only in the end. */
void gate_count(struct gate *gate, uint32_t amount, uint32_t wake_at);

/* Wait until a gate has `value` at least. 0, or -1 when time is over. */
int gate_wait(struct gate *gate, uint32_t value, double seconds);

/* Memory that processes forked later share with us; zero at first. */
void *memory_share(size_t size);
void memory_unshare(void *memory, size_t size);

/*
 * Start a process that runs `body` on one processor (-1: on any) and exits
 * with what it returns. It is killed when the driver ends. 0 or -1.
 */
int crew_add(struct crew *crew, int cpu, int (*body)(void *user), void *user);

/* Kill one of them and wait until it is gone. */
void crew_kill(struct crew *crew, int which);

/*
 * Wait for all to end by themselves, and kill the rest after `seconds`.
 * Returns 0 when each one that was not killed by crew_kill returned 0.
 */
int crew_wait(struct crew *crew, double seconds);

/* As gate_wait, in the driver; also -1 as soon as one of them has failed. */
int crew_gate_wait(struct crew *crew, struct gate *gate, uint32_t value,
                   double seconds);

/* Kill and reap all, the last one first: servers come before clients. How many
 * had ended by themselves. */
int crew_end(struct crew *crew);

/* Make Ctrl-C end the run in good order. */
void interrupt_catch(void);
int interrupted(void);

/* A directory for this run alone, and its removal with all that is in it. */
int scratch_make(char *path, size_t size);
void scratch_remove(const char *path);

/* Allow `count` descriptors if we may. Returns how many there are now. */
uint32_t descriptors_allow(uint32_t count);

/* Print "windpipe-bench: ..." on stderr. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

#endif
