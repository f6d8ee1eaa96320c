/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed messages over servers and clients: encode and send, decode what came.
 */
#include <windpipe.h>

#include "base/memory.h"

/* Encode into memory of our own, the caller's to free. Returns the size. */
static int64_t encode(const wpipe_message *message, uint8_t **ret)
{
    int64_t size;
    uint8_t *bytes;
    int64_t r;

    if (message == NULL)
        return WPIPE_EINVAL;
    size = wpipe_message_size(message);
    if (size < 0)
        return size;
    bytes = wpipe__resize(NULL, (size_t)size);
    if (bytes == NULL)
        return WPIPE_ENOMEM;
    r = wpipe_message_encode(message, bytes, (size_t)size);
    if (r < 0) {
        wpipe__free(bytes);
        return r;
    }
    *ret = bytes;
    return r;
}

int wpipe_server_send_message(wpipe_server *server, wpipe_id to,
                              const wpipe_message *message)
{
    uint8_t *bytes = NULL;
    int64_t size = encode(message, &bytes);
    int r;

    if (size < 0)
        return (int)size;
    r = wpipe_server_send(server, to, bytes, (size_t)size);
    wpipe__free(bytes);
    return r;
}

int wpipe_client_send_message(wpipe_client *client,
                              const wpipe_message *message)
{
    uint8_t *bytes = NULL;
    int64_t size = encode(message, &bytes);
    int r;

    if (size < 0)
        return (int)size;
    r = wpipe_client_send(client, bytes, (size_t)size);
    wpipe__free(bytes);
    return r;
}

int wpipe_event_message(const wpipe_event *event, wpipe_message *ret_message)
{
    if (event == NULL || ret_message == NULL)
        return WPIPE_EINVAL;
    if (event->type != WPIPE_EVENT_MESSAGE)
        return WPIPE_EINVAL;
    return wpipe_message_decode(event->data, event->size, ret_message, NULL);
}
