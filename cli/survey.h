/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pipes there are, and what their servers say of themselves. All are
 * asked at the same time and have one deadline together, so that those that
 * do not answer cost no more than one. Used by ls, info and top.
 */
#ifndef WINDPIPE_CLI_SURVEY_H
#define WINDPIPE_CLI_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <windpipe.h>

struct survey_pipe {
    char *name, *place;
    int answer; /* as survey_inspect; set by survey_ask */
    wpipe_pipe_facts facts;
    wpipe_link_facts *links; /* NULL unless asked for; `answer` of them */
};

struct survey {
    struct survey_pipe *pipes; /* sorted by name */
    size_t count, room;
    bool failed; /* no memory */
};

/* The names. Returns 0, or the error of wpipe_list. survey_done either way. */
int survey_names(struct survey *ret);

/* Ask them all; waits for `timeout_ms` at most. */
void survey_ask(struct survey *s, bool links, int timeout_ms);

void survey_done(struct survey *s);

/* The pipe with this name, or NULL. */
const struct survey_pipe *survey_find(const struct survey *s, const char *name);

/*
 * Ask one server, also for its connections unless `ret_links` is NULL; the
 * caller frees *ret_links, also after an error. Returns how many there are, or
 * the error of wpipe_inspect.
 */
int survey_inspect(const char *name, wpipe_pipe_facts *ret,
                   wpipe_link_facts **ret_links, int timeout_ms);

/* The word for an answer: "open", "dead", "silent", "private", "broken". */
const char *survey_state(int answer);

#endif
