/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call and reply, the server's side: adds two numbers. A call is a message
 * with a request id; the reply carries it back, so that replies may come in
 * any order and a late one never answers another call.
 *
 *     rpc_server [NAME]
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <windpipe.h>

static void answer(wpipe_server *server, const wpipe_event *event)
{
    int64_t numbers[2];
    int64_t sum;

    if (event->request == 0)
        return; /* a message that wants no answer */
    if (event->size != sizeof(numbers)) {
        wpipe_server_reply(server, event, "", 0);
        return;
    }
    /* event data has no alignment to rely on */
    memcpy(numbers, event->data, sizeof(numbers));
    sum = (int64_t)((uint64_t)numbers[0] + (uint64_t)numbers[1]);
    wpipe_server_reply(server, event, &sum, sizeof(sum));
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "adder";
    wpipe_server *server;
    wpipe_event event;
    int r;

    r = wpipe_server_open(&server, name, NULL);
    if (r < 0) {
        fprintf(stderr, "rpc_server: %s: %s\n", name, wpipe_strerror(r));
        return 1;
    }
    while (wpipe_server_wait(server, &event, WPIPE_FOREVER) > 0)
        if (event.type == WPIPE_EVENT_MESSAGE)
            answer(server, &event);
    wpipe_server_close(server);
    return 0;
}
