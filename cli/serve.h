/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of windpipe serve: serve.c uses serve_end.c, and both use
 * serve_events.c.
 */
#ifndef WINDPIPE_CLI_SERVE_H
#define WINDPIPE_CLI_SERVE_H

#include "lines.h"
#include "options.h"

/* What we remember of a client. */
struct client {
    wpipe_id id;
    uint64_t number;  /* what people call it: the library's are long */
    uint64_t request; /* the call it waits for an answer to, or 0 */
    bool owed;        /* it had no room for the current line of a file */
    bool finished;    /* it says no more, but may still be told something */
};

struct serve {
    const struct options *options;
    bool plain; /* recv: messages alone, one client after the other */
    wpipe_server *server;
    struct lines lines;
    char *line; /* the current one, in `lines` */
    size_t size;
    bool input;      /* stdin is still to be read */
    bool terminal;   /* and it is one */
    bool ending;     /* it is read no more */
    bool retired;    /* no more clients: the last one's end is ours */
    wpipe_lost lost; /* of what we had to say */
    size_t owed;     /* clients that have not got the current line */
    int64_t quit_at; /* the clock of -q, or -1 */
    int bell;        /* an eventfd that stop writes to */
    struct client *clients;
    size_t count, room;
    uint64_t clients_so_far;
    uint64_t messages;
    bool done;
    int status;
};

/* ---- serve_events.c ------------------------------------------------------ */

/* Events until there are none, or enough for now. */
void serve_take_events(struct serve *s);

/* Lines that were read, as long as everybody has room for them. */
void serve_spread_lines(struct serve *s);

/* It is over, with this exit code. */
void serve_finish(struct serve *s, int status);

/* Words about clients: always for serve, with -v for recv. */
bool serve_talks(const struct serve *s);

/* Is what we say read from a file or a pipe? Each line of it is to arrive. */
bool serve_feeds(const struct serve *s);

/* Somebody did not take what we had to say: of a DISCONNECTED event. */
void serve_add_lost(struct serve *s, uint64_t messages, uint64_t bytes);

/* ---- serve_end.c --------------------------------------------------------- */

/* Hand over what was accepted, for --linger at most, give the name back, and
 * say what nobody took. */
void serve_hand_over(struct serve *s);

#endif
