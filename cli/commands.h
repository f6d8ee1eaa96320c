/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands, as main calls them. Each returns an exit code and has said on
 * stderr what went wrong.
 */
#ifndef WINDPIPE_CLI_COMMANDS_H
#define WINDPIPE_CLI_COMMANDS_H

#include "options.h"

int serve_run(const struct options *options);   /* serve.c */
int connect_run(const struct options *options); /* connect.c */
int send_run(const struct options *options);    /* send.c */
int recv_run(const struct options *options);    /* recv.c */
int call_run(const struct options *options);    /* send.c */
int ls_run(const struct options *options);      /* look.c */
int info_run(const struct options *options);    /* look.c */
int wait_run(const struct options *options);    /* look.c */
int top_run(const struct options *options);     /* top.c */
int relay_run(const struct options *options);   /* relay.c */
int bench_run(const struct options *options);   /* bench.c */

/*
 * Parts of commands: recv --listen is a server that only prints, serve --exec
 * one that never looks at what it carries.
 */
int serve_plain(const struct options *options);    /* serve.c */
int serve_commands(const struct options *options); /* sessions.c */

/* Say that the server is there, in words or in JSON. In announce.c. */
void serve_announce(const struct options *options, const char *name);

#endif
