/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several servers and one path of a foreign door. Statistically: threads and
 * processes that race for it thousands of times, with the lock in common and
 * without. And without luck: one process is stopped by ptrace at each of its
 * system calls in turn while another comes: one of ours, one that unlinks and
 * binds as .NET does, or a kill. A living server is never displaced by us, and
 * nothing is left that stops the next one.
 */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "door/foreign.h"
#include "unit/door_foreign_tools.h"

/* What processes tell each other. */
enum {
    GO = 1,
    END,
    WON,
    LOST,
    FAILED,
    RELEASED
};

static uint32_t word_of(int r)
{
    if (r == 0)
        return WON;
    return r == WPIPE_EINUSE ? LOST : FAILED;
}

/* Who answers at the path? */
static int64_t pid_at(const char *name)
{
    wpipe__handle socket;
    wpipe_peer peer;

    assert_int_equal(wpipe__foreign_door_dial(name, NULL, &socket), 0);
    assert_int_equal(wpipe__os_peer(socket, &peer), 0);
    wpipe__os_close(socket);
    return peer.pid;
}

/* Take the path, be reached, give it back, and there is nothing: whatever has
 * happened before. */
static void assert_path_is_free(void)
{
    struct wpipe__foreign_door d;
    wpipe_options options = plain();
    int r = wpipe__foreign_door_open(&d, "race", &options);

    if (r < 0)
        fail_msg("%d: %s", r, error_text);
    assert_foreign_reaches(&d, "race");
    wpipe__foreign_door_close(&d);
    assert_nothing_left();
}

/* From here on this process has another private directory than its kin: no
 * lock in common with them. */
static void lose_the_lock(void)
{
    const char *path = below(support_dir(), "elsewhere");

    (void)mkdir(path, 0700);
    setenv("WINDPIPE_DIR", path, 1);
}

/* ---- many rounds --------------------------------------------------------- */

struct race {
    int processes;
    int rounds;
};

/* Tries at each GO and tells; holds what it won until it is asked to end. */
static int racer(int fd, void *argument)
{
    struct wpipe__foreign_door d = WPIPE__FOREIGN_DOOR_NULL;

    (void)argument;
    while (event_wait(fd) == GO) {
        event_send(fd, word_of(wpipe__foreign_door_open(&d, "race", NULL)));
        event_expect(fd, END);
        wpipe__foreign_door_close(&d);
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

static void race_for_a_path_has_one_winner(void **state)
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
    assert_nothing_left();
}

/* ---- many paths at once, with and without the lock in common ------------- */

enum {
    LANES = 16, /* paths, each with its own two threads */
    RACERS = 2
};

/* What the two processes (or the two threads of one) share. */
struct lanes {
    pthread_barrier_t barriers[LANES];
    int results[LANES][RACERS];
    char paths[LANES][108];
    int rounds;
    int dead; /* begin each round with a dead socket */
};

struct lane {
    struct lanes *shared;
    int index;
    int racer;
};

static void meet(struct lane *lane)
{
    (void)pthread_barrier_wait(&lane->shared->barriers[lane->index]);
}

static void run_lane_round(struct lane *lane, const char *name)
{
    int *results = lane->shared->results[lane->index];
    struct wpipe__foreign_door d = WPIPE__FOREIGN_DOOR_NULL;

    if (lane->shared->dead && lane->racer == 0)
        leave_socket(lane->shared->paths[lane->index], SOCK_STREAM);
    meet(lane);
    results[lane->racer] = wpipe__foreign_door_open(&d, name, NULL);
    meet(lane);
    assert_true((results[0] == 0 && results[1] == WPIPE_EINUSE) ||
                (results[1] == 0 && results[0] == WPIPE_EINUSE));
    if (results[lane->racer] == 0)
        assert_foreign_reaches(&d, name);
    meet(lane);
    wpipe__foreign_door_close(&d);
    meet(lane);
}

static void *run_lane(void *user)
{
    struct lane *lane = user;
    char name[16];
    int i;

    snprintf(name, sizeof(name), "lane%d", lane->index);
    for (i = 0; i < lane->shared->rounds; i++)
        run_lane_round(lane, name);
    return NULL;
}

/* All lanes of one racer, each on a thread. */
static void run_lanes(struct lanes *shared, int racer_index)
{
    pthread_t threads[LANES];
    struct lane lanes[LANES];
    int i;

    for (i = 0; i < LANES; i++) {
        lanes[i] = (struct lane){ shared, i, racer_index };
        assert_int_equal(pthread_create(&threads[i], NULL, run_lane, &lanes[i]),
                         0);
    }
    for (i = 0; i < LANES; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

struct plan {
    int rounds;
    int dead;
    int without_lock; /* else the two have the lock in common */
};

static struct lanes *lanes_open(const struct plan *plan)
{
    struct lanes *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_barrierattr_t attribute;
    int i;

    assert_ptr_not_equal(shared, MAP_FAILED);
    assert_int_equal(pthread_barrierattr_init(&attribute), 0);
    assert_int_equal(
        pthread_barrierattr_setpshared(&attribute, PTHREAD_PROCESS_SHARED), 0);
    for (i = 0; i < LANES; i++) {
        assert_int_equal(
            pthread_barrier_init(&shared->barriers[i], &attribute, RACERS), 0);
        snprintf(shared->paths[i], sizeof(shared->paths[i]),
                 "%.80s/CoreFxPipe_lane%d", temp_dir(), i);
    }
    pthread_barrierattr_destroy(&attribute);
    shared->rounds = plan->rounds;
    shared->dead = plan->dead;
    return shared;
}

static void lanes_close(struct lanes *shared)
{
    int i;

    for (i = 0; i < LANES; i++)
        assert_int_equal(pthread_barrier_destroy(&shared->barriers[i]), 0);
    assert_int_equal(munmap(shared, sizeof(*shared)), 0);
    assert_nothing_left();
}

static void *run_second(void *user)
{
    run_lanes(user, 1);
    return NULL;
}

/* Two threads for each path. */
static void threads_at_many_paths_have_one_winner_each(void **state)
{
    struct lanes *shared = lanes_open(*state);
    pthread_t second;

    assert_int_equal(pthread_create(&second, NULL, run_second, shared), 0);
    run_lanes(shared, 0);
    assert_int_equal(pthread_join(second, NULL), 0);
    lanes_close(shared);
}

struct partner {
    struct lanes *shared;
    const struct plan *plan;
};

static int run_partner(int fd, void *argument)
{
    struct partner *partner = argument;

    (void)fd;
    if (partner->plan->without_lock)
        lose_the_lock();
    run_lanes(partner->shared, 1);
    return 0;
}

/* Two processes for each path. */
static void processes_at_many_paths_have_one_winner_each(void **state)
{
    struct partner partner = { lanes_open(*state), *state };
    struct helper helper = HELPER_NONE;

    helper_start(&helper, run_partner, &partner);
    run_lanes(partner.shared, 0);
    assert_int_equal(helper_join(&helper), 0);
    lanes_close(partner.shared);
}

/* ---- at each system call ------------------------------------------------- */

/* What a traced process does in steps, and what it finds. */
struct traced {
    bool open_first;   /* only its close is in steps */
    bool dead;         /* it comes to a dead socket */
    bool without_lock; /* the other one has another lock */
    bool without_list; /* the kernel does not tell who has a socket file */
};

/* Opens (outside or inside the steps), tells, waits, closes. */
static int traced_server(int fd, void *argument)
{
    const struct traced *traced = argument;
    struct wpipe__foreign_door d = WPIPE__FOREIGN_DOOR_NULL;
    wpipe_options options = plain();
    int r = 0;

    if (traced->without_lock)
        lose_the_lock();
    if (traced->without_list)
        forbid_list();
    if (traced->open_first) {
        r = wpipe__foreign_door_open(&d, "race", NULL);
        event_send(fd, word_of(r));
    }
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        return 99;
    raise(SIGSTOP);
    if (traced->open_first)
        wpipe__foreign_door_close(&d);
    else
        r = wpipe__foreign_door_open(&d, "race", &options);
    if (r == WPIPE_EINUSE)
        assert_said("in use by");
    event_send(fd, word_of(r));
    (void)support_wait_readable(fd, SUPPORT_WAIT_MS);
    wpipe__foreign_door_close(&d);
    return 0;
}

static void trace_start(struct helper *helper, struct traced *traced)
{
    int status;

    if (traced->dead)
        leave_socket(door_path("race"), SOCK_STREAM);
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

/*
 * From step to step. What others see at the end of a call is what they see at
 * the begin of the next one: where a step takes a tenth of a second, only one
 * of the two is taken.
 */
static int stride(const struct traced *traced)
{
    return traced->dead ? 2 : 1;
}

/* Started, and stopped after `steps` steps; false when that is beyond its
 * end. */
static bool trace_to(struct helper *helper, struct traced *traced, int steps)
{
    int i;

    trace_start(helper, traced);
    for (i = 0; i < steps; i++)
        if (!trace_step(helper))
            return false;
    return true;
}

/* Let it run on, to its end; what it told. */
static uint32_t trace_go_on(const struct helper *helper)
{
    assert_int_equal(ptrace(PTRACE_DETACH, helper->pid, NULL, NULL), 0);
    return event_wait(helper->fd);
}

/* Enough system calls to believe that the steps are real. */
enum {
    STEPS_AT_LEAST = 20
};

/* Killed anywhere, it leaves nothing that its successor does not clear away:
 * also of the directory beside the door. */
static void server_killed_at_each_step_leaves_the_path_free(void **state)
{
    struct helper helper = HELPER_NONE;
    struct traced *traced = *state;
    bool inside = true;
    int steps;

    for (steps = 0; inside; steps += stride(traced)) {
        inside = trace_to(&helper, traced, steps);
        helper_kill(&helper);
        assert_path_is_free();
    }
    assert_true(steps > STEPS_AT_LEAST);
}

/* Either we have the path or the other one gets it; with no lock in common,
 * too. */
static void opener_stopped_at_each_step_is_never_displaced(void **state)
{
    struct traced *traced = *state;
    struct helper helper = HELPER_NONE;
    struct wpipe__foreign_door d = WPIPE__FOREIGN_DOOR_NULL;
    int won = 0;
    int lost = 0;
    int steps;
    int r;

    for (steps = 0; trace_to(&helper, traced, steps); steps += stride(traced)) {
        r = wpipe__foreign_door_open(&d, "race", NULL);
        if (r == 0) {
            won++;
            assert_int_equal(trace_go_on(&helper), LOST);
            assert_foreign_reaches(&d, "race");
        } else {
            lost++;
            assert_int_equal(r, WPIPE_EINUSE);
            assert_int_equal(trace_go_on(&helper), WON);
            assert_int_equal(pid_at("race"), helper.pid);
        }
        wpipe__foreign_door_close(&d);
        assert_int_equal(helper_join(&helper), 0);
        if (r < 0)
            assert_path_is_free();
        else
            assert_int_equal(count_all(temp_dir()), 0);
    }
    assert_int_equal(trace_go_on(&helper), WON);
    assert_int_equal(helper_join(&helper), 0);
    assert_true(won > 0 && lost > 0);
    assert_true(won + lost > STEPS_AT_LEAST);
}

/* As .NET takes a path: whatever has it is unlinked. */
static int take_as_dotnet(void)
{
    (void)unlink(door_path("race"));
    return plain_server(door_path("race"), SOCK_STREAM, 8);
}

/* That one has the path and is reached. Then it goes, as .NET goes. */
static void assert_dotnet_has_it(int server, ino_t inode)
{
    int client = plain_client(door_path("race"));

    assert_int_equal(inode_of(door_path("race")), inode);
    assert_int_not_equal(client, -1);
    close(client);
    close(server);
    assert_int_equal(unlink(door_path("race")), 0);
}

/*
 * A server that knows nothing of us comes at each step of our open or close.
 * It may take the path from us, but we never take it from it: not with the
 * last look long past, not when it is for another one that we unlink.
 */
static void dotnet_that_comes_at_each_step_stays(void **state)
{
    struct traced *traced = *state;
    struct helper helper = HELPER_NONE;
    bool inside = true;
    int lost = 0;
    int steps;

    for (steps = 0; inside; steps += stride(traced)) {
        uint32_t word;
        ino_t inode;
        int server;

        inside = trace_to(&helper, traced, steps);
        server = take_as_dotnet();
        inode = inode_of(door_path("race"));
        word = trace_go_on(&helper);
        lost += word == LOST;
        assert_int_not_equal(word, FAILED);
        assert_int_equal(inode_of(door_path("race")), inode);
        assert_int_equal(helper_join(&helper), 0);
        assert_dotnet_has_it(server, inode);
        assert_nothing_left();
    }
    assert_true(steps > STEPS_AT_LEAST);
    assert_true(traced->open_first || lost > STEPS_AT_LEAST);
}

/* Something that is no socket comes, and is still there afterwards. */
static void file_that_comes_at_each_step_stays(void **state)
{
    struct traced *traced = *state;
    const char *path = door_path("race");
    struct helper helper = HELPER_NONE;
    bool inside = true;
    int steps;

    for (steps = 0; inside; steps += stride(traced)) {
        bool is_file = steps / 2 % 2 == 0;

        inside = trace_to(&helper, traced, steps);
        (void)unlink(path);
        if (is_file)
            write_file(path, "mine");
        else
            assert_int_equal(mkdir(path, 0700), 0);
        (void)trace_go_on(&helper);
        assert_int_equal(helper_join(&helper), 0);
        if (is_file)
            assert_file_holds(path, "mine");
        assert_int_equal(remove(path), 0);
        assert_nothing_left();
    }
    assert_true(steps > STEPS_AT_LEAST);
}

/* On to the begin of a system call, by its number or another one. */
static void trace_to_call(const struct helper *helper, uint64_t call,
                          uint64_t or_call)
{
    struct __ptrace_syscall_info info;

    do {
        assert_true(trace_step(helper));
        assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, helper->pid, sizeof(info),
                           &info) > 0);
    } while (info.op != PTRACE_SYSCALL_INFO_ENTRY ||
             (info.entry.nr != call && info.entry.nr != or_call));
}

#ifndef SYS_poll
#define SYS_poll SYS_ppoll
#endif

/* On to its pause after it has knocked. */
static void trace_to_pause(const struct helper *helper)
{
    trace_to_call(helper, SYS_connect, SYS_connect);
    trace_to_call(helper, SYS_poll, SYS_ppoll);
}

/* A dead one is followed by another dead one, and that by a living one. */
static void socket_changed_between_two_looks_is_not_dead(void **state)
{
    struct traced traced = { .dead = true };
    struct helper helper = HELPER_NONE;
    const char *path = door_path("race");
    ino_t inode;
    int server;

    (void)state;
    trace_start(&helper, &traced);
    trace_to_pause(&helper);
    assert_int_equal(unlink(path), 0);
    leave_socket(path, SOCK_STREAM);
    trace_to_pause(&helper); /* not satisfied with two refusals */
    server = take_as_dotnet();
    inode = inode_of(path);
    assert_int_equal(trace_go_on(&helper), LOST);
    assert_int_equal(helper_join(&helper), 0);
    assert_dotnet_has_it(server, inode);
    assert_nothing_left();
}

/* It refuses because it is about to listen. Also without the kernel's list it
 * is not taken for dead, however long that takes. */
static void socket_about_to_listen_is_not_dead(void **state)
{
    struct traced traced = { .without_list = true };
    struct helper helper = HELPER_NONE;
    const char *path = door_path("race");
    int server = plain_server(path, SOCK_STREAM, 0);
    ino_t inode = inode_of(path);

    (void)state;
    trace_start(&helper, &traced);
    assert_int_equal(trace_go_on(&helper), LOST);
    assert_int_equal(helper_join(&helper), 0);
    assert_int_equal(listen(server, 8), 0);
    assert_dotnet_has_it(server, inode);
    assert_nothing_left();
}

static struct race two = { 2, 300 };
static struct race four = { 4, 200 };
static struct race two_long = { 2, 3000 };
static struct race four_long = { 4, 3000 };

static struct plan free_path = { .rounds = 20 };
static struct plan free_path_long = { .rounds = 150 };
static struct plan free_alone = { .rounds = 20, .without_lock = 1 };
static struct plan free_alone_long = { .rounds = 100, .without_lock = 1 };
static struct plan dead = { .rounds = 3, .dead = 1 };
static struct plan dead_long = { .rounds = 70, .dead = 1 };
static struct plan dead_alone = { .rounds = 3, .dead = 1, .without_lock = 1 };
static struct plan dead_alone_long = { .rounds = 70,
                                       .dead = 1,
                                       .without_lock = 1 };

static struct traced opening = { .open_first = false };
static struct traced opening_dead = { .dead = true };
static struct traced opening_alone = { .without_lock = true };
static struct traced opening_dead_alone = { .dead = true,
                                            .without_lock = true };
static struct traced closing = { .open_first = true };

#define SLOW(function, argument, variant)                    \
    {                                                        \
#function, function, argument, variant, SUPPORT_SLOW \
    }

static const struct support_case cases[] = {
    TEST_WITH(race_for_a_path_has_one_winner, &two, "2"),
    TEST_WITH(race_for_a_path_has_one_winner, &four, "4"),
    SLOW(race_for_a_path_has_one_winner, &two_long, "2, slow"),
    SLOW(race_for_a_path_has_one_winner, &four_long, "4, slow"),
    TEST_WITH(threads_at_many_paths_have_one_winner_each, &free_path, "free"),
    TEST_WITH(threads_at_many_paths_have_one_winner_each, &dead, "dead"),
    SLOW(threads_at_many_paths_have_one_winner_each, &free_path_long,
         "free, slow"),
    SLOW(threads_at_many_paths_have_one_winner_each, &dead_long, "dead, slow"),
    TEST_WITH(processes_at_many_paths_have_one_winner_each, &free_alone,
              "free, no lock"),
    TEST_WITH(processes_at_many_paths_have_one_winner_each, &dead, "dead"),
    TEST_WITH(processes_at_many_paths_have_one_winner_each, &dead_alone,
              "dead, no lock"),
    SLOW(processes_at_many_paths_have_one_winner_each, &free_alone_long,
         "free, no lock, slow"),
    SLOW(processes_at_many_paths_have_one_winner_each, &dead_alone_long,
         "dead, no lock, slow"),
    SLOW(server_killed_at_each_step_leaves_the_path_free, &opening, "opening"),
    SLOW(server_killed_at_each_step_leaves_the_path_free, &opening_dead,
         "opening, dead"),
    SLOW(server_killed_at_each_step_leaves_the_path_free, &closing, "closing"),
    SLOW(opener_stopped_at_each_step_is_never_displaced, &opening, "free"),
    SLOW(opener_stopped_at_each_step_is_never_displaced, &opening_dead, "dead"),
    SLOW(opener_stopped_at_each_step_is_never_displaced, &opening_alone,
         "free, no lock"),
    SLOW(opener_stopped_at_each_step_is_never_displaced, &opening_dead_alone,
         "dead, no lock"),
    SLOW(dotnet_that_comes_at_each_step_stays, &opening, "opening"),
    SLOW(dotnet_that_comes_at_each_step_stays, &opening_dead, "opening, dead"),
    SLOW(dotnet_that_comes_at_each_step_stays, &closing, "closing"),
    SLOW(file_that_comes_at_each_step_stays, &opening, "opening"),
    SLOW(file_that_comes_at_each_step_stays, &opening_dead, "opening, dead"),
    SLOW(file_that_comes_at_each_step_stays, &closing, "closing"),
    TEST(socket_changed_between_two_looks_is_not_dead),
    TEST(socket_about_to_listen_is_not_dead),
};

TEST_MAIN(cases)
