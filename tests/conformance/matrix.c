/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the cells of the table of ends: each in a process of its own, a few at
 * a time. A cell is one line of code and time that were expected, and what
 * came instead when it fails. WINDPIPE_CELL=pattern runs those alone.
 */
#include "matrix.h"

#include <fnmatch.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    AT_A_TIME = 4,
    BOUND_MS = 1000 * SUPPORT_LIMIT_FACTOR, /* how late an end may be told */
    DEADLINE_MS = MATRIX_DEADLINE_MS,
    FAR_OFF_MS = 20000 * SUPPORT_LIMIT_FACTOR, /* of those that the fate ends */
    CELL_LIMIT_S = 12 * SUPPORT_LIMIT_FACTOR,  /* for one that hangs */
    EARLY_MS = 2                               /* clocks are rounded */
};

/* One thread in one call. */
struct attempt {
    struct object *object;
    enum operation op;
    struct right right;
    pthread_t thread;
    int done; /* eventfd(2): readable when it has returned */
    int64_t result;
    wpipe_event event;
    int64_t from; /* ms */
    int64_t to;
};

static void cell_fails(const struct cell *cell, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

static void cell_fails(const struct cell *cell, const char *format, ...)
{
    char name[96];
    char text[256];
    va_list list;

    matrix_name(cell, name, sizeof name);
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    dprintf(STDERR_FILENO, "FAIL %s: %s\n", name, text);
    _exit(1);
}

/* ---- one call ------------------------------------------------------------ */

static void *run_attempt(void *argument)
{
    struct attempt *a = argument;
    const uint64_t one = 1;
    int timeout = a->right.code == WPIPE_ETIMEDOUT ? DEADLINE_MS : FAR_OFF_MS;

    a->result = object_call(a->object, a->op, timeout, &a->event);
    a->to = support_now_ms();
    assert_int_equal(write(a->done, &one, sizeof one), sizeof one);
    return NULL;
}

static void attempt_begin(struct attempt *a, struct object *o,
                          enum operation op)
{
    memset(a, 0, sizeof *a);
    a->object = o;
    a->op = op;
    a->right = matrix_right(&o->cell, op);
    a->done = eventfd(0, EFD_CLOEXEC);
    assert_true(a->done >= 0);
    a->from = support_now_ms();
    assert_int_equal(pthread_create(&a->thread, NULL, run_attempt, a), 0);
    if (a->right.when != AT_ONCE)
        support_wait_others_asleep();
}

static const char *result_name(int64_t result)
{
    return result < 0    ? wpipe_error_name((int)result)
           : result == 0 ? "success"
                         : "an event or bytes";
}

static void check_event(const struct attempt *a)
{
    const struct cell *cell = &a->object->cell;

    if (a->right.type == 0)
        return;
    if (a->event.type != a->right.type)
        cell_fails(cell, "event of type %d, not %d", a->event.type,
                   a->right.type);
    if (a->right.reason >= 0 && a->event.reason != a->right.reason)
        cell_fails(cell, "reason %d, not %d", a->event.reason, a->right.reason);
}

/* Waits for its end, and checks it. `struck` is when the fate did. */
static void attempt_end(struct attempt *a, int64_t struck)
{
    const struct cell *cell = &a->object->cell;
    int64_t end = struck + BOUND_MS;

    if (a->right.when == AT_DEADLINE)
        end = a->from + DEADLINE_MS + BOUND_MS;
    if (!support_wait_readable(a->done, (int)(end - support_now_ms())))
        cell_fails(cell, "%s still waits after %d ms instead of %s",
                   matrix_call(a->op), BOUND_MS, result_name(a->right.code));
    assert_int_equal(pthread_join(a->thread, NULL), 0);
    close(a->done);
    if (a->result != a->right.code)
        cell_fails(cell, "%s gave %s after %d ms instead of %s",
                   matrix_call(a->op), result_name(a->result),
                   (int)(a->to - a->from), result_name(a->right.code));
    if (a->right.when == AT_DEADLINE &&
        a->to - a->from < DEADLINE_MS - EARLY_MS)
        cell_fails(cell, "%s ended %d ms early", matrix_call(a->op),
                   (int)(DEADLINE_MS - (a->to - a->from)));
    check_event(a);
}

/* One that ends by its deadline is timed by itself (attempt_end): on a busy
 * machine that may be over before the fate comes. */
static void attempt_still_waits(const struct attempt *a)
{
    if (a->right.when == AT_EVENT && support_wait_readable(a->done, 0))
        cell_fails(&a->object->cell, "%s did not wait: it gave %s",
                   matrix_call(a->op), result_name(a->result));
}

/* ---- one cell ------------------------------------------------------------ */

static bool needs_full(enum operation op)
{
    return op == OP_WRITE || op == OP_SEND_WAIT || op == OP_ZERO_COPY ||
           op == OP_DISCONNECT;
}

static void prepare(struct object *o)
{
    enum operation op = o->cell.op;
    enum operation other =
        o->cell.crew == CREW_PAIR ? matrix_companion(&o->cell) : op;

    if (needs_full(op) || needs_full(other))
        object_fill(o);
    else if (op == OP_DRAIN || other == OP_DRAIN)
        object_send_some(o);
}

static void strike(struct object *o, struct meeting *m)
{
    if (we_kick(&o->cell))
        object_kick(o);
    else
        peer_strike(m);
}

/* The end is told again, and by an event where nobody has got it yet. */
static void check_afterwards(struct object *o, const struct attempt *a)
{
    wpipe_event event = { 0 };
    int64_t from = support_now_ms();
    int64_t r;

    if (a->right.when != AT_EVENT || o->cell.crew == CREW_PAIR)
        return;
    if (o->stream && o->cell.op != OP_TRANSACT) {
        r = object_call(o, o->cell.op, FAR_OFF_MS, &event);
        if (r != a->right.code)
            cell_fails(&o->cell, "told again it is %s", result_name(r));
    } else if (!o->stream && o->cell.op != OP_READ && a->right.type == 0 &&
               a->right.reason >= 0) {
        r = object_call(o, OP_READ, FAR_OFF_MS, &event);
        if (r != 1 || event.type != WPIPE_EVENT_DISCONNECTED ||
            event.reason != a->right.reason)
            cell_fails(
                &o->cell, "afterwards wait gave %s, type %d, reason %d, not %d",
                result_name(r), event.type, event.reason, a->right.reason);
    }
    if (support_now_ms() - from > BOUND_MS)
        cell_fails(&o->cell, "told again only after %d ms",
                   (int)(support_now_ms() - from));
}

static void meeting_init(struct meeting *m, const struct cell *cell)
{
    memset(m, 0, sizeof *m);
    m->cell = *cell;
    m->peer.pid = m->peer.fd = -1;
    if (is_foreign(cell) && !is_host(cell))
        snprintf(m->name, sizeof m->name, "%s/%s", support_dir(),
                 support_unique_name());
    else
        snprintf(m->name, sizeof m->name, "%s", support_unique_name());
}

static void run_cell(const struct cell *cell)
{
    struct attempt attempts[2];
    struct meeting meeting;
    struct object object;
    int64_t struck;
    int count = 0;
    bool follows = cell->op == OP_DISCONNECT && is_stream(cell);

    meeting_init(&meeting, cell);
    object_open(&object, &meeting);
    prepare(&object);
    if (cell->crew == CREW_PAIR)
        attempt_begin(&attempts[count++], &object, matrix_companion(cell));
    if (!follows)
        attempt_begin(&attempts[count++], &object, cell->op);
    for (int i = 0; i < count; i++)
        attempt_still_waits(&attempts[i]);
    struck = support_now_ms();
    strike(&object, &meeting);
    if (follows)
        attempt_begin(&attempts[count++], &object, cell->op);
    for (int i = 0; i < count; i++)
        attempt_end(&attempts[i], struck);
    check_afterwards(&object, &attempts[count - 1]);
    if (meeting.peer.pid >= 0)
        helper_kill(&meeting.peer);
    object_close(&object);
}

/* ---- the cells of a case ------------------------------------------------- */

struct group {
    enum operation op;
    enum role role;
    enum way way;
};

struct running {
    pid_t pid;
    struct cell cell;
};

static void cell_start(struct running *slot, const struct cell *cell)
{
    slot->cell = *cell;
    fflush(NULL);
    slot->pid = fork();
    assert_true(slot->pid >= 0);
    if (slot->pid > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(CELL_LIMIT_S);
    run_cell(cell);
    exit(0);
}

/* Waits for one of the cells; false: it failed. */
static bool cell_finish(struct running *slots)
{
    char name[96];
    int status;

    for (;;) {
        pid_t pid = waitpid(-1, &status, 0);

        assert_true(pid > 0);
        for (int i = 0; i < AT_A_TIME; i++) {
            if (slots[i].pid != pid)
                continue;
            slots[i].pid = 0;
            if (!WIFSIGNALED(status))
                return WEXITSTATUS(status) == 0;
            matrix_name(&slots[i].cell, name, sizeof name);
            fprintf(stderr, "FAIL %s: %s\n", name,
                    WTERMSIG(status) == SIGALRM ? "it hung"
                                                : strsignal(WTERMSIG(status)));
            return false;
        }
        /* a peer that outlived its cell */
    }
}

static bool is_chosen(const struct cell *cell)
{
    const char *pattern = getenv("WINDPIPE_CELL");
    char name[96];

    if (matrix_left_out(cell))
        return false;
    matrix_name(cell, name, sizeof name);
    return !pattern || fnmatch(pattern, name, 0) == 0;
}

static struct running *free_slot(struct running *slots, int *failed)
{
    for (;;) {
        for (int i = 0; i < AT_A_TIME; i++)
            if (slots[i].pid == 0)
                return &slots[i];
        *failed += !cell_finish(slots);
    }
}

static bool all_free(const struct running *slots)
{
    for (int i = 0; i < AT_A_TIME; i++)
        if (slots[i].pid != 0)
            return false;
    return true;
}

static void each_ends_in_time(void **state)
{
    const struct group *group = *state;
    struct running slots[AT_A_TIME] = { 0 };
    struct cell cell = { .op = group->op,
                         .role = group->role,
                         .way = group->way };
    int count = 0;
    int failed = 0;

    support_allow_left("*"); /* of servers that were killed */
    for (int i = 0; i < FATES * CREWS; i++) {
        cell.fate = (enum fate)(i / CREWS);
        cell.crew = (enum crew)(i % CREWS);
        if (!is_chosen(&cell))
            continue;
        cell_start(free_slot(slots, &failed), &cell);
        count++;
    }
    while (!all_free(slots))
        failed += !cell_finish(slots);
    if (failed > 0)
        fail_msg("%d of %d cells failed", failed, count);
}

/* ---- the program --------------------------------------------------------- */

enum {
    REASONS_MAX = 16,
    GROUPS = ROLES * WAYS
};

struct summary {
    int run;
    const char *reasons[REASONS_MAX];
    int left_out[REASONS_MAX];
};

static void summary_add(struct summary *s, const struct cell *cell)
{
    const char *reason = matrix_left_out(cell);
    int i = 0;

    if (!reason) {
        s->run++;
        return;
    }
    while (s->reasons[i] && strcmp(s->reasons[i], reason) != 0)
        i++;
    assert_true(i < REASONS_MAX - 1);
    s->reasons[i] = reason;
    s->left_out[i]++;
}

static void summary_print(const struct summary *s)
{
    printf("%d cells\n", s->run);
    for (int i = 0; s->reasons[i]; i++)
        printf("left out %d: %s\n", s->left_out[i], s->reasons[i]);
}

static int cells_of(const struct group *group, struct summary *summary)
{
    int before = summary->run;
    struct cell cell = { .op = group->op,
                         .role = group->role,
                         .way = group->way };

    for (int i = 0; i < FATES * CREWS; i++) {
        cell.fate = (enum fate)(i / CREWS);
        cell.crew = (enum crew)(i % CREWS);
        summary_add(summary, &cell);
    }
    return summary->run - before;
}

int matrix_main(int argc, char **argv, enum operation op)
{
    static const char *const variants[GROUPS] = {
        "client-socket",    "client-shared",    "client-moving",
        "client-raw",       "client-le32",      "server-socket",
        "server-shared",    "server-moving",    "server-raw",
        "server-le32",      "connected-socket", "connected-shared",
        "connected-moving", "connected-raw",    "connected-le32",
        "accepted-socket",  "accepted-shared",  "accepted-moving",
        "accepted-raw",     "accepted-le32"
    };
    static struct group groups[GROUPS];
    static struct support_case cases[GROUPS];
    struct summary summary = { 0 };
    size_t used = 0;

    for (int i = 0; i < GROUPS; i++) {
        groups[i].op = op;
        groups[i].role = (enum role)(i / WAYS);
        groups[i].way = (enum way)(i % WAYS);
        if (cells_of(&groups[i], &summary) == 0)
            continue;
        cases[used].name = "each_ends_in_time";
        cases[used].run = each_ends_in_time;
        cases[used].argument = &groups[i];
        cases[used].variant = variants[i];
        cases[used++].flags = SUPPORT_SLOW;
    }
    summary_print(&summary);
    return support_main(argc, argv, cases, used);
}
