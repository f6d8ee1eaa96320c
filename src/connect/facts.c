/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layout, all little-endian:
 *     head: u32 version, u32 bytes of a connection, u32 type, u32 access,
 *           u32 clients, u32 max_clients, u64 total_clients, u64 refused
 *     then the connections: u64 id, u32 uid, u32 gid, u64 pid, u32 shared,
 *           u32 zero, u64 messages_in, messages_out, bytes_in, bytes_out,
 *           queued, age_us, idle_us, dropped
 * A server of an earlier version makes connections shorter: what is missing
 * is 0. A later version may make connections longer; what we do not know of
 * them is skipped.
 */
#include "connect/facts.h"

#include "base/base.h"

enum {
    VERSION = 1,
    HEAD = 40,
    LINK = 96,
    LINK_MIN = 72,  /* without the age and what follows */
    LINK_MAX = 4096 /* bytes of a connection in any version */
};

int wpipe__facts_begin(struct wpipe__buffer *out, const wpipe_pipe_facts *pipe)
{
    uint8_t b[HEAD];

    wpipe__store_u32(b, VERSION);
    wpipe__store_u32(b + 4, LINK);
    wpipe__store_u32(b + 8, (uint32_t)pipe->type);
    wpipe__store_u32(b + 12, (uint32_t)pipe->access);
    wpipe__store_u32(b + 16, pipe->clients);
    wpipe__store_u32(b + 20, pipe->max_clients);
    wpipe__store_u64(b + 24, pipe->total_clients);
    wpipe__store_u64(b + 32, pipe->refused);
    return wpipe__buffer_append(out, b, sizeof(b));
}

int wpipe__facts_add(struct wpipe__buffer *out,
                     const struct wpipe__link_fact *link)
{
    uint8_t b[LINK];

    wpipe__store_u64(b, link->id);
    wpipe__store_u32(b + 8, link->uid);
    wpipe__store_u32(b + 12, link->gid);
    wpipe__store_u64(b + 16, (uint64_t)link->pid);
    wpipe__store_u32(b + 24, link->shared);
    wpipe__store_u32(b + 28, 0);
    wpipe__store_u64(b + 32, link->messages_in);
    wpipe__store_u64(b + 40, link->messages_out);
    wpipe__store_u64(b + 48, link->bytes_in);
    wpipe__store_u64(b + 56, link->bytes_out);
    wpipe__store_u64(b + 64, link->queued);
    wpipe__store_u64(b + 72, link->age_us);
    wpipe__store_u64(b + 80, link->idle_us);
    wpipe__store_u64(b + 88, link->dropped);
    return wpipe__buffer_append(out, b, sizeof(b));
}

static void decode_link(const uint8_t *b, size_t size,
                        struct wpipe__link_fact *ret)
{
    ret->id = wpipe__load_u64(b);
    ret->uid = wpipe__load_u32(b + 8);
    ret->gid = wpipe__load_u32(b + 12);
    ret->pid = (int64_t)wpipe__load_u64(b + 16);
    ret->shared = wpipe__load_u32(b + 24);
    ret->messages_in = wpipe__load_u64(b + 32);
    ret->messages_out = wpipe__load_u64(b + 40);
    ret->bytes_in = wpipe__load_u64(b + 48);
    ret->bytes_out = wpipe__load_u64(b + 56);
    ret->queued = wpipe__load_u64(b + 64);
    ret->age_us = size >= LINK ? wpipe__load_u64(b + 72) : 0;
    ret->idle_us = size >= LINK ? wpipe__load_u64(b + 80) : 0;
    ret->dropped = size >= LINK ? wpipe__load_u64(b + 88) : 0;
}

static int decode_head(const uint8_t *b, wpipe_pipe_facts *ret)
{
    uint32_t type = wpipe__load_u32(b + 8);
    uint32_t access = wpipe__load_u32(b + 12);

    if ((type != WPIPE_BYTE && type != WPIPE_MESSAGE) ||
        access > WPIPE_ACCESS_ANYONE)
        return WPIPE_EPROTO;
    ret->type = (int)type;
    ret->access = (int)access;
    ret->clients = wpipe__load_u32(b + 16);
    ret->max_clients = wpipe__load_u32(b + 20);
    ret->total_clients = wpipe__load_u64(b + 24);
    ret->refused = wpipe__load_u64(b + 32);
    return 0;
}

int wpipe__facts_decode(const uint8_t *bytes, size_t size,
                        wpipe_pipe_facts *ret_pipe,
                        struct wpipe__link_fact *ret_links, size_t max_links)
{
    wpipe_pipe_facts pipe = *ret_pipe;
    uint32_t each;
    size_t count;
    size_t i;

    if (size < HEAD)
        return WPIPE_EPROTO;
    if (wpipe__load_u32(bytes) != VERSION)
        return WPIPE_EVERSION;
    each = wpipe__load_u32(bytes + 4);
    if (each < LINK_MIN || each > LINK_MAX || (size - HEAD) % each != 0 ||
        (size - HEAD) / each > WPIPE__FACTS_LINKS ||
        decode_head(bytes, &pipe) < 0)
        return WPIPE_EPROTO;
    count = wpipe__min_size((size - HEAD) / each, max_links);
    for (i = 0; i < count; i++) {
        decode_link(bytes + HEAD + i * each, each, &ret_links[i]);
        if (ret_links[i].shared > 2)
            return WPIPE_EPROTO;
    }
    *ret_pipe = pipe;
    return (int)count;
}
