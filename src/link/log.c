/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of connections: entries wait until a thread without locks tells them.
 */
#include "link/log.h"

#include <string.h>

#include "base/base.h"
#include "base/memory.h"
#include "os/probe.h"

/* More than these wait only when the hook is slower than the connections. */
#define ENTRIES_MAX 4096u

int wpipe__log_open(const wpipe_options *options, struct wpipe__log **ret)
{
    struct wpipe__log *log;
    int r;

    *ret = NULL;
    if (options->log == NULL)
        return 0;
    log = wpipe__alloc(sizeof(*log));
    if (log == NULL)
        return WPIPE_ENOMEM;
    r = wpipe__mutex_init(&log->lock);
    if (r < 0) {
        wpipe__free(log);
        return r;
    }
    log->hook = options->log;
    log->user = options->log_user;
    log->generation = wpipe__os_generation();
    *ret = log;
    return 0;
}

void wpipe__log_close(struct wpipe__log *log)
{
    if (log == NULL)
        return;
    if (log->generation == wpipe__os_generation()) {
        wpipe__log_tell(log);
        wpipe__mutex_done(&log->lock);
    }
    wpipe__buffer_done(&log->entries);
    wpipe__free(log);
}

/* ---- telling ------------------------------------------------------------- */

/* The next entry: 1; 0 there is none. Locked. */
static int next(struct wpipe__log *log, wpipe_log_entry *ret)
{
    if (wpipe__buffer_size(&log->entries) < sizeof(*ret)) {
        atomic_store(&log->pending, 0);
        return 0;
    }
    memcpy(ret, wpipe__buffer_front(&log->entries), sizeof(*ret));
    wpipe__buffer_drop(&log->entries, sizeof(*ret));
    return 1;
}

void wpipe__log_tell_all(struct wpipe__log *log)
{
    wpipe_log_entry entry;

    wpipe__mutex_lock(&log->lock);
    while (!log->telling && next(log, &entry)) {
        log->telling = 1; /* the others leave theirs to this thread */
        wpipe__mutex_unlock(&log->lock);
        log->hook(&entry, log->user);
        wpipe__mutex_lock(&log->lock);
        log->telling = 0;
    }
    wpipe__mutex_unlock(&log->lock);
}

/* ---- noting -------------------------------------------------------------- */

static void add(struct wpipe__log *log, wpipe_log_entry *entry)
{
    size_t waiting;

    entry->size = sizeof(*entry);
    entry->peer.size = sizeof(entry->peer);
    wpipe__mutex_lock(&log->lock);
    waiting = wpipe__buffer_size(&log->entries);
    entry->missed = log->missed;
    if (waiting < ENTRIES_MAX * sizeof(*entry) &&
        wpipe__buffer_append(&log->entries, entry, sizeof(*entry)) == 0)
        log->missed = 0;
    else
        log->missed++;
    atomic_store(&log->pending, 1);
    wpipe__mutex_unlock(&log->lock);
}

/* An entry about that connection, if anybody wants it. */
static void add_about(const struct wpipe__link *link, int kind,
                      const struct wpipe__log_end *end)
{
    wpipe_log_entry entry = { .kind = kind,
                              .reason = end->reason,
                              .error = end->error,
                              .connection = link->log_id,
                              .count = end->messages,
                              .bytes = end->bytes,
                              .peer = link->peer };

    if (link->log != NULL)
        add(link->log, &entry);
}

void wpipe__log_connected(struct wpipe__log *log, struct wpipe__link *link,
                          uint64_t id)
{
    static const struct wpipe__log_end none = { 0 };

    link->log = log;
    link->log_id = id;
    link->logged = 1;
    WPIPE__PROBE(connected, id, link->peer.pid, link->peer.uid);
    add_about(link, WPIPE_LOG_CONNECTED, &none);
    if (link->transport->shared(link) > 0)
        wpipe__log_moved(link); /* before it was let in */
}

void wpipe__log_moved(struct wpipe__link *link)
{
    static const struct wpipe__log_end none = { 0 };

    if (!link->logged)
        return;
    WPIPE__PROBE(moved, link->log_id, link->peer.pid, 0);
    add_about(link, WPIPE_LOG_MOVED, &none);
}

void wpipe__log_grown(struct wpipe__link *link, uint64_t bytes)
{
    const struct wpipe__log_end grown = { .bytes = bytes };

    if (!link->logged)
        return;
    WPIPE__PROBE(grown, link->log_id, link->peer.pid, bytes);
    add_about(link, WPIPE_LOG_GROWN, &grown);
}

void wpipe__log_ended(struct wpipe__link *link,
                      const struct wpipe__log_end *end)
{
    const struct wpipe__log_end over = { .reason = end->reason,
                                         .error = end->error };

    if (!link->logged)
        return;
    if (end->messages > 0 || end->bytes > 0)
        wpipe__log_dropped(link, end);
    WPIPE__PROBE(disconnected, link->log_id, link->peer.pid, end->reason);
    add_about(link, WPIPE_LOG_DISCONNECTED, &over);
    link->logged = 0;
}

void wpipe__log_dropped(struct wpipe__link *link,
                        const struct wpipe__log_end *end)
{
    if (!link->logged)
        return;
    WPIPE__PROBE(dropped, link->log_id, end->messages, end->bytes);
    add_about(link, WPIPE_LOG_DROPPED, end);
}

void wpipe__log_refused(struct wpipe__log *log, int reason, int error,
                        uint64_t count)
{
    wpipe_log_entry entry = { .kind = WPIPE_LOG_REFUSED,
                              .reason = reason,
                              .error = error,
                              .count = count };

    WPIPE__PROBE(refused, reason, error, count);
    if (log != NULL)
        add(log, &entry);
}
