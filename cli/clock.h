/* SPDX-License-Identifier: Apache-2.0 */
/* A clock in milliseconds that nobody sets. */
#ifndef WINDPIPE_CLI_CLOCK_H
#define WINDPIPE_CLI_CLOCK_H

#include <stdint.h>

int64_t clock_ms(void);

#endif
