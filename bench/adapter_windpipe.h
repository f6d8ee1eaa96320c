/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the adapters to windpipe share: options, and streams that are opened
 * and closed in the same way whatever is done with them in between.
 */
#ifndef BENCH_ADAPTER_WINDPIPE_H
#define BENCH_ADAPTER_WINDPIPE_H

#include <windpipe.h>

#include "adapter.h"

/* Nothing here takes so long on a machine that is alive. */
#define PATIENCE_MS 30000

struct windpipe_end {
    wpipe_stream *stream;
    size_t size;
    unsigned char buffer[];
};

/* The options of a slice; `text` takes the sentence about a failure. */
wpipe_options windpipe_options(const struct setup *setup, char *text,
                               size_t text_size);

/* As in struct peer. */
void *windpipe_listen(const struct setup *setup);
void *windpipe_accept(void *listener);
void windpipe_unlisten(void *listener);
void *windpipe_connect(const struct setup *setup);
int windpipe_send(void *handle, const void *data, size_t size);
int64_t windpipe_receive(void *handle, const void **ret_data);
void windpipe_close(void *handle);
const char *windpipe_transport(void *handle);

#endif
