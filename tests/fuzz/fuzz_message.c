/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an encoded message, and any bytes as a topic and a body: what
 * is decoded encodes to the same bytes, what is encoded decodes to the same
 * strings, and everything else is refused by name.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <windpipe/message.h>

#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void decode_any(const uint8_t *data, size_t size)
{
    wpipe_message message;
    int problem = -1;
    uint8_t *again;
    int r = wpipe_message_decode(data, size, &message, &problem);

    if (r == WPIPE_EPROTO) {
        require(problem > WPIPE_MESSAGE_OK &&
                problem <= WPIPE_MESSAGE_TRAILING_BYTES);
        return;
    }
    require(r == 0 && problem == WPIPE_MESSAGE_OK);
    require(wpipe_message_size(&message) == (int64_t)size);
    again = malloc(size);
    require(again != NULL);
    require(wpipe_message_encode(&message, again, size) == (int64_t)size);
    require(memcmp(again, data, size) == 0);
    free(again);
}

static int same(const char *a, size_t a_size, const char *b, size_t b_size)
{
    return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

static void encode_any(const uint8_t *data, size_t size)
{
    size_t topic_size = size > 0 ? data[0] % size : 0;
    const char *text = (const char *)data;
    wpipe_message message = { text, topic_size,
                              size > 0 ? text + topic_size : NULL,
                              size - topic_size };
    wpipe_message back;
    int64_t needed = wpipe_message_size(&message);
    int64_t r;
    uint8_t *buf;

    require(needed >= (int64_t)size + 2);
    buf = malloc((size_t)needed);
    require(buf != NULL);
    require(wpipe_message_encode(&message, buf, (size_t)needed - 1) ==
            WPIPE_EMSGSIZE);
    r = wpipe_message_encode(&message, buf, (size_t)needed);
    if (r == needed) {
        require(wpipe_message_decode(buf, (size_t)r, &back, NULL) == 0);
        require(same(back.topic, back.topic_size, message.topic,
                     message.topic_size));
        require(
            same(back.body, back.body_size, message.body, message.body_size));
    } else {
        require(r == WPIPE_EINVAL);
        require(!wpipe__utf8_valid(message.topic, message.topic_size) ||
                !wpipe__utf8_valid(message.body, message.body_size));
    }
    free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode_any(data, size);
    encode_any(data, size);
    return 0;
}
