/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Busy loops and storms of short processes: see load.h.
 */
#include "load.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_SECONDS 20.0
#define SETTLE_NS     200000000

struct load_board {
    struct gate ready;
    unsigned alarm_s;
    int storm;   /* start short processes, in place of a loop */
    int session; /* the one that is started now gets its own */
};

static const struct load_size {
    const char *name;
    int beside; /* in our session */
    int apart;  /* in sessions of their own */
    int storm;
} sizes[LOADS] = {
    [LOAD_NONE] = { "none", 0, 0, 0 },   [LOAD_2_2] = { "2+2", 2, 2, 0 },
    [LOAD_4_8] = { "4+8", 4, 8, 0 },     [LOAD_8_8] = { "8+8", 8, 8, 0 },
    [LOAD_STORM] = { "storm", 2, 2, 1 },
};

const char *load_name(enum load_kind kind)
{
    return sizes[kind].name;
}

enum load_kind load_find(const char *name)
{
    enum load_kind kind = LOAD_NONE;

    while (kind < LOADS && strcmp(sizes[kind].name, name) != 0)
        kind++;
    return kind;
}

static void turn_for_ever(void)
{
    static volatile unsigned long turns;

    for (;;)
        turns++;
}

/* One short process after the other, as a shell script or a build does it. */
static int storm_for_ever(void)
{
    for (;;) {
        pid_t pid = fork();

        if (pid < 0)
            return 1;
        if (pid == 0)
            _exit(0);
        while (waitpid(pid, NULL, 0) != pid)
            continue;
    }
}

static int load_body(void *user)
{
    struct load_board *board = user;

    signal(SIGALRM, SIG_DFL);
    alarm(board->alarm_s);
    if (board->session && setsid() < 0)
        return 1;
    gate_add(&board->ready, 1);
    if (board->storm)
        return storm_for_ever();
    turn_for_ever();
    return 1;
}

/* Let the scheduler spread them over the processors. */
static void settle(void)
{
    struct timespec time = { .tv_nsec = SETTLE_NS };

    nanosleep(&time, NULL);
}

int load_start(struct load_crew *load, enum load_kind kind, double seconds)
{
    const struct load_size *size = &sizes[kind];
    int count = size->beside + size->apart;

    *load = (struct load_crew){ .crew = { .count = 0 } };
    if (count == 0)
        return 0;
    load->board = memory_share(sizeof(*load->board));
    if (!load->board)
        return -1;
    load->board->alarm_s = (unsigned)seconds + 1;
    load->board->storm = size->storm;
    for (int i = 0; i < count; i++) {
        load->board->session = i >= size->beside;
        if (crew_add(&load->crew, -1, load_body, load->board) < 0)
            return -1;
        if (crew_gate_wait(&load->crew, &load->board->ready, (uint32_t)i + 1,
                           START_SECONDS) < 0)
            return -1;
    }
    settle();
    return 0;
}

int load_end(struct load_crew *load)
{
    int ended = crew_end(&load->crew);

    memory_unshare(load->board, sizeof(*load->board));
    load->board = NULL;
    return ended;
}

int load_by_session(void)
{
    FILE *file = fopen("/proc/sys/kernel/sched_autogroup_enabled", "re");
    int enabled = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%d", &enabled) != 1)
        enabled = 0;
    fclose(file);
    return enabled != 0;
}
