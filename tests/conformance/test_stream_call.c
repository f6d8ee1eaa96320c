/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that pass through streams: their marks are read and written, in short
 * messages and in ones of many records.
 */
#include "ends.h"

#include <stdlib.h>
#include <windpipe.h>

#define LARGE (300 * KIB)

static const wpipe_call request = { WPIPE_CALL_REQUEST, 0x1122334455667788 };
static const wpipe_call reply = { WPIPE_CALL_REPLY, 0x1122334455667788 };
static const wpipe_call none = { WPIPE_CALL_NONE, 0 };

static void write_call(wpipe_stream *stream, const wpipe_call *call,
                       const char *text)
{
    assert_int_equal(
        wpipe_write_call(stream, call, text, strlen(text), SUPPORT_WAIT_MS),
        strlen(text));
}

static void expect_call(wpipe_stream *stream, const wpipe_call *call,
                        const char *text)
{
    wpipe_call got;

    ends_expect(stream, text);
    assert_int_equal(wpipe_stream_call(stream, &got), 0);
    assert_int_equal(got.kind, call->kind);
    assert_int_equal(got.request, call->request);
}

static void call_marks_pass_both_ways(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    for (int i = 0; i < 20; i++) {
        write_call(ends.client, &request, "question");
        write_call(ends.client, &none, "by the way");
        write_call(ends.client, &request, "");
        expect_call(ends.server, &request, "question");
        expect_call(ends.server, &none, "by the way");
        expect_call(ends.server, &request, "");
        ends_write(ends.server, "news");
        write_call(ends.server, &reply, "answer");
        expect_call(ends.client, &none, "news");
        expect_call(ends.client, &reply, "answer");
        /* and the other way round, with the same number */
        write_call(ends.server, &request, "your turn");
        expect_call(ends.client, &request, "your turn");
        write_call(ends.client, &reply, "done");
        expect_call(ends.server, &reply, "done");
    }
    ends_close(&ends);
}

static void write_large(void *argument)
{
    struct ends *ends = argument;
    char *data = calloc(1, LARGE);

    assert_non_null(data);
    assert_int_equal(
        wpipe_write_call(ends->client, &request, data, LARGE, SUPPORT_WAIT_MS),
        LARGE);
    free(data);
}

/* The mark is known with the first part of the message. */
static void call_large_is_marked_from_its_first_part(void **state)
{
    struct ends_thread thread;
    struct ends ends;
    size_t sum = 0;
    char part[1000];
    wpipe_call got;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    ends_start(&thread, write_large, &ends);
    do {
        int64_t r = wpipe_read(ends.server, part, sizeof part, SUPPORT_WAIT_MS);

        assert_true(r > 0);
        sum += (size_t)r;
        assert_int_equal(wpipe_stream_call(ends.server, &got), 0);
        assert_int_equal(got.kind, WPIPE_CALL_REQUEST);
        assert_int_equal(got.request, request.request);
    } while (!wpipe_stream_message_complete(ends.server));
    assert_int_equal(sum, LARGE);
    ends_join(&thread);
    ends_close(&ends);
}

static void call_out_of_place_refused(void **state)
{
    const wpipe_call no_number = { WPIPE_CALL_REQUEST, 0 };
    const wpipe_call no_kind = { 3, 1 };
    struct ends ends;

    ends_open(&ends, *state, WPIPE_MESSAGE);
    assert_int_equal(wpipe_write_call(ends.client, NULL, "x", 1, 0),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_write_call(ends.client, &no_number, "x", 1, 0),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_write_call(ends.client, &no_kind, "x", 1, 0),
                     WPIPE_EINVAL);
    assert_int_equal(wpipe_stream_call(ends.client, NULL), WPIPE_EINVAL);
    write_call(ends.client, &request, "still fine");
    expect_call(ends.server, &request, "still fine");
    ends_close(&ends);
}

static void call_over_bytes_is_enotsup(void **state)
{
    struct ends ends;

    ends_open(&ends, *state, WPIPE_BYTE);
    assert_int_equal(wpipe_write_call(ends.client, &request, "x", 1, 0),
                     WPIPE_ENOTSUP);
    assert_int_equal(wpipe_write_call(ends.server, &reply, "x", 1, 0),
                     WPIPE_ENOTSUP);
    ends_write(ends.client, "bytes");
    expect_call(ends.server, &none, "bytes");
    ends_close(&ends);
}

/* Who has called nobody is answered by nobody: not even when it was called. */
static void call_reply_without_request_is_eproto(void **state)
{
    char buf[8];

    for (int i = 0; i < 2; i++) {
        wpipe_stream *answering;
        wpipe_stream *silent;
        struct ends ends;

        ends_open(&ends, *state, WPIPE_MESSAGE);
        answering = i ? ends.client : ends.server;
        silent = i ? ends.server : ends.client;
        write_call(answering, &request, "a call");
        expect_call(silent, &request, "a call");
        write_call(answering, &reply, "x");
        assert_int_equal(wpipe_read(silent, buf, 8, SUPPORT_WAIT_MS),
                         WPIPE_EPROTO);
        ends_close(&ends);
    }
}

static const struct ends_case cases[] = {
    EACH(call_marks_pass_both_ways),
    EACH(call_large_is_marked_from_its_first_part),
    EACH(call_out_of_place_refused),
    EACH(call_over_bytes_is_enotsup),
    EACH(call_reply_without_request_is_eproto),
};

ENDS_MAIN(cases)
