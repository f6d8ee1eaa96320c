/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question blocks its thread, so there is a thread for each of the first
 * pipes; where there are more, those that have an answer ask on.
 */
#include "survey.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

enum {
    FIRST_LINKS = 64,
    MOST_LINKS = 1 << 16,
    MOST_THREADS = 128 /* a question takes some descriptors */
};

/* ---- names ------------------------------------------------------------- */

static int add_name(const char *name, const char *where, void *user)
{
    struct survey *s = user;
    const size_t room = s->room == 0 ? 32 : s->room * 2;
    struct survey_pipe *p;

    s->failed = true; /* until it is in */
    if (s->count == s->room) {
        p = realloc(s->pipes, room * sizeof(*p));
        if (p == NULL)
            return 1;
        s->pipes = p;
        s->room = room;
    }
    p = &s->pipes[s->count++];
    *p = (struct survey_pipe){ .name = strdup(name), .place = strdup(where) };
    s->failed = p->name == NULL || p->place == NULL;
    return s->failed;
}

static int compare(const void *one, const void *other)
{
    const struct survey_pipe *a = one, *b = other;
    const int r = strcmp(a->name, b->name);

    return r != 0 ? r : strcmp(a->place, b->place);
}

int survey_names(struct survey *ret)
{
    int r;

    *ret = (struct survey){ .pipes = NULL };
    r = wpipe_list(add_name, ret);
    if (ret->failed)
        return WPIPE_ENOMEM;
    if (ret->count > 1)
        qsort(ret->pipes, ret->count, sizeof(*ret->pipes), compare);
    return r < 0 ? r : 0;
}

void survey_done(struct survey *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->pipes[i].name);
        free(s->pipes[i].place);
        free(s->pipes[i].links);
    }
    free(s->pipes);
    *s = (struct survey){ .pipes = NULL };
}

const struct survey_pipe *survey_find(const struct survey *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->pipes[i].name, name) == 0)
            return &s->pipes[i];
    return NULL;
}

/* ---- questions --------------------------------------------------------- */

static int ask_once(const char *name, wpipe_pipe_facts *ret,
                    wpipe_link_facts *links, size_t room, int timeout_ms)
{
    *ret = (wpipe_pipe_facts){ .size = sizeof(*ret),
                               .owner = { .size = sizeof(wpipe_peer) } };
    return wpipe_inspect(name, ret, links, room, timeout_ms);
}

/* With more room while there are more connections. */
int survey_inspect(const char *name, wpipe_pipe_facts *ret,
                   wpipe_link_facts **ret_links, int timeout_ms)
{
    size_t room = FIRST_LINKS;
    int r;

    if (ret_links == NULL)
        return ask_once(name, ret, NULL, 0, timeout_ms);
    for (;;) {
        *ret_links = calloc(room, sizeof(**ret_links));
        if (*ret_links == NULL)
            return WPIPE_ENOMEM;
        (*ret_links)->size = sizeof(**ret_links);
        r = ask_once(name, ret, *ret_links, room, timeout_ms);
        if (r < 0 || (size_t)r < room || room >= MOST_LINKS)
            return r;
        free(*ret_links);
        room *= 4;
    }
}

/* One round of questions; `next` is the first pipe that nobody asks yet. */
struct round {
    struct survey *survey;
    bool links;
    int64_t until;
    atomic_size_t next;
};

static void *ask_all(void *argument)
{
    struct round *round = argument;
    struct survey_pipe *p;
    int64_t left;
    size_t i;

    while ((i = atomic_fetch_add(&round->next, 1)) < round->survey->count) {
        p = &round->survey->pipes[i];
        left = round->until - clock_ms();
        p->answer =
            survey_inspect(p->name, &p->facts, round->links ? &p->links : NULL,
                           left > 0 ? (int)left : 0);
    }
    return NULL;
}

void survey_ask(struct survey *s, bool links, int timeout_ms)
{
    struct round round = { .survey = s,
                           .links = links,
                           .until = clock_ms() + timeout_ms };
    pthread_t threads[MOST_THREADS];
    sigset_t all, before;
    size_t count = 0;

    /* signals are for the caller's thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (count < MOST_THREADS && count + 1 < s->count &&
           pthread_create(&threads[count], NULL, ask_all, &round) == 0)
        count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    ask_all(&round); /* and those that no thread could be had for */
    while (count > 0)
        pthread_join(threads[--count], NULL);
}

const char *survey_state(int answer)
{
    return answer >= 0                 ? "open"
           : answer == WPIPE_ENOTFOUND ? "dead"
           : answer == WPIPE_EACCES    ? "private"
           : answer == WPIPE_EREFUSED  ? "private"
           : answer == WPIPE_ETIMEDOUT ? "silent"
                                       : "broken";
}
