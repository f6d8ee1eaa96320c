/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server under a random mix: clients of all kinds come, call, leave, die,
 * say nothing, are stopped and killed at any moment, seconds long in a usual
 * run and as long as asked for in a soak. Every answer is right, and at the end
 * the server holds no more memory, descriptors or blocks than before.
 * WINDPIPE_SEED=n takes other programs.
 */
#include "support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <windpipe.h>

#include "base/memory.h"

enum {
    WORKERS = 4,
    USUAL_MS = 3000,
    WAIT_MS = 5,
    LARGEST = 60000,
    ACT_MS = 25, /* between two acts upon workers */
    STOPPED_MS = 30,
    GROWTH_KIB = 2048 /* of the server, after the first fifth */
};

struct load {
    uint64_t random;
    wpipe_server *server;
    struct helper workers[WORKERS];
    int stopped; /* -1: none */
    int64_t stopped_until;
    uint64_t messages;
    uint64_t connections;
    unsigned killed;
};

static uint64_t draw(uint64_t *random, uint64_t below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (*random >> 11) % below;
}

/* ---- the workers --------------------------------------------------------- */

struct work {
    const char *name;
    uint64_t seed;
};

static void call(wpipe_client *client, uint64_t *random)
{
    static uint8_t bytes[LARGEST];
    size_t size = draw(random, draw(random, 8) == 0 ? LARGEST : 300);
    wpipe_event answer = { 0 };
    int r;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(size + i * 7);
    r = wpipe_client_call(client, bytes, size, &answer, SUPPORT_WAIT_MS);
    if (r != 1) {
        int w = wpipe_client_wait(client, &answer, 0);

        fail_msg("a call gave %s; then %d: event %d, reason %d, %s",
                 wpipe_error_name(r), w, answer.type, answer.reason,
                 wpipe_error_name(answer.error));
    }
    assert_int_equal(answer.size, size);
    assert_memory_equal(answer.data, bytes, size);
}

/* One connection; how it ends is drawn, too. */
static void connect_once(const char *name, uint64_t *random)
{
    wpipe_options options = { .size = sizeof options };
    wpipe_client *client = NULL;
    uint64_t calls = draw(random, draw(random, 10) == 0 ? 2000 : 40);

    options.shared_memory = (int)draw(random, 3);
    options.connect_ms = SUPPORT_WAIT_MS;
    assert_int_equal(wpipe_client_open(&client, name, &options), 0);
    for (uint64_t i = 0; i < calls; i++)
        call(client, random);
    if (draw(random, 4) == 0) /* an answer that nobody takes */
        (void)wpipe_client_send(client, "bye", 3);
    if (draw(random, 20) == 0)
        _exit(0);
    wpipe_client_close(client);
}

static int work(int fd, void *argument)
{
    const struct work *given = argument;
    uint64_t random = given->seed;

    (void)fd;
    for (;;)
        connect_once(given->name, &random);
    return 0;
}

static void start(struct load *load, int i)
{
    struct work given = { wpipe_server_name(load->server),
                          draw(&load->random, UINT64_MAX) | 1 };

    helper_start(&load->workers[i], work, &given);
}

/* ---- the server ---------------------------------------------------------- */

static void serve(struct load *load)
{
    wpipe_event event;
    int r = wpipe_server_wait(load->server, &event, WAIT_MS);

    if (r != 1) {
        assert_int_equal(r, WPIPE_ETIMEDOUT);
        return;
    }
    if (event.type == WPIPE_EVENT_CONNECTED)
        load->connections++;
    if (event.type == WPIPE_EVENT_DISCONNECTED &&
        event.reason != WPIPE_REASON_CLOSED &&
        event.reason != WPIPE_REASON_DIED && event.reason != WPIPE_REASON_LOST)
        fail_msg("a client was ended: %d, %s", event.reason,
                 wpipe_error_name(event.error));
    if (event.type != WPIPE_EVENT_MESSAGE)
        return;
    load->messages++;
    r = event.request
            ? wpipe_server_reply(load->server, &event, event.data, event.size)
            : wpipe_server_send(load->server, event.from, event.data,
                                event.size);
    assert_true(r == 0 || r == WPIPE_ENOTCONN || r == WPIPE_EAGAIN);
}

/* It runs, or has ended as it wanted: a wrong answer makes it abort. */
static void expect_well(const struct load *load, int i)
{
    siginfo_t info = { .si_pid = 0 };

    assert_int_equal(waitid(P_PID, (id_t)load->workers[i].pid, &info,
                            WEXITED | WNOHANG | WNOWAIT),
                     0);
    assert_true(info.si_pid == 0 ||
                (info.si_code == CLD_EXITED && info.si_status == 0));
}

/* A worker is killed and replaced, or stopped for a while. One that has ended
 * itself is replaced, too. */
static void act(struct load *load)
{
    int i = (int)draw(&load->random, WORKERS);

    if (load->stopped >= 0 && support_now_ms() < load->stopped_until)
        return;
    if (load->stopped >= 0) {
        (void)kill(load->workers[load->stopped].pid, SIGCONT);
        load->stopped = -1;
    }
    if (draw(&load->random, 2) == 0) {
        (void)kill(load->workers[i].pid, SIGSTOP);
        load->stopped = i;
        load->stopped_until = support_now_ms() + STOPPED_MS;
        return;
    }
    expect_well(load, i);
    helper_kill(&load->workers[i]);
    load->killed++;
    start(load, i);
}

static void run_for(struct load *load, int64_t ms)
{
    int64_t end = support_now_ms() + ms;
    int64_t next = 0;

    while (support_now_ms() < end) {
        serve(load);
        if (support_now_ms() >= next) {
            act(load);
            next = support_now_ms() + ACT_MS;
        }
    }
}

/* Resident memory of this process. */
static long resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*s %ld", &pages), 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void end_workers(struct load *load)
{
    int64_t end = support_now_ms() + SUPPORT_WAIT_MS;

    for (int i = 0; i < WORKERS; i++) {
        expect_well(load, i);
        helper_kill(&load->workers[i]);
    }
    while (wpipe_server_count(load->server) > 0) {
        assert_true(support_now_ms() < end);
        serve(load);
    }
    serve(load);
}

static void server_under_a_mixed_load_grows_by_nothing(void **state)
{
    const char *chosen = getenv("WINDPIPE_SEED");
    int64_t ms = support_is_soak() ? support_soak_ms() : USUAL_MS;
    wpipe_options options = { .size = sizeof options, .linger_ms = 100 };
    struct load load = { .stopped = -1 };
    size_t descriptors;
    long warm_kib;
    long blocks;

    (void)state;
    load.random = chosen ? strtoull(chosen, NULL, 10) | 1 : 20261201;
    assert_int_equal(
        wpipe_server_open(&load.server, support_unique_name(), &options), 0);
    descriptors = support_count_descriptors();
    blocks = wpipe__memory_live();
    for (int i = 0; i < WORKERS; i++)
        start(&load, i);
    run_for(&load, ms / 5);
    warm_kib = resident_kib();
    run_for(&load, ms - ms / 5);
    end_workers(&load);
    printf("%llu messages, %llu connections, %u killed; %ld KiB, then %ld\n",
           (unsigned long long)load.messages,
           (unsigned long long)load.connections, load.killed, warm_kib,
           resident_kib());
    assert_true(load.messages > 100 && load.connections > 10);
    assert_true(load.killed > 1);
    assert_true(support_wait_descriptors(descriptors));
    /* tables of clients stay as large as they were */
    assert_in_range(wpipe__memory_live(), blocks, blocks + 4);
    if (SUPPORT_LIMIT_FACTOR == 1) /* a sanitizer keeps what was freed */
        assert_true(resident_kib() < warm_kib + GROWTH_KIB);
    wpipe_server_close(load.server);
}

static const struct support_case cases[] = {
    TEST_SLOW(server_under_a_mixed_load_grows_by_nothing),
};

TEST_MAIN(cases)
