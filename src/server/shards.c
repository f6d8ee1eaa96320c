/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding a client among the shards of a server. Called by all of src/server.
 */
#include "server/server.h"

struct wpipe__conn *wpipe__shard_client(const struct wpipe__shard *shard,
                                        wpipe_id id)
{
    struct wpipe__conn *conn =
        wpipe__table_find(&shard->clients, id & ~WPIPE__SHARD_MASK);

    return conn == NULL || conn->link == NULL ? NULL : conn;
}

int wpipe__server_lock(struct wpipe_server *s, wpipe_id id,
                       struct wpipe__shard **ret_shard)
{
    unsigned number =
        (unsigned)((id & WPIPE__SHARD_MASK) >> WPIPE__SHARD_SHIFT);
    int r;

    if (number >= s->shard_count)
        return WPIPE_ENOTCONN;
    r = wpipe__loop_use(&s->shards[number].loop);
    *ret_shard = &s->shards[number];
    return r;
}

int wpipe__server_client(struct wpipe_server *s, wpipe_id id,
                         struct wpipe__shard **ret_shard,
                         struct wpipe__conn **ret_conn)
{
    struct wpipe__conn *conn;
    int r = s == NULL ? WPIPE_EINVAL : wpipe__server_lock(s, id, ret_shard);

    if (r < 0)
        return r;
    conn = wpipe__shard_client(*ret_shard, id);
    if (conn == NULL) {
        wpipe__loop_unlock(&(*ret_shard)->loop);
        return WPIPE_ENOTCONN;
    }
    *ret_conn = conn;
    return 0;
}

size_t wpipe__server_connected(const struct wpipe_server *s)
{
    size_t count = 0;
    unsigned i;

    for (i = 0; i < s->shard_count; i++)
        count +=
            atomic_load_explicit(&s->shards[i].connected, memory_order_relaxed);
    return count;
}
