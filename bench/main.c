/* SPDX-License-Identifier: Apache-2.0 */
/*
 * windpipe-bench: measures windpipe beside the plain way of doing the same on
 * this machine, and judges the ratios. The driver: options, the order of the
 * cases, retries, the table.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windpipe.h>

#include "cases.h"

/* --check repeats nothing after so many seconds. */
#define CHECK_SECONDS 160
#define ATTEMPTS      3
#define NAMES_MAX     32
#define CASES_MOST    128

struct choice {
    int check;
    int list;
    const char *json;
    const char *pin;     /* NULL: all placements */
    enum load_kind load; /* LOADS: all */
    double bytes;        /* 0: all */
    const char *names[NAMES_MAX];
    int name_count;
    unsigned against;
    double seconds; /* 0: not said */
    int rounds;
    long clients;
};

static const char usage_text[] =
    "usage: windpipe-bench [OPTIONS]\n"
    "\n"
    "Measure windpipe beside what one could use instead, on this machine.\n"
    "\n"
    "  --check         only what has a target, and a few of the loaded cases,\n"
    "                  in two or three minutes; exit 1 if a target is missed\n"
    "                  three times in a row\n"
    "  --case NAME     only this case; may be repeated; NAME may be the\n"
    "                  beginning of several (rtt, oneway-64)\n"
    "  --pin MODE      only cases with the ends on two processors (split),\n"
    "                  on one (same), or where the scheduler likes (none)\n"
    "  --load LOAD     only cases beside such a load: none; busy loops in our\n"
    "                  session + in sessions of their own: 2+2, 4+8, 8+8;\n"
    "                  storm: processes that start short ones\n"
    "  --bytes N       only cases with messages of this size\n"
    "  --against NAME  only beside this library; may be repeated\n"
    "  --json FILE     also write one JSON object per figure; - is stdout\n"
    "  --seconds S     length of one slice (0.15; with --check 0.1; beside a\n"
    "                  load 0.3)\n"
    "  --rounds N      slices of each library per case (5)\n"
    "  --clients N     clients, where there are many\n"
    "  --list          name the cases, and the libraries\n"
    "  --help          this text\n";

static int number_parse(const char *text, double least, double most,
                        double *ret_value)
{
    char *end;
    double value;

    errno = 0;
    value = strtod(text, &end);
    if (end == text || *end || errno || !(value >= least && value <= most)) {
        complain("'%s' is not a number from %g to %g", text, least, most);
        return -1;
    }
    *ret_value = value;
    return 0;
}

static int pin_parse(const char *text, const char **ret_pin)
{
    static const char *const words[][2] = {
        { "split", "split" },
        { "same", "one-cpu" },
        { "none", "unpinned" },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i][0]) == 0) {
            *ret_pin = words[i][1];
            return 0;
        }
    }
    complain("--pin takes split, same or none");
    return -1;
}

static int load_parse(const char *text, enum load_kind *ret_load)
{
    *ret_load = load_find(text);
    if (*ret_load < LOADS)
        return 0;
    complain("--load takes none, 2+2, 4+8, 8+8 or storm");
    return -1;
}

static int against_parse(struct choice *choice, const char *name)
{
    for (enum peer_id id = PEER_NONE; id < PEERS; id++) {
        if (!peer_get(id) || strcmp(peer_get(id)->name, name) != 0)
            continue;
        choice->against |= 1u << id;
        return 0;
    }
    complain("no library is called %s, or it is not built in", name);
    return -1;
}

static int option_value(struct choice *choice, const char *option,
                        const char *value)
{
    double number = 0;
    int r = 0;

    if (strcmp(option, "--json") == 0) {
        choice->json = value;
    } else if (strcmp(option, "--pin") == 0) {
        r = pin_parse(value, &choice->pin);
    } else if (strcmp(option, "--load") == 0) {
        r = load_parse(value, &choice->load);
    } else if (strcmp(option, "--bytes") == 0) {
        r = number_parse(value, 1, 1 << 20, &choice->bytes);
    } else if (strcmp(option, "--against") == 0) {
        r = against_parse(choice, value);
    } else if (strcmp(option, "--case") == 0) {
        if (choice->name_count == NAMES_MAX)
            return -1;
        choice->names[choice->name_count++] = value;
    } else if (strcmp(option, "--seconds") == 0) {
        r = number_parse(value, 0.01, 10, &choice->seconds);
    } else if (strcmp(option, "--rounds") == 0) {
        r = number_parse(value, 1, 60, &number);
        choice->rounds = (int)number;
    } else if (strcmp(option, "--clients") == 0) {
        r = number_parse(value, 1, 19000, &number);
        choice->clients = (long)number;
    } else {
        complain("unknown option %s", option);
        r = -1;
    }
    return r;
}

/* 0 to go on, 1 when all is said, -1 on a wrong option. */
static int options_parse(struct choice *choice, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage_text, stdout);
            return 1;
        }
        if (strcmp(argv[i], "--check") == 0) {
            choice->check = 1;
        } else if (strcmp(argv[i], "--list") == 0) {
            choice->list = 1;
        } else if (i + 1 == argc) {
            complain("%s: unknown, or without its value", argv[i]);
            return -1;
        } else {
            if (option_value(choice, argv[i], argv[i + 1]) < 0)
                return -1;
            i++;
        }
    }
    return 0;
}

/* By its whole name; or by its beginning, if that is no whole name. */
static int case_named(const struct bench_case *one, const char *name)
{
    for (int i = 0; i < bench_case_count; i++)
        if (strcmp(bench_cases[i].name, name) == 0)
            return one == &bench_cases[i];
    return strncmp(one->name, name, strlen(name)) == 0;
}

static int case_wanted(const struct choice *choice,
                       const struct bench_case *one)
{
    if (choice->check && one->unjudged)
        return 0;
    if (choice->pin &&
        strcmp(choice->pin, placement_name(one->slice.placement)))
        return 0;
    if (choice->load < LOADS && one->load != choice->load)
        return 0;
    if (choice->bytes > 0 && (double)one->slice.bytes != choice->bytes)
        return 0;
    if (choice->name_count == 0)
        return !choice->check || choice->load < LOADS || case_in_check(one);
    for (int i = 0; i < choice->name_count; i++)
        if (case_named(one, choice->names[i]))
            return 1;
    return 0;
}

/* Every name has to be known, so that a slip does not measure nothing. */
static int names_check(const struct choice *choice)
{
    for (int i = 0; i < choice->name_count; i++) {
        int found = 0;

        for (int k = 0; k < bench_case_count; k++)
            found |= case_named(&bench_cases[k], choice->names[i]);
        if (!found) {
            complain("no case is called %s (see --list)", choice->names[i]);
            return -1;
        }
    }
    return 0;
}

static void cases_list(void)
{
    for (int i = 0; i < bench_case_count; i++) {
        const struct bench_case *one = &bench_cases[i];

        printf("%-32s %s\n", one->name, one->unjudged ? "" : "target");
    }
    puts("");
    for (enum peer_id id = PEER_NONE; id < PEERS; id++)
        if (peer_get(id))
            puts(peer_get(id)->name);
}

/* Say what is left out, so that nobody takes a gap for a result. */
static void absent_list(const struct choice *choice)
{
    for (enum peer_id id = PEER_NONE; id < PEERS; id++)
        if (peer_missing(id) && choice->against == 0)
            printf("skipped: %s is not installed (%s)\n", peer_missing(id),
                   peer_package(id));
    if (!load_by_session())
        puts("no groups: this kernel does not schedule by session, so that all "
             "busy loops are alike");
}

/* What is known of a case after one or more attempts. */
struct trial {
    int tried;
    int rows;
    int met[OUTCOME_ROWS]; /* each row, in one attempt at least */
};

static int trial_met(const struct trial *trial)
{
    for (int i = 0; i < trial->rows; i++)
        if (!trial->met[i])
            return 0;
    return 1;
}

/* Measure one case and show it. Returns how many libraries have failed. */
static int case_run(const struct bench *bench, const struct bench_case *one,
                    struct trial *trial)
{
    struct outcome outcome = { .count = 0 };
    const char *before = "";

    one->run(bench, one, &outcome);
    if (interrupted())
        return 0;
    /* A case that failed has one row; when it is repeated it has its own. */
    if (trial->rows != outcome.count)
        *trial = (struct trial){ .rows = outcome.count };
    trial->tried = 1;
    for (int i = 0; i < outcome.count; i++) {
        table_row(stdout, &outcome.rows[i], before);
        before = outcome.rows[i].name;
        trial->met[i] |= row_met(&outcome.rows[i]);
    }
    return outcome.failures;
}

/*
 * One attempt at all chosen cases that are not met yet. How many it ran; adds
 * to *failures.
 */
static int cases_try(const struct choice *choice, const struct bench *bench,
                     struct trial *trials, int attempt, int *failures)
{
    uint64_t until = bench->start_ns + CHECK_SECONDS * 1000000000ull;
    int ran = 0;

    for (int i = 0; i < bench_case_count && !interrupted(); i++) {
        const struct bench_case *one = &bench_cases[i];

        if (!case_wanted(choice, one))
            continue;
        if (one->slice.placement == PLACE_SPLIT && bench->places.count < 2) {
            if (attempt == 0)
                printf("%-32s skipped, one processor only\n", one->name);
            continue;
        }
        if (attempt > 0 && (trial_met(&trials[i]) || clock_now_ns() > until))
            continue;
        if (attempt > 0 && ran == 0)
            printf("once more, what was missed:\n");
        *failures += case_run(bench, one, &trials[i]);
        ran++;
    }
    return ran;
}

/* Name what was missed each time. 1 when there is something. */
static int misses_list(const struct trial *trials)
{
    int missed = 0;

    for (int i = 0; i < bench_case_count; i++) {
        if (!trials[i].tried || trial_met(&trials[i]))
            continue;
        printf("%s %s", missed ? "," : "missed:", bench_cases[i].name);
        missed = 1;
    }
    puts(missed ? "" : "all targets are met");
    return missed;
}

/* Run the chosen cases. Returns the exit code. */
static int cases_run(const struct choice *choice, const struct bench *bench)
{
    static struct trial trials[CASES_MOST];
    int ran, failures = 0, missed = 0;

    if (bench_case_count > CASES_MOST)
        return 2;
    absent_list(choice);
    table_head(stdout);
    ran = cases_try(choice, bench, trials, 0, &failures);
    for (int i = 1; choice->check && i < ATTEMPTS; i++)
        cases_try(choice, bench, trials, i, &failures);
    if (interrupted())
        return 130;
    if (ran == 0) {
        complain("nothing was measured");
        return 2;
    }
    if (choice->check)
        missed = misses_list(trials);
    return missed || failures > 0;
}

static int bench_open(struct bench *bench, const struct choice *choice,
                      char *scratch, size_t scratch_size)
{
    *bench = (struct bench){
        .directory = scratch,
        .seconds = choice->check ? 0.1 : 0.15,
        .rounds = 5,
        .loaded_seconds = 0.3,
        .loaded_rounds = 5,
        .complete = !choice->check,
        .against = choice->against,
        .start_ns = clock_now_ns(),
    };
    if (choice->seconds > 0)
        bench->seconds = bench->loaded_seconds = choice->seconds;
    if (choice->rounds > 0)
        bench->rounds = bench->loaded_rounds = choice->rounds;
    if (choice->clients > 0)
        bench->clients = (uint32_t)choice->clients;
    places_find(&bench->places);
    if (scratch_make(scratch, scratch_size) < 0)
        return -1;
    /* Our names lie there too, so nothing of the user's is touched. */
    setenv("WINDPIPE_DIR", scratch, 1);
    if (choice->json)
        bench->json =
            strcmp(choice->json, "-") ? fopen(choice->json, "we") : stdout;
    if (choice->json && !bench->json) {
        complain("%s: %s", choice->json, strerror(errno));
        scratch_remove(scratch);
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct choice choice = { .load = LOADS };
    struct load before, after;
    struct bench bench;
    char scratch[128], machine[160];
    int r = options_parse(&choice, argc, argv);

    if (r != 0)
        return r < 0 ? 2 : 0;
    if (names_check(&choice) < 0)
        return 2;
    if (choice.list) {
        cases_list();
        return 0;
    }
    interrupt_catch();
    if (bench_open(&bench, &choice, scratch, sizeof(scratch)) < 0)
        return 2;
    machine_describe(machine, sizeof(machine));
    printf("%s\n", machine);
    load_sample(&before);
    r = cases_run(&choice, &bench);
    load_sample(&after);
    printf("windpipe %s, %d processors, %.0f s, others used %.2f processors\n",
           wpipe_version(), bench.places.count,
           (double)(after.wall_ns - before.wall_ns) / 1e9,
           load_foreign(&before, &after));
    scratch_remove(scratch);
    return r;
}
