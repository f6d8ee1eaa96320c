/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to connections, for options.log and for tracers: made, moved to
 * shared memory, grown, over, messages dropped, peers refused.
 *
 * It is noted where it happens, under whatever locks are held there, and told
 * later by a thread that holds none: one at a time for each object, in order.
 * Without a hook there is no log (NULL), and only the probe is left.
 */
#ifndef WPIPE_LINK_LOG_H
#define WPIPE_LINK_LOG_H

#include <stdatomic.h>
#include <stdint.h>

#include <windpipe/error.h>

#include "base/buffer.h"
#include "link/link.h"
#include "os/os.h"

struct wpipe__log {
    void (*hook)(const wpipe_log_entry *entry, void *user);
    void *user;
    uint32_t generation;
    _Atomic int pending;          /* there are entries; asked unlocked */
    struct wpipe__mutex lock;     /* the last one taken; over the rest */
    struct wpipe__buffer entries; /* wpipe_log_entry, to be told */
    uint64_t missed;              /* that found no memory, since the last */
    int telling;                  /* a thread is at it */
};

/* How a connection ended, or why messages for it were dropped. */
struct wpipe__log_end {
    int reason; /* WPIPE_REASON_* */
    int error;
    uint64_t messages; /* that were lost; UINT64_MAX: nobody can tell */
    uint64_t bytes;
};

/* One for `options`; NULL when they have no hook. 0, WPIPE_ENOMEM, ... */
int wpipe__log_open(const wpipe_options *options, struct wpipe__log **ret);
/* Takes NULL. What was not told yet is told, but in a forked child. */
void wpipe__log_close(struct wpipe__log *log);

/* Call the hook for what was noted. No lock may be held. */
void wpipe__log_tell_all(struct wpipe__log *log);
static inline void wpipe__log_tell(struct wpipe__log *log)
{
    if (log != NULL &&
        atomic_load_explicit(&log->pending, memory_order_relaxed))
        wpipe__log_tell_all(log);
}

/* ---- noting; any lock may be held ---------------------------------------- */

/* The link is a connection of the object's from now on; what happens to it
 * before is not noted. `log` may be NULL. */
void wpipe__log_connected(struct wpipe__log *log, struct wpipe__link *link,
                          uint64_t id);
/* Our writes go through shared memory from now on. link.lock is held. */
void wpipe__log_moved(struct wpipe__link *link);
/* Our ring has `bytes` from now on. link.lock is held. */
void wpipe__log_grown(struct wpipe__link *link, uint64_t bytes);
/* The connection is over; also notes as dropped what was lost. */
void wpipe__log_ended(struct wpipe__link *link,
                      const struct wpipe__log_end *end);
/* Messages for it were thrown away. */
void wpipe__log_dropped(struct wpipe__link *link,
                        const struct wpipe__log_end *end);
/* So many were not let in, for the same reason. */
void wpipe__log_refused(struct wpipe__log *log, int reason, int error,
                        uint64_t count);

#endif
