/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking options and filling in their defaults. The ranges stand in one
 * table, so that every refusal names its field, value and range alike.
 */
#include "base/options.h"

#include <inttypes.h>
#include <string.h>

#include "base/base.h"

#define BUFFER_MIN ((uint32_t)4 << 10)
#define BYTES_MAX  ((uint64_t)1 << 40)

/* Nobody's options are larger; a larger size is memory that was never set. */
#define SIZE_SANE 4096

#define ALL_FLAGS                                                    \
    (WPIPE_FIRST_INSTANCE | WPIPE_CONNECT_EARLY | WPIPE_TRUST_PEER | \
     WPIPE_RECONNECT | WPIPE_CHECK_UID | WPIPE_CONNECT_LATER |       \
     WPIPE_WAIT_SIGNALS)

/* Where each field lies: what a smaller, older struct has not is default. */
#define FIELD(name)                                                       \
    {                                                                     \
        offsetof(wpipe_options, name), sizeof(((wpipe_options *)0)->name) \
    }

static const struct {
    size_t offset;
    size_t size;
} fields[] = {
    FIELD(type),          FIELD(direction),
    FIELD(access),        FIELD(group),
    FIELD(shared_memory), FIELD(slow_reader),
    FIELD(spin_us),       FIELD(flags),
    FIELD(server_uid),    FIELD(max_clients),
    FIELD(max_per_user),  FIELD(buffer_in),
    FIELD(buffer_out),    FIELD(max_message),
    FIELD(queue_limit),   FIELD(memory_limit),
    FIELD(handshake_ms),  FIELD(connect_ms),
    FIELD(admit),         FIELD(admit_user),
    FIELD(foreign),       FIELD(threads),
    FIELD(framing),       FIELD(second_pipe),
    FIELD(error_text),    FIELD(error_text_size),
    FIELD(linger_ms),     FIELD(message_ms),
    FIELD(log),           FIELD(log_user),
    FIELD(listen_fd),     FIELD(foreign_fd),
    FIELD(reserved),
};

void wpipe__options_explain(const wpipe_options *options, const char *format,
                            ...)
{
    va_list list;

    if (options == NULL || options->error_text == NULL ||
        options->error_text_size == 0)
        return;
    va_start(list, format);
    wpipe__text_set_list(options->error_text, options->error_text_size, format,
                         list);
    va_end(list);
    wpipe__text_clean(options->error_text);
}

/* Whole fields only: half a pointer would be a wild one. */
static void copy_fields(const wpipe_options *in, wpipe_options *ret)
{
    size_t end;
    size_t i;

    memset(ret, 0, sizeof(*ret));
    for (i = 0; i < WPIPE__ARRAY_SIZE(fields); i++) {
        end = fields[i].offset + fields[i].size;
        if (end <= in->size)
            memcpy((char *)ret + fields[i].offset,
                   (const char *)in + fields[i].offset, fields[i].size);
    }
    ret->size = sizeof(*ret);
    if (ret->error_text == NULL || ret->error_text_size == 0) {
        ret->error_text = NULL;
        ret->error_text_size = 0;
    }
}

/* Copy what `in` holds, once its size can be believed. */
static int read_options(const wpipe_options *in, wpipe_options *ret)
{
    const unsigned char *bytes = (const unsigned char *)in;
    size_t i;

    if (in->size == 0) {
        /* most likely a struct all zero but for what was set in it */
        wpipe__options_explain(in, "options.size is not set");
        return WPIPE_EINVAL;
    }
    if (in->size < sizeof(size_t) || in->size > SIZE_SANE)
        return WPIPE_EINVAL; /* not even error_text can be believed */
    copy_fields(in, ret);
    for (i = sizeof(*in); i < in->size; i++)
        if (bytes[i] != 0) {
            wpipe__options_explain(
                ret,
                "options.size is %zu, and a field beyond the %zu bytes"
                " that this library knows is set",
                in->size, sizeof(*in));
            return WPIPE_EINVAL;
        }
    return 0;
}

static int check_ranges(const wpipe_options *o)
{
    const struct {
        const char *field;
        int64_t value;
        int64_t min;
        int64_t max;
    } ranges[] = {
        { "type", o->type, 0, WPIPE_MESSAGE },
        { "direction", o->direction, 0, WPIPE_OUT },
        { "access", o->access, 0, WPIPE_ACCESS_ANYONE },
        { "shared_memory", o->shared_memory, 0, WPIPE_SHARED_REQUIRED },
        { "slow_reader", o->slow_reader, 0, WPIPE_SLOW_SKIP },
        { "foreign", o->foreign, 0, WPIPE_FOREIGN_NEVER },
        { "framing", o->framing, 0, WPIPE_FRAMING_TYPE_LE32 },
        { "second_pipe", o->second_pipe, 0, WPIPE_SECOND_PIPE_WRAPPER },
        { "spin_us", o->spin_us, WPIPE_SPIN_OFF, 10000 },
        { "buffer_in", o->buffer_in, BUFFER_MIN, WPIPE__BUFFER_MAX },
        { "buffer_out", o->buffer_out, BUFFER_MIN, WPIPE__BUFFER_MAX },
        { "threads", o->threads, 1, WPIPE_THREADS_MAX },
        { "handshake_ms", o->handshake_ms, 0, INT32_MAX },
        { "connect_ms", o->connect_ms, WPIPE_FOREVER, INT32_MAX },
        { "linger_ms", o->linger_ms, WPIPE_LINGER_OFF, INT32_MAX },
        { "message_ms", o->message_ms, WPIPE_FOREVER, INT32_MAX },
    };
    size_t i;

    for (i = 0; i < WPIPE__ARRAY_SIZE(ranges); i++) {
        if (ranges[i].value == 0 || (ranges[i].value >= ranges[i].min &&
                                     ranges[i].value <= ranges[i].max))
            continue;
        wpipe__options_explain(
            o, "options.%s is %" PRId64 ", not %" PRId64 " to %" PRId64,
            ranges[i].field, ranges[i].value, ranges[i].min, ranges[i].max);
        return WPIPE_EINVAL;
    }
    return 0;
}

static int check_bytes(const wpipe_options *o)
{
    const struct {
        const char *field;
        uint64_t value;
    } limits[] = {
        { "max_message", o->max_message },
        { "queue_limit", o->queue_limit },
        { "memory_limit", o->memory_limit },
    };
    size_t i;

    for (i = 0; i < WPIPE__ARRAY_SIZE(limits); i++) {
        if (limits[i].value <= BYTES_MAX)
            continue;
        wpipe__options_explain(
            o, "options.%s is %" PRIu64 ", more than %" PRIu64 " bytes",
            limits[i].field, limits[i].value, BYTES_MAX);
        return WPIPE_EINVAL;
    }
    return 0;
}

static int check_rest(const wpipe_options *o)
{
    uint32_t unknown = o->flags & ~(uint32_t)ALL_FLAGS;
    size_t i;

    if (unknown != 0) {
        wpipe__options_explain(o,
                               "options.flags is 0x%" PRIx32 ", and 0x%" PRIx32
                               " is not a known flag",
                               o->flags, unknown);
        return WPIPE_EINVAL;
    }
    for (i = 0; i < WPIPE__ARRAY_SIZE(o->reserved); i++)
        if (o->reserved[i] != 0) {
            wpipe__options_explain(
                o, "options.reserved[%zu] is %" PRIu64 ", not 0", i,
                o->reserved[i]);
            return WPIPE_EINVAL;
        }
    return 0;
}

static uint32_t buffer_size(uint32_t wanted)
{
    uint32_t size = BUFFER_MIN;

    while (size < wanted)
        size *= 2;
    return size;
}

static void fill_defaults(wpipe_options *o)
{
    if (o->spin_us == 0)
        o->spin_us = 50;
    else if (o->spin_us == WPIPE_SPIN_OFF)
        o->spin_us = 0;
    if (o->threads == 0)
        o->threads = 1;
    if (o->max_clients == 0)
        o->max_clients = 65536;
    if (o->buffer_in != 0)
        o->buffer_in = buffer_size(o->buffer_in);
    o->buffer_out =
        o->buffer_out == 0 ? WPIPE__BUFFER_DEFAULT : buffer_size(o->buffer_out);
    if (o->max_message == 0)
        o->max_message = (uint64_t)16 << 20;
    if (o->queue_limit == 0)
        o->queue_limit = (uint64_t)1 << 20;
    if (o->memory_limit == 0)
        o->memory_limit = (uint64_t)256 << 20;
    if (o->handshake_ms == 0)
        o->handshake_ms = 5000;
    if (o->connect_ms == 0)
        o->connect_ms = 300000;
    if (o->linger_ms == 0)
        o->linger_ms = 1000;
    else if (o->linger_ms == WPIPE_LINGER_OFF)
        o->linger_ms = 0;
    if (o->message_ms == 0)
        o->message_ms = 30000;
}

int wpipe__options_take(const wpipe_options *in, wpipe_options *ret_options)
{
    static const wpipe_options none = { .size = sizeof(none) };
    wpipe_options o;
    int r;

    r = read_options(in == NULL ? &none : in, &o);
    if (r < 0)
        return r;
    r = check_ranges(&o);
    if (r < 0)
        return r;
    r = check_bytes(&o);
    if (r < 0)
        return r;
    r = check_rest(&o);
    if (r < 0)
        return r;
    fill_defaults(&o);
    if (o.error_text != NULL)
        o.error_text[0] = '\0';
    *ret_options = o;
    return 0;
}
