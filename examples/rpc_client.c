/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call and reply, the client's side: asks rpc_server for a sum.
 *
 *     rpc_client 2 3 [NAME]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windpipe.h>

/* One call. 0 and the sum, or what went wrong. */
static int add(wpipe_client *client, const int64_t numbers[2], int64_t *ret_sum)
{
    wpipe_event reply;
    int r;

    r = wpipe_client_call(client, numbers, 2 * sizeof(numbers[0]), &reply,
                          5000);
    if (r < 0)
        return r;
    if (reply.size != sizeof(*ret_sum))
        return WPIPE_EPROTO;
    memcpy(ret_sum, reply.data, sizeof(*ret_sum));
    return 0;
}

int main(int argc, char **argv)
{
    wpipe_options options = { .size = sizeof(options), .connect_ms = 5000 };
    wpipe_client *client;
    int64_t numbers[2];
    int64_t sum = 0;
    int r;

    if (argc < 3) {
        fprintf(stderr, "usage: rpc_client NUMBER NUMBER [NAME]\n");
        return 2;
    }
    numbers[0] = strtoll(argv[1], NULL, 10);
    numbers[1] = strtoll(argv[2], NULL, 10);
    r = wpipe_client_open(&client, argc > 3 ? argv[3] : "adder", &options);
    if (r == 0) {
        r = add(client, numbers, &sum);
        wpipe_client_close(client);
    }
    if (r < 0) {
        fprintf(stderr, "rpc_client: %s\n", wpipe_strerror(r));
        return 1;
    }
    printf("%" PRId64 "\n", sum);
    return 0;
}
