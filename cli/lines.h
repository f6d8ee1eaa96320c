/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines out of a descriptor, of any length up to a limit: what the tool reads
 * from a terminal, a file or a command and sends as messages.
 */
#ifndef WINDPIPE_CLI_LINES_H
#define WINDPIPE_CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct lines {
    char *data;
    size_t start, end; /* what is not given out yet */
    size_t looked;     /* up to here there is no new line */
    size_t room;
    size_t limit; /* of one line; set before the first fill */
    bool ended;   /* the descriptor gave its end */
};

/*
 * One read(2) from `fd`. Returns the bytes, 0 at the end, or -errno; -EMSGSIZE
 * when a line is over the limit, -ENOMEM.
 */
long lines_fill(struct lines *l, int fd);

/*
 * The next whole line without its new line, or, after the end, what is left.
 * It is valid until the next fill. Returns false when there is none.
 */
bool lines_next(struct lines *l, char **ret_line, size_t *ret_size);

/* Everything there is, for those who want bytes. */
bool lines_bytes(struct lines *l, char **ret_data, size_t *ret_size);

void lines_done(struct lines *l);

#endif
