/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed messages: a topic and a body, laid out as two .NET BinaryWriter
 * strings, so that a pair of C# BinaryReader.ReadString() calls reads what C
 * wrote and the other way round. Each string is its length in bytes - in
 * groups of seven bits, low group first, the top bit set on all but the last
 * group - and then that many bytes of UTF-8.
 *
 * Pure functions: no system call, no memory of their own, any thread.
 */
#ifndef WINDPIPE_MESSAGE_H
#define WINDPIPE_MESSAGE_H

#include <windpipe/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Views of two UTF-8 strings, not terminated; NULL is allowed with size 0. */
typedef struct wpipe_message {
    const char *topic;
    size_t topic_size;
    const char *body;
    size_t body_size;
} wpipe_message;

/* What is wrong with an encoded message: returned in *ret_problem. */
enum wpipe_message_problem {
    WPIPE_MESSAGE_OK = 0,
    WPIPE_MESSAGE_LENGTH_UNTERMINATED, /* ends inside a length */
    WPIPE_MESSAGE_LENGTH_TOO_LONG,     /* over five groups, or over 2^31-1 */
    WPIPE_MESSAGE_LENGTH_OVERLONG,     /* not the shortest form */
    WPIPE_MESSAGE_TRUNCATED,           /* a string is longer than the rest */
    WPIPE_MESSAGE_NOT_UTF8,
    WPIPE_MESSAGE_TRAILING_BYTES /* something follows the body */
};

/*
 * The bytes that encoding takes.
 * Returns them. Errors: WPIPE_EINVAL (a NULL view with a size),
 *     WPIPE_EMSGSIZE (a string over 2^31-1 bytes).
 */
WPIPE_API int64_t wpipe_message_size(const wpipe_message *message);

/*
 * Encode into `buf`. Returns the bytes written. Errors: WPIPE_EINVAL (NULL,
 *     or a string that is not UTF-8), WPIPE_EMSGSIZE (`size` is too small;
 *     nothing is written).
 */
WPIPE_API int64_t wpipe_message_encode(const wpipe_message *message, void *buf,
                                       size_t size);

/*
 * Decode exactly one message of `size` bytes; the views point into `data`.
 * Returns 0. Errors: WPIPE_EPROTO, with the problem in *ret_problem (which
 * may be NULL) and *ret_message untouched; WPIPE_EINVAL.
 */
WPIPE_API int wpipe_message_decode(const void *data, size_t size,
                                   wpipe_message *ret_message,
                                   int *ret_problem);

/* A sentence that describes a WPIPE_MESSAGE_* problem; a static string. */
WPIPE_API const char *wpipe_message_problem_text(int problem);

#ifdef __cplusplus
}
#endif

#endif
