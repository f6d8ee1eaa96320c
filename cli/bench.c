/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe bench: what pipes do on this machine, beside a plain AF_UNIX
 * stream measured in the same run, alternating with it. The median of a few
 * short rounds is shown; the project's own benchmark has more cases and more
 * care.
 */
#include "commands.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "json.h"
#include "output.h"
#include "text.h"

enum {
    ROUNDS = 5,
    BAR = 40
};

struct test {
    const char *name;
    bool echo;
    size_t size;
    const char *label;
};

static const struct test tests[] = {
    { "round-trip", true, 64, "round trip     64 B" },
    { "round-trip", true, 1024, "round trip    1 KiB" },
    { "one-way", false, 64, "one way        64 B" },
    { "one-way", false, 1024, "one way       1 KiB" },
    { "one-way", false, 65536, "one way      64 KiB" },
    { "one-way", false, 1048576, "one way       1 MiB" },
};

enum {
    TESTS = sizeof(tests) / sizeof(tests[0])
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* `count` messages; the seconds they took in *ret. */
static int run(struct bench_peer *peer, int which, const struct test *test,
               uint64_t count, void *buf, double *ret)
{
    const struct bench_order order = { .link = (uint32_t)which,
                                       .echo = test->echo,
                                       .size = test->size,
                                       .count = count };
    int r = bench_peer_order(peer, &order);
    double start = now();

    for (uint64_t i = 0; i < count && r >= 0; i++) {
        r = bench_send(peer->links, which, buf, test->size);
        if (r >= 0 && test->echo)
            r = bench_take(peer->links, which, buf, test->size);
    }
    if (r >= 0 && !test->echo)
        r = bench_take(peer->links, which, buf, test->size);
    *ret = now() - start;
    return r;
}

/* How many messages would have filled `slot` seconds. */
static uint64_t scale(uint64_t count, double slot, double took)
{
    const double times = slot / (took > 1e-9 ? took : 1e-9);

    return (uint64_t)((double)count * (times < 1000 ? times : 1000)) + 1;
}

/* Find that number; this also warms things up. */
static int calibrate(struct bench_peer *peer, int which,
                     const struct test *test, double slot, void *buf,
                     uint64_t *ret)
{
    uint64_t count = 8;
    double took = 0;
    int r;

    for (;;) {
        r = run(peer, which, test, count, buf, &took);
        if (r < 0 || took > slot / 8 || count > UINT32_MAX)
            break;
        count *= 4;
    }
    *ret = scale(count, slot, took);
    return r;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Seconds a message, for both links, in alternating rounds. */
static int measure(struct bench_peer *peer, const struct test *test,
                   double slot, void *buf, double ret[LINKS])
{
    double took[LINKS][ROUNDS];
    uint64_t count[LINKS];
    double seconds = 0;
    int r = 0;

    for (int which = 0; which < LINKS && r >= 0; which++)
        r = calibrate(peer, which, test, slot, buf, &count[which]);
    for (int i = 0; i < ROUNDS; i++) {
        for (int which = 0; which < LINKS && r >= 0; which++) {
            r = run(peer, which, test, count[which], buf, &seconds);
            took[which][i] = seconds / (double)count[which];
            /* what was guessed too high is not waited for again */
            count[which] = scale(count[which], slot, seconds);
        }
    }
    if (r < 0)
        return r;
    for (int which = 0; which < LINKS; which++) {
        qsort(took[which], ROUNDS, sizeof(double), compare);
        ret[which] = took[which][ROUNDS / 2];
    }
    return 0;
}

/* "1.23 us", "4.5 M/s" or "2.1 GB/s", as it suits the test. */
static const char *describe(char *buf, size_t room, const struct test *test,
                            double seconds)
{
    char size[24];

    if (test->echo)
        snprintf(buf, room, "%.2f us", seconds * 1e6);
    else if (test->size > 1024)
        snprintf(buf, room, "%s/s",
                 text_size(size, sizeof(size), (double)test->size / seconds));
    else
        snprintf(buf, room, "%.2f M/s", 1e-6 / seconds);
    return buf;
}

static void print_bars(const struct test *test, const double took[LINKS])
{
    static const char *const names[LINKS] = { "windpipe", "AF_UNIX" };
    char text[32];
    double most = 0, value[LINKS];
    int length;

    for (int i = 0; i < LINKS; i++) {
        value[i] = test->echo ? took[i] : 1 / took[i];
        most = value[i] > most ? value[i] : most;
    }
    printf("%s (%s is better)\n", test->label, test->echo ? "less" : "more");
    for (int i = 0; i < LINKS; i++) {
        length = (int)(value[i] / most * BAR + 0.5);
        printf("  %-9s", names[i]);
        for (int j = 0; j < (length > 0 ? length : 1); j++)
            putchar('#');
        printf(" %s\n", describe(text, sizeof(text), test, took[i]));
    }
}

/* As --spin takes it. */
static void print_spin(const struct options *options)
{
    char number[16];

    snprintf(number, sizeof(number), "%d", options->spin_us);
    json_text(stdout, "spin",
              options->spin_us == 0  ? "default"
              : options->spin_us < 0 ? "off"
                                     : number);
}

static void print_json(const struct options *options, const struct test *test,
                       const double took[LINKS])
{
    json_begin(stdout);
    json_text(stdout, "case", test->name);
    json_number(stdout, "size", test->size);
    if (test->echo) {
        json_real(stdout, "windpipe_us", took[LINK_WINDPIPE] * 1e6);
        json_real(stdout, "unix_us", took[LINK_UNIX] * 1e6);
    } else {
        json_real(stdout, "windpipe_messages_s", 1 / took[LINK_WINDPIPE]);
        json_real(stdout, "unix_messages_s", 1 / took[LINK_UNIX]);
        json_real(stdout, "windpipe_bytes_s",
                  (double)test->size / took[LINK_WINDPIPE]);
        json_real(stdout, "unix_bytes_s", (double)test->size / took[LINK_UNIX]);
    }
    json_real(stdout, "times", took[LINK_UNIX] / took[LINK_WINDPIPE]);
    json_number(stdout, "rounds", ROUNDS);
    print_spin(options);
    json_end(stdout);
}

static int print(const struct options *options, const struct test *test,
                 const double took[LINKS])
{
    char ours[32], theirs[32];

    if (options->json)
        print_json(options, test, took);
    else if (options->picture)
        print_bars(test, took);
    else
        printf("%s  %12s  %12s  %7.1fx\n", test->label,
               describe(ours, sizeof(ours), test, took[LINK_WINDPIPE]),
               describe(theirs, sizeof(theirs), test, took[LINK_UNIX]),
               took[LINK_UNIX] / took[LINK_WINDPIPE]);
    return output_flush(options);
}

static int measure_all(const struct options *options, struct bench_peer *peer,
                       void *buf)
{
    /* calibrating takes about as long as one round */
    const double slot =
        options->seconds_ms / 1000.0 / (TESTS * LINKS * (ROUNDS + 1));
    double took[LINKS];
    int r, status = STATUS_DONE;

    if (!options->json && !options->picture)
        printf("%-19s  %12s  %12s  %8s\n", "", "windpipe", "AF_UNIX", "faster");
    for (size_t i = 0; i < TESTS && status == STATUS_DONE; i++) {
        r = measure(peer, &tests[i], slot, buf, took);
        status = r < 0 ? say_error(options, tests[i].label, r)
                       : print(options, &tests[i], took);
    }
    return status;
}

int bench_run(const struct options *options)
{
    void *buf = calloc(1, 1 << 20);
    struct bench_peer peer;
    int r, status;

    if (options->seconds_ms <= 0) {
        free(buf);
        return say_usage(options, "--seconds must be more than 0");
    }
    r = buf == NULL ? WPIPE_ENOMEM : bench_peer_start(&peer, options);
    if (r < 0) {
        free(buf);
        return say_error(options, "cannot start the other end", r);
    }
    status = measure_all(options, &peer, buf);
    bench_peer_end(&peer);
    free(buf);
    return status;
}
