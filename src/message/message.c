/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec of typed messages: two .NET BinaryWriter strings. Decoding is
 * strict: exactly one way of writing a message is a message, so what was
 * decoded and encoded again is the same bytes. Public; pure.
 */
#include <windpipe/message.h>

#include <string.h>

#include "base/base.h"
#include "base/utf8.h"

enum {
    MOST_GROUPS = 5 /* of seven bits: 32 bits, as .NET's int */
};

#define STRING_MAX ((uint64_t)INT32_MAX)

static size_t groups_of(uint64_t length)
{
    size_t groups = 1;

    while (length >>= 7)
        groups++;
    return groups;
}

/* The bytes of one string, or an error; see wpipe_message_size. */
static int64_t string_size(const char *text, size_t size)
{
    if (text == NULL && size > 0)
        return WPIPE_EINVAL;
    if (size > STRING_MAX)
        return WPIPE_EMSGSIZE;
    return (int64_t)(groups_of(size) + size);
}

static uint8_t *put_string(uint8_t *to, const char *text, size_t size)
{
    size_t rest = size;

    for (; rest > 127; rest >>= 7)
        *to++ = (uint8_t)(rest & 127) | 128;
    *to++ = (uint8_t)rest;
    if (size > 0)
        memcpy(to, text, size);
    return to + size;
}

/* What is left to decode. */
struct source {
    const uint8_t *at;
    size_t left;
};

/* The problem, or WPIPE_MESSAGE_OK and the length in *ret. */
static int take_length(struct source *source, size_t *ret)
{
    uint64_t length = 0;
    size_t i;
    uint8_t group;

    for (i = 0; i < MOST_GROUPS; i++) {
        if (i == source->left)
            return WPIPE_MESSAGE_LENGTH_UNTERMINATED;
        group = source->at[i];
        length |= (uint64_t)(group & 127) << 7 * i;
        if (group < 128)
            break;
    }
    if (i == MOST_GROUPS || length > STRING_MAX)
        return WPIPE_MESSAGE_LENGTH_TOO_LONG;
    if (i > 0 && group == 0)
        return WPIPE_MESSAGE_LENGTH_OVERLONG;
    source->at += i + 1;
    source->left -= i + 1;
    *ret = (size_t)length;
    return WPIPE_MESSAGE_OK;
}

static int take_string(struct source *source, const char **ret_text,
                       size_t *ret_size)
{
    size_t length;
    int problem = take_length(source, &length);

    if (problem != WPIPE_MESSAGE_OK)
        return problem;
    if (length > source->left)
        return WPIPE_MESSAGE_TRUNCATED;
    if (!wpipe__utf8_valid(source->at, length))
        return WPIPE_MESSAGE_NOT_UTF8;
    *ret_text = (const char *)source->at;
    *ret_size = length;
    source->at += length;
    source->left -= length;
    return WPIPE_MESSAGE_OK;
}

static int take_message(struct source *source, wpipe_message *ret)
{
    int problem = take_string(source, &ret->topic, &ret->topic_size);

    if (problem != WPIPE_MESSAGE_OK)
        return problem;
    problem = take_string(source, &ret->body, &ret->body_size);
    if (problem != WPIPE_MESSAGE_OK)
        return problem;
    return source->left > 0 ? WPIPE_MESSAGE_TRAILING_BYTES : WPIPE_MESSAGE_OK;
}

int64_t wpipe_message_size(const wpipe_message *message)
{
    int64_t topic;
    int64_t body;

    if (message == NULL)
        return WPIPE_EINVAL;
    topic = string_size(message->topic, message->topic_size);
    if (topic == WPIPE_EINVAL)
        return topic;
    body = string_size(message->body, message->body_size);
    if (body < 0)
        return body;
    return topic < 0 ? topic : topic + body;
}

int64_t wpipe_message_encode(const wpipe_message *message, void *buf,
                             size_t size)
{
    int64_t needed = wpipe_message_size(message);
    uint8_t *to = buf;

    if (needed < 0)
        return needed;
    if (buf == NULL)
        return WPIPE_EINVAL;
    if ((uint64_t)needed > size)
        return WPIPE_EMSGSIZE;
    if (!wpipe__utf8_valid(message->topic, message->topic_size) ||
        !wpipe__utf8_valid(message->body, message->body_size))
        return WPIPE_EINVAL;
    to = put_string(to, message->topic, message->topic_size);
    put_string(to, message->body, message->body_size);
    return needed;
}

int wpipe_message_decode(const void *data, size_t size,
                         wpipe_message *ret_message, int *ret_problem)
{
    struct source source = { data, size };
    wpipe_message message;
    int problem;

    if (ret_message == NULL || (data == NULL && size > 0))
        return WPIPE_EINVAL;
    problem = take_message(&source, &message);
    if (ret_problem != NULL)
        *ret_problem = problem;
    if (problem != WPIPE_MESSAGE_OK)
        return WPIPE_EPROTO;
    *ret_message = message;
    return 0;
}

const char *wpipe_message_problem_text(int problem)
{
    static const char *const texts[] = {
        [WPIPE_MESSAGE_OK] = "nothing is wrong with the message",
        [WPIPE_MESSAGE_LENGTH_UNTERMINATED] =
            "the message ends inside the length of a string",
        [WPIPE_MESSAGE_LENGTH_TOO_LONG] =
            "the length of a string is over 2^31-1 or over five bytes",
        [WPIPE_MESSAGE_LENGTH_OVERLONG] =
            "the length of a string is not in its shortest form",
        [WPIPE_MESSAGE_TRUNCATED] =
            "a string goes beyond the end of the message",
        [WPIPE_MESSAGE_NOT_UTF8] = "a string is not valid UTF-8",
        [WPIPE_MESSAGE_TRAILING_BYTES] = "bytes follow the body",
    };

    if ((size_t)problem >= WPIPE__ARRAY_SIZE(texts))
        return "an unknown problem";
    return texts[problem];
}
