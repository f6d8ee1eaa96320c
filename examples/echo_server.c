/* SPDX-License-Identifier: Apache-2.0 */
/* The whole of an echo server: any number of clients, messages kept whole. */
#include <windpipe.h>

int main(void)
{
    wpipe_server *s;
    wpipe_event e;

    if (wpipe_server_open(&s, "echo", NULL) < 0)
        return 1;
    while (wpipe_server_wait(s, &e, WPIPE_FOREVER) > 0)
        if (e.type == WPIPE_EVENT_MESSAGE)
            wpipe_server_send(s, e.from, e.data, e.size);
    wpipe_server_close(s);
}
