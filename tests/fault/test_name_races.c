/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several processes and one name. Statistically: processes that race for it
 * thousands of times. And without luck: one process is stopped by ptrace at
 * each of its system calls in turn while another takes, gives back or finds
 * the name, or is killed there. Always exactly one has the name and can be
 * reached, and nothing is left that stops the next one.
 */
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "door/door.h"
#include "os/os_test.h"
#include "unit/door_tools.h"

/* What processes tell each other. */
enum {
    GO = 1,
    END,
    WON,
    LOST,
    FAILED,
    RELEASED
};

/* What a server started after a crash may sleep until it has its name; a busy
 * machine may take longer to run it. */
#define RESTART_NS (50 * 1000000LL * SUPPORT_LIMIT_FACTOR)

static long sleeps_so_far(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_nvcsw;
}

static uint32_t word_of(int r)
{
    if (r == 0)
        return WON;
    return r == WPIPE_EINUSE ? LOST : FAILED;
}

/* Who answers to the name? 0: so many have dialled that it takes no more. */
static int64_t pid_at(const char *name)
{
    wpipe__handle socket;
    wpipe_peer peer;
    int r = wpipe__door_dial(name, NULL, &socket);

    if (r == WPIPE_EAGAIN)
        return 0;
    assert_int_equal(r, 0);
    assert_int_equal(wpipe__os_peer(socket, &peer), 0);
    wpipe__os_close(socket);
    return peer.pid;
}

/* Take the name within the time of a restart, be reached, give it back, and
 * there is nothing: whatever has happened before. */
static void assert_name_is_free(const char *name)
{
    struct wpipe__door d;
    wpipe_options options = plain();
    long sleeps = sleeps_so_far();
    int64_t start = support_now_ns();
    int r = wpipe__door_open(&d, name, &options);

    if (r < 0)
        fail_msg("%d: %s", r, error_text);
    assert_true(support_now_ns() - start < RESTART_NS ||
                sleeps_so_far() == sleeps);
    assert_reaches(&d, name, NULL);
    wpipe__door_close(&d);
    assert_int_equal(count_files(support_runtime_dir()), 0);
}

/* ---- many rounds --------------------------------------------------------- */

struct race {
    int processes;
    int rounds;
};

/* Tries at each GO and tells; holds what it won until it is asked to end. */
static int racer(int fd, void *argument)
{
    struct wpipe__door d = WPIPE__DOOR_NULL;

    (void)argument;
    while (event_wait(fd) == GO) {
        event_send(fd, word_of(wpipe__door_open(&d, "race", NULL)));
        event_expect(fd, END);
        wpipe__door_close(&d);
        event_send(fd, RELEASED);
    }
    return 0;
}

static void run_round(struct helper *helpers, int count)
{
    int winner = -1;
    uint32_t word;
    int i;

    for (i = 0; i < count; i++)
        event_send(helpers[i].fd, GO);
    for (i = 0; i < count; i++) {
        word = event_wait(helpers[i].fd);
        if (word == WON && winner < 0)
            winner = i;
        else
            assert_int_equal(word, LOST);
    }
    assert_int_not_equal(winner, -1);
    assert_int_equal(pid_at("race"), helpers[winner].pid);
    for (i = 0; i < count; i++)
        event_send(helpers[i].fd, END);
    for (i = 0; i < count; i++)
        event_expect(helpers[i].fd, RELEASED);
}

static void race_for_a_name_has_one_winner(void **state)
{
    const struct race *race = *state;
    struct helper helpers[4];
    int i;

    for (i = 0; i < race->processes; i++)
        helper_start(&helpers[i], racer, NULL);
    for (i = 0; i < race->rounds; i++)
        run_round(helpers, race->processes);
    for (i = 0; i < race->processes; i++) {
        event_send(helpers[i].fd, END);
        assert_int_equal(helper_join(&helpers[i]), 0);
    }
    assert_int_equal(count_files(support_runtime_dir()), 0);
}

/* What the processes of a churn share. */
struct churn {
    atomic_int owners;
    atomic_int ended;
    int rounds;
};

/* Opens and closes as fast as it can, against others that do the same. */
static int churner(int fd, void *argument)
{
    struct churn *churn = argument;
    struct wpipe__door d = WPIPE__DOOR_NULL;
    int64_t owner;
    int won = 0;
    int r;

    event_expect(fd, GO);
    while (won < churn->rounds) {
        r = wpipe__door_open(&d, "race", NULL);
        if (r == WPIPE_EINUSE)
            continue;
        assert_int_equal(r, 0);
        assert_int_equal(atomic_fetch_add(&churn->owners, 1), 0);
        owner = pid_at("race"); /* dial_until may be ahead of a busy machine */
        assert_true(owner == getpid() || owner == 0);
        assert_int_equal(atomic_fetch_sub(&churn->owners, 1), 1);
        wpipe__door_close(&d);
        won++;
    }
    atomic_fetch_add(&churn->ended, 1);
    event_send(fd, END);
    return 0;
}

/* A client meanwhile reaches somebody or nobody; nothing else ever. */
static void dial_until(const struct churn *churn, int ended)
{
    wpipe__handle socket;
    int r;

    while (atomic_load(&churn->ended) < ended) {
        r = wpipe__door_dial("race", NULL, &socket);
        if (r == 0)
            wpipe__os_close(socket);
        else if (r != WPIPE_EAGAIN)
            assert_int_equal(r, WPIPE_ENOTFOUND);
    }
}

static void churn_of_one_name_never_has_two_owners(void **state)
{
    const struct race *race = *state;
    struct helper helpers[4];
    struct churn *churn = mmap(NULL, sizeof(*churn), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int i;

    assert_ptr_not_equal(churn, MAP_FAILED);
    churn->rounds = race->rounds / race->processes;
    for (i = 0; i < race->processes; i++)
        helper_start(&helpers[i], churner, churn);
    for (i = 0; i < race->processes; i++)
        event_send(helpers[i].fd, GO);
    dial_until(churn, race->processes);
    for (i = 0; i < race->processes; i++) {
        event_expect(helpers[i].fd, END);
        assert_int_equal(helper_join(&helpers[i]), 0);
    }
    assert_int_equal(munmap(churn, sizeof(*churn)), 0);
    assert_int_equal(count_files(support_runtime_dir()), 0);
}

/* ---- killed and stopped servers ------------------------------------------ */

static int server(int fd, void *argument)
{
    struct wpipe__door d;

    (void)argument;
    event_send(fd, word_of(wpipe__door_open(&d, "race", NULL)));
    (void)support_wait_readable(fd, SUPPORT_WAIT_MS);
    wpipe__door_close(&d);
    return 0;
}

static void server_killed_leaves_nothing_in_the_way(void **state)
{
    const struct race *race = *state;
    struct helper helper = HELPER_NONE;
    int i;

    for (i = 0; i < race->rounds; i++) {
        helper_start(&helper, server, NULL);
        event_expect(helper.fd, WON);
        helper_kill(&helper);
        assert_int_equal(count_files(support_runtime_dir()), 2);
        /* now and then a killed one comes after a killed one */
        if (i % 2 == 0)
            assert_name_is_free("race");
    }
    assert_name_is_free("race");
}

static void server_stopped_keeps_its_name(void **state)
{
    struct helper helper = HELPER_NONE;
    wpipe_options options = plain();
    struct wpipe__door d;
    char pid[32];

    (void)state;
    helper_start(&helper, server, NULL);
    event_expect(helper.fd, WON);
    helper_stop(&helper);
    assert_int_equal(wpipe__door_open(&d, "race", &options), WPIPE_EINUSE);
    snprintf(pid, sizeof(pid), "process %ld (", (long)helper.pid);
    assert_said(pid);
    assert_int_equal(pid_at("race"), helper.pid);
    helper_cont(&helper);
    assert_int_equal(helper_join(&helper), 0);
    assert_name_is_free("race");
}

/* ---- at each system call ------------------------------------------------- */

/* What a traced process does in steps. */
struct traced {
    bool open_first; /* only its close is in steps */
    bool only_lock;  /* the lock alone, not the whole door */
    bool keeps;      /* after open_first: it looks whether it has its name */
};

/* Take the lock as a door does, and nothing else. */
static int lock_only(struct wpipe__door *d)
{
    struct wpipe__file_facts facts;
    int r;

    r = wpipe__os_directory_open(support_runtime_dir(), 0, &d->directory,
                                 &facts);
    assert_int_equal(r, 0);
    r = wpipe__os_lock_take(d->directory, "race.lock", 0600, &d->lock);
    if (r == 0) {
        snprintf(d->name, sizeof(d->name), "race");
        d->generation = wpipe__os_generation();
    }
    return r;
}

/* 0 when it has taken its name again. */
static int keep(struct wpipe__door *d)
{
    wpipe__handle old = WPIPE__NO_HANDLE;
    int r = wpipe__door_keep(d, NULL, &old);

    wpipe__os_close(old);
    return r == 1 ? 0 : r;
}

/* Opens (outside or inside the steps), tells, waits, closes. */
static int traced_server(int fd, void *argument)
{
    const struct traced *traced = argument;
    struct wpipe__door d = WPIPE__DOOR_NULL;
    int r = 0;

    umask(0);
    if (traced->open_first) {
        r = wpipe__door_open(&d, "race", NULL);
        event_send(fd, word_of(r));
    }
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        return 99;
    raise(SIGSTOP);
    if (traced->keeps)
        r = keep(&d);
    else if (traced->open_first)
        wpipe__door_close(&d);
    else if (traced->only_lock)
        r = lock_only(&d);
    else
        r = wpipe__door_open(&d, "race", NULL);
    event_send(fd, word_of(r));
    (void)support_wait_readable(fd, SUPPORT_WAIT_MS);
    wpipe__door_close(&d);
    return 0;
}

static void do_not_nap(int ms)
{
    (void)ms;
}

/* From now on nobody sleeps while a stopped one has the lock. */
static void trace_start(struct helper *helper, struct traced *traced)
{
    int status;

    wpipe__os_test_naps(do_not_nap);
    helper_start(helper, traced_server, traced);
    if (traced->open_first)
        event_expect(helper->fd, WON);
    assert_int_equal(waitpid(helper->pid, &status, 0), helper->pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 99) {
        close(helper->fd);
        support_skip("ptrace is not allowed here");
    }
    assert_true(WIFSTOPPED(status));
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, helper->pid, NULL,
                            PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL),
                     0);
}

/* On to the begin or end of the next system call. False once it has told. */
static bool trace_step(const struct helper *helper)
{
    int status;

    assert_int_equal(ptrace(PTRACE_SYSCALL, helper->pid, NULL, NULL), 0);
    assert_int_equal(waitpid(helper->pid, &status, 0), helper->pid);
    assert_true(WIFSTOPPED(status));
    return !support_wait_readable(helper->fd, 0);
}

/* `steps` steps on; false when that is beyond its end. */
static bool trace_on(const struct helper *helper, int steps)
{
    int i;

    for (i = 0; i < steps; i++)
        if (!trace_step(helper))
            return false;
    return true;
}

/* Started, and stopped after `steps` steps. */
static bool trace_to(struct helper *helper, struct traced *traced, int steps)
{
    trace_start(helper, traced);
    return trace_on(helper, steps);
}

/* Let it run on, to its end; what it told. */
static uint32_t trace_go_on(const struct helper *helper)
{
    assert_int_equal(ptrace(PTRACE_DETACH, helper->pid, NULL, NULL), 0);
    return event_wait(helper->fd);
}

/* Enough system calls to believe that the steps are real. */
enum {
    STEPS_AT_LEAST = 10
};

static void killed_at_each_step(struct traced *traced)
{
    struct helper helper = HELPER_NONE;
    bool inside = true;
    int steps;

    for (steps = 0; inside; steps++) {
        inside = trace_to(&helper, traced, steps);
        helper_kill(&helper);
        assert_name_is_free("race");
    }
    assert_true(steps > STEPS_AT_LEAST);
}

static void opener_killed_at_each_step_leaves_the_name_free(void **state)
{
    struct traced traced = { .open_first = false };

    (void)state;
    killed_at_each_step(&traced);
}

static void closer_killed_at_each_step_leaves_the_name_free(void **state)
{
    struct traced traced = { .open_first = true };

    (void)state;
    killed_at_each_step(&traced);
}

/* Either we have the name or the other one gets it. */
static void opener_stopped_at_each_step_is_never_displaced(void **state)
{
    struct traced traced = { .open_first = false };
    struct helper helper = HELPER_NONE;
    struct wpipe__door d = WPIPE__DOOR_NULL;
    int won = 0;
    int lost = 0;
    int steps;
    int r;

    (void)state;
    for (steps = 0; trace_to(&helper, &traced, steps); steps++) {
        r = wpipe__door_open(&d, "race", NULL);
        if (r == 0) {
            won++;
            assert_int_equal(trace_go_on(&helper), LOST);
            assert_reaches(&d, "race", NULL);
        } else {
            lost++;
            assert_int_equal(r, WPIPE_EINUSE);
            assert_int_equal(trace_go_on(&helper), WON);
            assert_int_equal(pid_at("race"), helper.pid);
        }
        wpipe__door_close(&d);
        assert_int_equal(helper_join(&helper), 0);
        assert_name_is_free("race");
    }
    assert_int_equal(ptrace(PTRACE_DETACH, helper.pid, NULL, NULL), 0);
    event_expect(helper.fd, WON);
    assert_int_equal(helper_join(&helper), 0);
    assert_true(won > 0 && lost > STEPS_AT_LEAST);
}

/* It finds the old owner, or takes the name: in both cases for good. */
static void opener_stopped_at_each_step_while_owner_closes(void **state)
{
    struct traced traced = { .open_first = false };
    struct helper helper = HELPER_NONE;
    struct wpipe__door d = WPIPE__DOOR_NULL;
    bool inside = true;
    int won = 0;
    int steps;

    (void)state;
    for (steps = 0; inside; steps++) {
        assert_int_equal(wpipe__door_open(&d, "race", NULL), 0);
        inside = trace_to(&helper, &traced, steps);
        assert_reaches(&d, "race", NULL);
        wpipe__door_close(&d);
        if (trace_go_on(&helper) == WON) {
            won++;
            assert_int_equal(pid_at("race"), helper.pid);
        } else {
            assert_name_is_free("race");
        }
        assert_int_equal(helper_join(&helper), 0);
        assert_name_is_free("race");
    }
    assert_true(won > 0 && won < steps);
}

/* The server whose files were removed, or the one that starts now: never
 * both. */
static void keeper_stopped_at_each_step_while_another_opens(void **state)
{
    struct traced traced = { .open_first = true, .keeps = true };
    const char *run = support_runtime_dir();
    struct helper helper = HELPER_NONE;
    struct wpipe__door d = WPIPE__DOOR_NULL;
    bool inside = true;
    int won = 0;
    int steps;
    int r;

    (void)state;
    for (steps = 0; inside; steps++) {
        trace_start(&helper, &traced);
        assert_int_equal(unlink(below(run, "race.pipe")), 0);
        assert_int_equal(unlink(below(run, "race.lock")), 0);
        inside = trace_on(&helper, steps);
        r = wpipe__door_open(&d, "race", NULL);
        if (r == 0) {
            won++;
            assert_int_equal(trace_go_on(&helper), LOST);
            assert_reaches(&d, "race", NULL);
        } else {
            assert_int_equal(r, WPIPE_EINUSE);
            assert_int_equal(trace_go_on(&helper), WON);
            assert_int_equal(pid_at("race"), helper.pid);
        }
        assert_int_equal(count_files(run), 2);
        assert_int_equal(helper_join(&helper), 0);
        wpipe__door_close(&d);
        assert_name_is_free("race");
    }
    assert_true(won > 0 && won < steps);
}

/* A new owner comes while the old one is half gone, and stays. */
static void closer_stopped_at_each_step_harms_no_new_owner(void **state)
{
    struct traced traced = { .open_first = true };
    struct helper helper = HELPER_NONE;
    struct wpipe__door d = WPIPE__DOOR_NULL;
    bool inside = true;
    int won = 0;
    int steps;
    int r;

    (void)state;
    for (steps = 0; inside; steps++) {
        inside = trace_to(&helper, &traced, steps);
        r = wpipe__door_open(&d, "race", NULL);
        assert_int_equal(trace_go_on(&helper), WON);
        if (r == 0) {
            won++;
            assert_reaches(&d, "race", NULL);
            assert_int_equal(count_files(d.where), 2);
        } else {
            assert_int_equal(r, WPIPE_EINUSE);
        }
        wpipe__door_close(&d);
        assert_int_equal(helper_join(&helper), 0);
        assert_name_is_free("race");
    }
    assert_true(won > 0 && won < steps);
}

/*
 * The lock goes from one to another while a third is on its way to it: the
 * third may have opened a file that has lost its name, and has to see that.
 * On the lock alone, since a door looks a second time.
 */
static void locker_stopped_at_each_step_while_lock_changes_hands(void **state)
{
    struct traced traced = { .only_lock = true };
    struct helper helper = HELPER_NONE;
    struct wpipe__door old = WPIPE__DOOR_NULL;
    struct wpipe__door new = WPIPE__DOOR_NULL;
    bool inside = true;
    int lost = 0;
    int steps;
    int r;

    (void)state;
    for (steps = 0; inside; steps++) {
        assert_int_equal(lock_only(&old), 0);
        inside = trace_to(&helper, &traced, steps);
        wpipe__door_close(&old);
        r = lock_only(&new);
        if (r == 0) {
            lost++;
            assert_int_equal(trace_go_on(&helper), LOST);
        } else {
            assert_int_equal(r, WPIPE_EINUSE);
            assert_int_equal(trace_go_on(&helper), WON);
        }
        wpipe__door_close(&new);
        assert_int_equal(helper_join(&helper), 0);
        assert_name_is_free("race");
    }
    assert_true(lost > 0);
}

/* On to the begin of the next flock. */
static void trace_to_flock(struct helper *helper, struct traced *traced)
{
    struct __ptrace_syscall_info info;

    trace_start(helper, traced);
    do {
        assert_true(trace_step(helper));
        assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, helper->pid, sizeof(info),
                           &info) > 0);
    } while (info.op != PTRACE_SYSCALL_INFO_ENTRY ||
             info.entry.nr != SYS_flock);
}

/*
 * One has the lock file open, the other is closing. Once that file has no
 * name any more the name is free, though the closing one still holds the
 * file: it is no reason to call the name taken.
 */
static void opener_at_lock_while_closer_stopped_at_each_step(void **state)
{
    struct traced closing = { .open_first = true };
    struct traced opening = { .open_first = false };
    struct helper a = HELPER_NONE;
    struct helper b = HELPER_NONE;
    const char *lock = below(support_runtime_dir(), "race.lock");
    bool inside = true;
    int won = 0;
    int steps;

    (void)state;
    for (steps = 0; inside; steps++) {
        bool taken;

        trace_start(&a, &closing);
        trace_to_flock(&b, &opening);
        inside = trace_on(&a, steps);
        taken = access(lock, F_OK) == 0;
        assert_int_equal(trace_go_on(&b), taken ? LOST : WON);
        assert_int_equal(trace_go_on(&a), WON);
        if (!taken) {
            won++;
            assert_int_equal(pid_at("race"), b.pid);
        }
        assert_int_equal(helper_join(&a), 0);
        assert_int_equal(helper_join(&b), 0);
        assert_name_is_free("race");
    }
    assert_true(won > 0 && won < steps);
}

/* Two openers, each stopped at every second step of its own. */
static void openers_stopped_at_all_pairs_of_steps_have_one_winner(void **state)
{
    struct traced traced = { .open_first = false };
    struct helper a = HELPER_NONE;
    struct helper b = HELPER_NONE;
    bool a_inside = true;
    bool b_inside;
    int pairs = 0;
    int m;
    int n;

    (void)state;
    for (n = 1; a_inside; n += 2) {
        b_inside = true;
        for (m = 1; b_inside; m += 2) {
            uint32_t words[2];

            a_inside = trace_to(&a, &traced, n);
            b_inside = trace_to(&b, &traced, m);
            words[0] = trace_go_on(&a);
            words[1] = trace_go_on(&b);
            assert_true((words[0] == WON && words[1] == LOST) ||
                        (words[0] == LOST && words[1] == WON));
            assert_int_equal(pid_at("race"), words[0] == WON ? a.pid : b.pid);
            assert_int_equal(helper_join(&a), 0);
            assert_int_equal(helper_join(&b), 0);
            pairs++;
        }
    }
    assert_true(pairs > STEPS_AT_LEAST);
    assert_name_is_free("race");
}

/* With no umask at all, nothing is ever open to others, not for a moment. */
static void assert_modes_are_private(void)
{
    const char *run = support_runtime_dir();
    DIR *list = opendir(run);
    struct dirent *entry;
    struct stat status;

    assert_non_null(list);
    while ((entry = readdir(list)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        assert_int_equal(lstat(below(run, entry->d_name), &status), 0);
        assert_int_equal(status.st_mode & 07777, 01600);
    }
    closedir(list);
}

static void door_is_private_at_each_step(void **state)
{
    struct traced traced = { .open_first = false };
    struct helper helper = HELPER_NONE;
    int steps = 0;

    (void)state;
    trace_start(&helper, &traced);
    do {
        assert_modes_are_private();
        steps++;
    } while (trace_step(&helper));
    assert_true(steps > STEPS_AT_LEAST);
    assert_modes_are_private();
    assert_int_equal(trace_go_on(&helper), WON);
    assert_int_equal(helper_join(&helper), 0);
}

static struct race two = { 2, 300 };
static struct race four = { 4, 300 };
static struct race two_long = { 2, 10000 };
static struct race four_long = { 4, 10000 };
static struct race kills = { 1, 50 };
static struct race kills_long = { 1, 1000 };

#define SLOW(function, argument, variant)                    \
    {                                                        \
#function, function, argument, variant, SUPPORT_SLOW \
    }

static const struct support_case cases[] = {
    TEST_WITH(race_for_a_name_has_one_winner, &two, "2"),
    TEST_WITH(race_for_a_name_has_one_winner, &four, "4"),
    SLOW(race_for_a_name_has_one_winner, &two_long, "2, slow"),
    SLOW(race_for_a_name_has_one_winner, &four_long, "4, slow"),
    TEST_WITH(churn_of_one_name_never_has_two_owners, &two, "2"),
    TEST_WITH(churn_of_one_name_never_has_two_owners, &four, "4"),
    SLOW(churn_of_one_name_never_has_two_owners, &four_long, "4, slow"),
    TEST_WITH(server_killed_leaves_nothing_in_the_way, &kills, "50"),
    SLOW(server_killed_leaves_nothing_in_the_way, &kills_long, "1000, slow"),
    TEST(server_stopped_keeps_its_name),
    TEST(opener_killed_at_each_step_leaves_the_name_free),
    TEST(closer_killed_at_each_step_leaves_the_name_free),
    TEST(opener_stopped_at_each_step_is_never_displaced),
    TEST(opener_stopped_at_each_step_while_owner_closes),
    TEST(keeper_stopped_at_each_step_while_another_opens),
    TEST(closer_stopped_at_each_step_harms_no_new_owner),
    TEST(locker_stopped_at_each_step_while_lock_changes_hands),
    TEST(opener_at_lock_while_closer_stopped_at_each_step),
    TEST_SLOW(openers_stopped_at_all_pairs_of_steps_have_one_winner),
    TEST(door_is_private_at_each_step),
};

TEST_MAIN(cases)
