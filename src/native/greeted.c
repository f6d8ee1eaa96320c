/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far the greeting of a native link is: what has come of it is taken off
 * the socket first. Called by who connects and who accepts, through
 * link/link.h.
 */
#include "native/native.h"

#include <windpipe/error.h>

int wpipe__native_greeted(struct wpipe__link *link)
{
    struct wpipe__native *n = wpipe__native(link);
    int r = 0;

    wpipe__mutex_lock(&link->lock);
    if (n->greeted != WPIPE__GREET_DONE)
        r = wpipe__native_pump(n);
    if (n->greeted == WPIPE__GREET_DONE || wpipe__native_left_something(n))
        r = atomic_load(&n->over);
    else if (r >= 0)
        r = wpipe__native_end(n, 0);
    if (r >= 0)
        r = n->greeted;
    wpipe__mutex_unlock(&link->lock);
    return r;
}

int wpipe__native_inherit(struct wpipe__link *link)
{
    struct wpipe__native *n = wpipe__native(link);
    int r;

    wpipe__mutex_lock(&link->lock);
    r = wpipe__native_pump(n);
    if (atomic_load(&n->over))
        r = atomic_load(&n->over);
    else if (n->greeted == WPIPE__GREET_HELLO)
        r = wpipe__native_take_on(n);
    else
        r = r < 0 ? r : wpipe__native_end(n, 0);
    if (r == 0)
        r = n->greeted == WPIPE__GREET_DONE;
    wpipe__mutex_unlock(&link->lock);
    return r;
}

int wpipe__native_facts(struct wpipe__link *link, const uint8_t **ret_facts,
                        size_t *ret_size)
{
    struct wpipe__native *n = wpipe__native(link);
    int r;

    wpipe__mutex_lock(&link->lock);
    r = wpipe__native_pump(n);
    if (n->facts_here) {
        *ret_facts = wpipe__buffer_front(&n->facts);
        *ret_size = wpipe__buffer_size(&n->facts);
        r = 1;
    } else if (r >= 0) {
        r = wpipe__native_end(n, 0);
    }
    wpipe__mutex_unlock(&link->lock);
    return r;
}
