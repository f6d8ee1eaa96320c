/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks, pinning, the state of the machine, statistics: see measure.h.
 */
#include "measure.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static uint64_t spec_ns(const struct timespec *spec)
{
    return (uint64_t)spec->tv_sec * 1000000000u + (uint64_t)spec->tv_nsec;
}

uint64_t clock_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return spec_ns(&now);
}

uint64_t clock_cpu_ns(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return spec_ns(&used);
}

void touch(const void *data, size_t size)
{
    static volatile unsigned char sink;
    const unsigned char *bytes = data;

    if (size > 0)
        sink = (unsigned char)(bytes[0] + bytes[size - 1]);
    (void)sink;
}

void work(uint32_t us)
{
    uint64_t until;

    if (us == 0)
        return;
    until = clock_now_ns() + us * 1000ull;
    while (clock_now_ns() < until)
        cpu_relax();
}

void places_find(struct places *places)
{
    cpu_set_t set;

    *places = (struct places){ .count = 0, .first = -1, .second = -1 };
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET((size_t)cpu, &set))
            continue;
        if (places->count == 0)
            places->first = cpu;
        else if (places->count == 1)
            places->second = cpu;
        places->count++;
    }
}

int pin_to(int cpu)
{
    cpu_set_t set;

    if (cpu < 0)
        return 0;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set);
}

static double usage_s(int who)
{
    struct rusage usage;

    if (getrusage(who, &usage) != 0)
        return 0;
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_usec / 1e6;
}

void load_sample(struct load *ret_load)
{
    unsigned long long user, nice, system, idle, wait, irq, soft, steal;
    FILE *file = fopen("/proc/stat", "re");
    double busy = 0;

    if (file) {
        if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user,
                   &nice, &system, &idle, &wait, &irq, &soft, &steal) == 8)
            busy = (double)(user + nice + system + irq + soft + steal) /
                   (double)sysconf(_SC_CLK_TCK);
        fclose(file);
    }
    ret_load->wall_ns = clock_now_ns();
    ret_load->busy_s = busy;
    ret_load->own_s = usage_s(RUSAGE_SELF) + usage_s(RUSAGE_CHILDREN);
}

double load_foreign(const struct load *before, const struct load *after)
{
    double wall = (double)(after->wall_ns - before->wall_ns) / 1e9;
    double foreign =
        (after->busy_s - before->busy_s) - (after->own_s - before->own_s);

    /* The kernel's account has steps of 10 ms, ours has not. */
    return wall > 0 && foreign > 0 ? foreign / wall : 0;
}

/* What the file says in a line of its own as `format` has it; -1. */
static double kib_in(const char *path, const char *format)
{
    char line[256];
    unsigned long kib;
    double result = -1;
    FILE *file = fopen(path, "re");

    if (!file)
        return -1;
    while (result < 0 && fgets(line, sizeof(line), file))
        if (sscanf(line, format, &kib) == 1)
            result = (double)kib;
    fclose(file);
    return result;
}

double resident_kib(int pid)
{
    char path[64];

    /* statm is kept in per-processor batches; this one is counted. */
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    return kib_in(path, "Rss: %lu kB");
}

double shared_kib(void)
{
    return kib_in("/proc/meminfo", "Shmem: %lu kB");
}

uint64_t process_cpu_ns(int pid)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 ||
        clock_gettime(clock, &used) != 0)
        return 0;
    return spec_ns(&used);
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    size_t slot = ns;

    if (ns > 255) {
        unsigned shift = 56u - (unsigned)__builtin_clzll(ns);

        slot = 128u + shift * 128u + ((ns >> shift) - 128u);
    }
    if (slot >= HISTOGRAM_SLOTS)
        slot = HISTOGRAM_SLOTS - 1;
    histogram->slots[slot]++;
    histogram->count++;
    histogram->sum_ns += ns;
}

void histogram_merge(struct histogram *histogram, const struct histogram *from)
{
    for (size_t slot = 0; slot < HISTOGRAM_SLOTS; slot++)
        histogram->slots[slot] += from->slots[slot];
    histogram->count += from->count;
    histogram->sum_ns += from->sum_ns;
}

/* The middle of the values that share a slot. */
static double slot_value(size_t slot)
{
    size_t shift;

    if (slot < 256)
        return (double)slot;
    shift = slot / 128 - 1;
    return ((double)(slot % 128 + 128) + 0.5) * (double)(1ull << shift);
}

double histogram_percentile(const struct histogram *histogram, double share)
{
    double wanted = share * (double)histogram->count;
    uint64_t seen = 0;

    for (size_t slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
        seen += histogram->slots[slot];
        if (seen > 0 && (double)seen >= wanted)
            return slot_value(slot);
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double median(double *values, int count)
{
    if (count == 0)
        return 0;
    qsort(values, (size_t)count, sizeof(*values), compare);
    if (count % 2)
        return values[count / 2];
    return (values[count / 2 - 1] + values[count / 2]) / 2;
}
