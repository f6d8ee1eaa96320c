/* SPDX-License-Identifier: Apache-2.0 */
/* Options: defaults, ranges, sentences, and structs of another size. */
#include "support.h"

#include <limits.h>
#include <string.h>

#include "base/base.h"
#include "base/options.h"

static char error_text[160];

static wpipe_options fresh(void)
{
    wpipe_options options;

    memset(&options, 0, sizeof(options));
    options.size = sizeof(options);
    options.error_text = error_text;
    options.error_text_size = sizeof(error_text);
    memcpy(error_text, "old", sizeof("old"));
    return options;
}

static void expect_defaults(const wpipe_options *o)
{
    assert_int_equal(o->size, sizeof(*o));
    assert_int_equal(o->type, WPIPE_DEFAULT_TYPE);
    assert_int_equal(o->direction, WPIPE_DUPLEX);
    assert_int_equal(o->access, WPIPE_ACCESS_USER);
    assert_int_equal(o->group, 0);
    assert_int_equal(o->shared_memory, WPIPE_SHARED_AUTO);
    assert_int_equal(o->slow_reader, WPIPE_SLOW_DROP);
    assert_int_equal(o->spin_us, 50);
    assert_int_equal(o->flags, 0);
    assert_int_equal(o->server_uid, 0);
    assert_int_equal(o->max_clients, 65536);
    assert_int_equal(o->max_per_user, 0);
    assert_int_equal(o->buffer_in, 0); /* what the peer makes */
    assert_int_equal(o->buffer_out, 256 * 1024);
    assert_int_equal(o->max_message, 16 * 1024 * 1024);
    assert_int_equal(o->queue_limit, 1024 * 1024);
    assert_int_equal(o->memory_limit, 256 * 1024 * 1024);
    assert_int_equal(o->handshake_ms, 5000);
    assert_int_equal(o->connect_ms, 300000);
    assert_int_equal(o->threads, 1);
    assert_int_equal(o->linger_ms, 1000);
    assert_int_equal(o->message_ms, 30000);
    assert_null(o->admit);
    assert_null(o->admit_user);
}

static void options_null_gives_defaults(void **state)
{
    wpipe_options out;

    (void)state;
    memset(&out, 0xa5, sizeof(out));
    assert_int_equal(wpipe__options_take(NULL, &out), 0);
    expect_defaults(&out);
    assert_null(out.error_text);
    assert_int_equal(out.error_text_size, 0);
}

static void options_zero_gives_defaults(void **state)
{
    wpipe_options in = fresh();
    wpipe_options out;

    (void)state;
    assert_int_equal(wpipe__options_take(&in, &out), 0);
    expect_defaults(&out);
    assert_string_equal(error_text, "");
    assert_ptr_equal(out.error_text, error_text);
    assert_int_equal(out.error_text_size, sizeof(error_text));
}

static int admit_nobody(const wpipe_peer *peer, void *user)
{
    (void)peer;
    (void)user;
    return WPIPE_EACCES;
}

static void options_set_fields_kept(void **state)
{
    wpipe_options in = fresh();
    wpipe_options out;

    (void)state;
    in.type = WPIPE_MESSAGE;
    in.direction = WPIPE_OUT;
    in.access = WPIPE_ACCESS_GROUP;
    in.group = UINT32_MAX;
    in.shared_memory = WPIPE_SHARED_REQUIRED;
    in.slow_reader = WPIPE_SLOW_SKIP;
    in.spin_us = 10000;
    in.flags = 127;
    in.server_uid = UINT32_MAX;
    in.max_clients = 1;
    in.max_per_user = 2;
    in.buffer_in = 4096;
    in.buffer_out = 64 * 1024 * 1024;
    in.max_message = (uint64_t)1 << 40;
    in.queue_limit = 1;
    in.memory_limit = 2;
    in.handshake_ms = INT_MAX;
    in.threads = WPIPE_THREADS_MAX;
    in.connect_ms = 1;
    in.linger_ms = 1;
    in.message_ms = 1;
    in.admit = admit_nobody;
    in.admit_user = &in;
    assert_int_equal(wpipe__options_take(&in, &out), 0);
    assert_memory_equal(&out, &in, sizeof(out));
}

static void options_buffers_rounded_up_to_power_of_two(void **state)
{
    static const struct {
        uint32_t wanted;
        uint32_t given;
    } rows[] = {
        { 4096, 4096 },         { 4097, 8192 },         { 8192, 8192 },
        { 65535, 65536 },       { 65537, 131072 },      { 33554433, 67108864 },
        { 67108863, 67108864 }, { 67108864, 67108864 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        wpipe_options in = fresh();
        wpipe_options out;

        in.buffer_in = rows[i].wanted;
        assert_int_equal(wpipe__options_take(&in, &out), 0);
        assert_int_equal(out.buffer_in, rows[i].given);
        assert_int_equal(out.buffer_out, 256 * 1024);
        in.buffer_in = 0;
        in.buffer_out = rows[i].wanted;
        assert_int_equal(wpipe__options_take(&in, &out), 0);
        assert_int_equal(out.buffer_in, 0);
        assert_int_equal(out.buffer_out, rows[i].given);
    }
}

static void options_special_times_resolved(void **state)
{
    wpipe_options in = fresh();
    wpipe_options out;

    (void)state;
    in.spin_us = WPIPE_SPIN_OFF;
    in.connect_ms = WPIPE_FOREVER;
    in.linger_ms = WPIPE_LINGER_OFF;
    in.message_ms = WPIPE_FOREVER;
    assert_int_equal(wpipe__options_take(&in, &out), 0);
    assert_int_equal(out.spin_us, 0);
    assert_int_equal(out.connect_ms, WPIPE_FOREVER);
    assert_int_equal(out.linger_ms, 0);
    assert_int_equal(out.message_ms, WPIPE_FOREVER);
    in.spin_us = 1;
    in.linger_ms = WPIPE_FOREVER;
    assert_int_equal(wpipe__options_take(&in, &out), 0);
    assert_int_equal(out.linger_ms, WPIPE_FOREVER);
    assert_int_equal(out.spin_us, 1);
}

/* A field, a bad value for it, and the sentence about it. */
struct bad_row {
    size_t offset;
    size_t size;
    int64_t value;
    const char *sentence;
};

#define BAD(field, value, sentence)                                          \
    {                                                                        \
        offsetof(wpipe_options, field), sizeof(((wpipe_options *)0)->field), \
            value, "options." sentence                                       \
    }

static const struct bad_row bad_rows[] = {
    BAD(type, -1, "type is -1, not 0 to 2"),
    BAD(type, 3, "type is 3, not 0 to 2"),
    BAD(direction, -1, "direction is -1, not 0 to 2"),
    BAD(direction, 3, "direction is 3, not 0 to 2"),
    BAD(access, INT_MIN, "access is -2147483648, not 0 to 2"),
    BAD(access, 3, "access is 3, not 0 to 2"),
    BAD(shared_memory, -1, "shared_memory is -1, not 0 to 3"),
    BAD(shared_memory, 4, "shared_memory is 4, not 0 to 3"),
    BAD(slow_reader, -1, "slow_reader is -1, not 0 to 1"),
    BAD(slow_reader, 2, "slow_reader is 2, not 0 to 1"),
    BAD(spin_us, -2, "spin_us is -2, not -1 to 10000"),
    BAD(spin_us, 10001, "spin_us is 10001, not -1 to 10000"),
    BAD(flags, 0x80, "flags is 0x80, and 0x80 is not a known flag"),
    BAD(flags, 0x80000001,
        "flags is 0x80000001, and 0x80000000 is not a known flag"),
    BAD(buffer_in, 1, "buffer_in is 1, not 4096 to 67108864"),
    BAD(buffer_in, 4095, "buffer_in is 4095, not 4096 to 67108864"),
    BAD(buffer_in, 67108865, "buffer_in is 67108865, not 4096 to 67108864"),
    BAD(buffer_out, 4095, "buffer_out is 4095, not 4096 to 67108864"),
    BAD(buffer_out, UINT32_MAX,
        "buffer_out is 4294967295, not 4096 to 67108864"),
    BAD(max_message, ((int64_t)1 << 40) + 1,
        "max_message is 1099511627777, more than 1099511627776 bytes"),
    BAD(max_message, -1,
        "max_message is 18446744073709551615, more than 1099511627776 bytes"),
    BAD(queue_limit, ((int64_t)1 << 40) + 1,
        "queue_limit is 1099511627777, more than 1099511627776 bytes"),
    BAD(memory_limit, INT64_MIN,
        "memory_limit is 9223372036854775808, more than 1099511627776 bytes"),
    BAD(threads, 65, "threads is 65, not 1 to 64"),
    BAD(foreign, 4, "foreign is 4, not 0 to 3"),
    BAD(framing, 6, "framing is 6, not 0 to 5"),
    BAD(second_pipe, -1, "second_pipe is -1, not 0 to 2"),
    BAD(second_pipe, 3, "second_pipe is 3, not 0 to 2"),
    BAD(handshake_ms, -1, "handshake_ms is -1, not 0 to 2147483647"),
    BAD(connect_ms, -2, "connect_ms is -2, not -1 to 2147483647"),
    BAD(linger_ms, -3, "linger_ms is -3, not -2 to 2147483647"),
    BAD(message_ms, -2, "message_ms is -2, not -1 to 2147483647"),
    BAD(reserved[0], 7, "reserved[0] is 7, not 0"),
    BAD(reserved[2], -1, "reserved[2] is 18446744073709551615, not 0"),
};

static void set_field(wpipe_options *options, const struct bad_row *row)
{
    int32_t narrow = (int32_t)row->value;

    if (row->size == sizeof(narrow))
        memcpy((char *)options + row->offset, &narrow, sizeof(narrow));
    else
        memcpy((char *)options + row->offset, &row->value, sizeof(row->value));
}

static void options_field_out_of_range_named(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(bad_rows); i++) {
        wpipe_options in = fresh();
        wpipe_options out;
        wpipe_options untouched;

        memset(&out, 0xa5, sizeof(out));
        untouched = out;
        set_field(&in, &bad_rows[i]);
        if (wpipe__options_take(&in, &out) != WPIPE_EINVAL)
            fail_msg("taken: %s", bad_rows[i].sentence);
        assert_string_equal(error_text, bad_rows[i].sentence);
        assert_memory_equal(&out, &untouched, sizeof(out));
    }
}

static void options_without_error_text_still_refused(void **state)
{
    wpipe_options in = fresh();
    wpipe_options out;

    (void)state;
    in.type = 3;
    in.error_text_size = 0;
    assert_int_equal(wpipe__options_take(&in, &out), WPIPE_EINVAL);
    assert_string_equal(error_text, "old");
    in.error_text = NULL;
    in.error_text_size = 100;
    assert_int_equal(wpipe__options_take(&in, &out), WPIPE_EINVAL);
    in.type = 0;
    assert_int_equal(wpipe__options_take(&in, &out), 0);
    assert_int_equal(out.error_text_size, 0);
}

static void options_short_error_text_cut(void **state)
{
    wpipe_options in = fresh();
    wpipe_options out;

    (void)state;
    in.type = 3;
    in.error_text_size = 10;
    assert_int_equal(wpipe__options_take(&in, &out), WPIPE_EINVAL);
    assert_string_equal(error_text, "options.t");
}

static void options_size_not_set_refused(void **state)
{
    wpipe_options in = fresh();
    wpipe_options out;

    (void)state;
    in.size = 0;
    assert_int_equal(wpipe__options_take(&in, &out), WPIPE_EINVAL);
    assert_string_equal(error_text, "options.size is not set");
}

static void options_size_of_nothing_refused_untouched(void **state)
{
    static const size_t sizes[] = { 1, 4, sizeof(size_t) - 1, 4097, SIZE_MAX };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(sizes); i++) {
        wpipe_options in = fresh();
        wpipe_options out;

        in.size = sizes[i];
        assert_int_equal(wpipe__options_take(&in, &out), WPIPE_EINVAL);
        assert_string_equal(error_text, "old");
    }
}

/* Each size an older header might have had: only whole fields count. */
static void options_smaller_takes_whole_fields(void **state)
{
    size_t size;

    (void)state;
    for (size = sizeof(size_t); size <= sizeof(wpipe_options); size++) {
        wpipe_options in = fresh();
        wpipe_options out;

        in.size = size;
        in.type = WPIPE_BYTE;
        in.max_message = 1000;
        in.admit_user = &in;
        assert_int_equal(wpipe__options_take(&in, &out), 0);
        assert_int_equal(out.size, sizeof(out));
        assert_int_equal(out.type,
                         size >= sizeof(size_t) + sizeof(int) ? WPIPE_BYTE : 0);
        assert_int_equal(
            out.max_message,
            size >= offsetof(wpipe_options, queue_limit) ? 1000 : 16 << 20);
        assert_ptr_equal(out.admit_user,
                         size >= offsetof(wpipe_options, error_text) ? &in
                                                                     : NULL);
        assert_ptr_equal(out.error_text,
                         size >= offsetof(wpipe_options, linger_ms) ? error_text
                                                                    : NULL);
        assert_string_equal(error_text, out.error_text == NULL ? "old" : "");
    }
}

static void options_larger_with_zero_rest_taken(void **state)
{
    struct {
        wpipe_options options;
        uint8_t rest[64];
    } in = { .options = fresh() };
    wpipe_options out;

    (void)state;
    memset(in.rest, 0, sizeof(in.rest));
    in.options.size = sizeof(in);
    assert_int_equal(wpipe__options_take(&in.options, &out), 0);
    expect_defaults(&out);
    in.rest[63] = 1;
    assert_int_equal(wpipe__options_take(&in.options, &out), WPIPE_EINVAL);
    assert_non_null(strstr(error_text, "that this library knows is set"));
    in.options.size = sizeof(in) - 1;
    assert_int_equal(wpipe__options_take(&in.options, &out), 0);
    in.rest[0] = 1;
    assert_int_equal(wpipe__options_take(&in.options, &out), WPIPE_EINVAL);
}

static void explain_prints_clean_or_nothing(void **state)
{
    wpipe_options options = fresh();

    (void)state;
    wpipe__options_explain(&options, "held by %s (%d)", "ev\x1bil", 7);
    assert_string_equal(error_text, "held by ev?il (7)");
    options.error_text_size = 0;
    error_text[0] = '\x01';
    wpipe__options_explain(&options, "x");
    assert_string_equal(error_text, "\x01"
                                    "eld by ev?il (7)");
    options.error_text = NULL;
    options.error_text_size = 10;
    wpipe__options_explain(&options, "x");
    wpipe__options_explain(NULL, "x");
}

static const struct support_case cases[] = {
    TEST(options_null_gives_defaults),
    TEST(options_zero_gives_defaults),
    TEST(options_set_fields_kept),
    TEST(options_buffers_rounded_up_to_power_of_two),
    TEST(options_special_times_resolved),
    TEST(options_field_out_of_range_named),
    TEST(options_without_error_text_still_refused),
    TEST(options_short_error_text_cut),
    TEST(options_size_not_set_refused),
    TEST(options_size_of_nothing_refused_untouched),
    TEST(options_smaller_takes_whole_fields),
    TEST(options_larger_with_zero_rest_taken),
    TEST(explain_prints_clean_or_nothing),
};

TEST_MAIN(cases)
