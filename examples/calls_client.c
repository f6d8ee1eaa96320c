/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls both ways, the client's side: has a number, which calls_server may ask
 * for, and asks for the sum of all. Both may happen at once, so it asks with
 * wpipe_client_request and takes what comes.
 *
 *     calls_client NUMBER [NAME]          print the sum, and go
 *     calls_client -k NUMBER [NAME]       only answer, until killed
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windpipe.h>

enum {
    PATIENCE_MS = 5000
};

/* Until the call has ended: 0 and its answer; < 0. With 0 it is no call, and
 * only the end of the connection ends it. */
static int serve(wpipe_client *client, int64_t number, uint64_t call,
                 int64_t *ret_sum)
{
    wpipe_event event;
    int r;

    while ((r = wpipe_client_wait(client, &event, WPIPE_FOREVER)) > 0) {
        if (event.type == WPIPE_EVENT_MESSAGE && event.request != 0)
            wpipe_client_reply(client, &event, &number, sizeof(number));
        if (event.type != WPIPE_EVENT_REPLY || event.request != call)
            continue;
        if (event.error < 0)
            return event.error;
        if (event.size != sizeof(*ret_sum))
            return WPIPE_EPROTO;
        memcpy(ret_sum, event.data, sizeof(*ret_sum));
        return 0;
    }
    return r;
}

int main(int argc, char **argv)
{
    wpipe_options options = { .size = sizeof(options), .connect_ms = 5000 };
    int stays = argc > 1 && strcmp(argv[1], "-k") == 0;
    wpipe_client *client;
    int64_t number;
    int64_t sum = 0;
    uint64_t call = 0;
    int r;

    argv += stays;
    argc -= stays;
    if (argc < 2) {
        fprintf(stderr, "usage: calls_client [-k] NUMBER [NAME]\n");
        return 2;
    }
    number = strtoll(argv[1], NULL, 10);
    r = wpipe_client_open(&client, argc > 2 ? argv[2] : "parts", &options);
    if (r == 0) {
        if (stays) {
            puts("ready");
            fflush(stdout);
        } else {
            r = wpipe_client_request(client, "all together?", 13, PATIENCE_MS,
                                     &call);
        }
        if (r == 0)
            r = serve(client, number, call, &sum);
        wpipe_client_close(client);
    }
    if (r < 0) {
        fprintf(stderr, "calls_client: %s\n", wpipe_strerror(r));
        return 1;
    }
    printf("%" PRId64 "\n", sum);
    return 0;
}
