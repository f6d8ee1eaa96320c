/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor of a loop for a foreign event loop, and the timer that it
 * shows. Called by servers and clients, and when a loop ends.
 */
#include "loop/inside.h"

void wpipe__loop_set_timer(struct wpipe__loop *loop, uint64_t when)
{
    if (loop->timer == when)
        return;
    loop->timer = when;
    if (loop->alarm != WPIPE__NO_HANDLE)
        wpipe__os_timer_set(loop->alarm, when);
}

/* The descriptors of a watched loop. */
static int open_watch(struct wpipe__loop *loop)
{
    int r = wpipe__os_timer_open(&loop->alarm);

    if (r == 0)
        r = wpipe__os_poller_add(loop->poller, loop->alarm, WPIPE__TAG_ALARM);
    if (r < 0 || !loop->keeps)
        return r;
    r = wpipe__os_flag_open(&loop->show);
    if (r == 0)
        r = wpipe__os_poller_open(&loop->watch);
    if (r == 0)
        r = wpipe__os_poller_add(loop->watch, loop->poller, WPIPE__TAG_ALARM);
    if (r == 0)
        r = wpipe__os_poller_add(loop->watch, loop->show, WPIPE__TAG_FLAG);
    return r;
}

void wpipe__loop_close_watch(struct wpipe__loop *loop)
{
    wpipe__os_close(loop->watch);
    wpipe__os_close(loop->show);
    wpipe__os_close(loop->alarm);
    loop->watch = WPIPE__NO_HANDLE;
    loop->show = WPIPE__NO_HANDLE;
    loop->alarm = WPIPE__NO_HANDLE;
}

/* From now on there is a descriptor that shows all that a wait would see. 0 or
 * < 0. */
static int be_watched(struct wpipe__loop *loop)
{
    int r = open_watch(loop);

    if (r < 0) {
        wpipe__loop_close_watch(loop);
        return r;
    }
    wpipe__os_timer_set(loop->alarm, loop->timer);
    loop->watched = 1;
    wpipe__waiters_watch(&loop->waiters);
    wpipe__loop_show(loop); /* nothing may be armed yet */
    return 0;
}

intptr_t wpipe__loop_handle(struct wpipe__loop *loop)
{
    int r = wpipe__loop_use(loop);

    if (r < 0)
        return r;
    if (!loop->watched)
        r = be_watched(loop);
    wpipe__loop_unlock(loop);
    if (r < 0)
        return r;
    return loop->keeps ? loop->watch : loop->poller;
}
