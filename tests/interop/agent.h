/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling a .NET process what to do: it runs "Peer agent" (dotnet/Agent.cs),
 * takes one command a line and answers with one line. For tests only.
 */
#ifndef WINDPIPE_TESTS_AGENT_H
#define WINDPIPE_TESTS_AGENT_H

#include <sys/types.h>

#define AGENT_ANSWER_MAX 4096

struct agent {
    pid_t pid;
    int to;
    int from;
    size_t have; /* bytes read beyond the last answer */
    char buf[AGENT_ANSWER_MAX];
    char answer[AGENT_ANSWER_MAX];
};

/* Start `arguments`, which end with NULL, as user `uid` (and that group) when
 * it is not our own. Ends the test program when it does not get ready. */
void agent_start(struct agent *agent, char *const *arguments, uid_t uid);

/* One command; the answer is good until the next. Ends the test program when
 * none comes within 20 seconds. */
const char *agent_tell(struct agent *agent, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Ends the process and waits for it. */
void agent_stop(struct agent *agent);

#endif
