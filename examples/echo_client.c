/* SPDX-License-Identifier: Apache-2.0 */
/* Say one thing to the echo server and print what comes back. */
#include <stdio.h>
#include <windpipe.h>

int main(void)
{
    wpipe_client *c;
    wpipe_event e;

    if (wpipe_client_open(&c, "echo", NULL) < 0)
        return 1;
    wpipe_client_send(c, "hello", 5);
    if (wpipe_client_wait(c, &e, 1000) > 0)
        printf("%.*s\n", (int)e.size, (const char *)e.data);
    wpipe_client_close(c);
}
