/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The named way to a pair of ends, for ends.c alone.
 */
#ifndef WINDPIPE_TESTS_ENDS_NAMED_H
#define WINDPIPE_TESTS_ENDS_NAMED_H

#include "ends.h"

/* Fills in client and server. 0, or what wpipe_connect gave. */
int ends_connect_by_name(struct ends *ends, const struct ends_setup *setup);

#endif
