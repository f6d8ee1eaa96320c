/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instruments of the benchmark: clocks, pinning, the state of the machine
 * (processor time that others took)
 * and the statistics. Used by every other file of bench/.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

/* The processors that this process may use. */
struct places {
    int count;
    int first;
    int second; /* -1 when there is only one */
};

/* How busy the machine and we ourselves were up to now. */
struct load {
    uint64_t wall_ns;
    double busy_s;
    double own_s;
};

/*
 * Log-linear: every nanosecond up to 255, then 128 steps per doubling, so no
 * value is off by more than 0.8 %. Small enough to stay in the cache.
 */
#define HISTOGRAM_SLOTS 4096
struct histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint32_t slots[HISTOGRAM_SLOTS];
};

uint64_t clock_now_ns(void);

/* Processor time of this process, user and system. */
uint64_t clock_cpu_ns(void);

/* Let the processor know that this is a spin loop. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("pause" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

/* Read the first and the last byte, as somebody who uses the data would. */
void touch(const void *data, size_t size);

/* Keep the processor busy, as somebody who works on a message does. */
void work(uint32_t us);

void places_find(struct places *places);

/* Stay on one processor; -1 is anywhere. Returns 0 or -1. */
int pin_to(int cpu);

void load_sample(struct load *ret_load);

/* Processors that others kept busy, on average, between the two samples. */
double load_foreign(const struct load *before, const struct load *after);

/* Resident KiB of a process, shared pages included; -1 if it is gone. */
double resident_kib(int pid);
/* KiB of shared memory in the machine, of all processes; -1 unknown. */
double shared_kib(void);

/* Processor time of a process in nanoseconds; 0 if it is gone. */
uint64_t process_cpu_ns(int pid);

void histogram_add(struct histogram *histogram, uint64_t ns);

/* Add all that `from` has. */
void histogram_merge(struct histogram *histogram, const struct histogram *from);

/* The value that `share` (0 to 1) of all values do not exceed. */
double histogram_percentile(const struct histogram *histogram, double share);

/* The middle of `count` values; sorts them. 0 when there are none. */
double median(double *values, int count);

#endif
