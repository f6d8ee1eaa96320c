/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connect on its way: from a name to a link whose greeting is done, until a
 * deadline. For connect.c and inspect.c.
 */
#ifndef WPIPE_CONNECT_ATTEMPT_H
#define WPIPE_CONNECT_ATTEMPT_H

#include <stdint.h>
#include <windpipe.h>

#include "door/door.h"
#include "link/link.h"

struct wpipe__attempt {
    /* set by the caller */
    const char *name;
    const wpipe_options *options;
    uint64_t deadline;
    wpipe__handle wake;
    int query; /* the link is for wpipe__native_facts only */
    struct wpipe__name_watch *name_watch;

    int last;      /* what stands in the way: NOTFOUND, BUSY, EPIPE, ... */
    int listening; /* the watch of the name is: else it is null, or rests */
    int silent;    /* what we wait for may come without a sign */
    int told;      /* error_text has the reason */
};

/* Dial until it works or the time is over: 0 and the link; WPIPE_ETIMEDOUT;
 * WPIPE_EWOKEN; or what no other try can change. */
int wpipe__attempt(struct wpipe__attempt *a, struct wpipe__link **ret_link);

/* What the end of the time means: the error for the caller. */
int wpipe__attempt_late(const struct wpipe__attempt *a);

#endif
