/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every struct with a size, set up by WPIPE_INIT. C++17 and C99 both take it,
 * and without a warning.
 */
#include <windpipe.h>

static int count; /* of what is wrong */

static void check(size_t size, size_t wanted)
{
    count += size != wanted;
}

static wpipe_options shared_options = WPIPE_INIT(wpipe_options);

int main(void)
{
    wpipe_options options = WPIPE_INIT(wpipe_options);
    wpipe_handlers handlers = WPIPE_INIT(wpipe_handlers);
    wpipe_peer peer = WPIPE_INIT(wpipe_peer);
    wpipe_lost lost = WPIPE_INIT(wpipe_lost);
    wpipe_stream_facts stream = WPIPE_INIT(wpipe_stream_facts);
    wpipe_pipe_facts pipe = WPIPE_INIT(wpipe_pipe_facts);
    wpipe_link_facts link = WPIPE_INIT(wpipe_link_facts);
    wpipe_server *server;

    check(options.size, sizeof(options));
    check(shared_options.size, sizeof(wpipe_options));
    check(handlers.size, sizeof(handlers));
    check(peer.size, sizeof(peer));
    check(lost.size, sizeof(lost));
    check(stream.size, sizeof(stream));
    check(pipe.size, sizeof(pipe));
    check(link.size, sizeof(link));
    check(options.type, WPIPE_DEFAULT_TYPE);
    check(options.reserved[1], 0);
    options.max_clients = 1;
    if (wpipe_server_open(&server, "init", &options) < 0)
        return 2;
    wpipe_server_close(server);
    return count;
}
