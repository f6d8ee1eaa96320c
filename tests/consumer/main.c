/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program of the consumer build: takes a name and gives it back, so that
 * linking needs the whole library and running shows that it works.
 */
#include <stdio.h>
#include <string.h>

#include <windpipe.h>

int main(void)
{
    wpipe_server *server = NULL;
    int r = wpipe_server_open(&server, "consumer", NULL);

    if (r < 0) {
        fprintf(stderr, "server: %s\n", wpipe_strerror(r));
        return 1;
    }
    printf("windpipe %s serves %s\n", wpipe_version(),
           wpipe_server_name(server));
    wpipe_server_close(server);
    return 0;
}
