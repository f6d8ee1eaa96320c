/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far apart the two processors of the benchmark are.
 */
#ifndef BENCH_LINE_H
#define BENCH_LINE_H

#include "measure.h"

/*
 * Round trip of a cache line between the two processors, in nanoseconds; 0
 * when there are not two. A virtual machine's cores are moved about by its
 * host, and every figure between two cores moves with this one.
 */
double line_round_trip(const struct places *places);

#endif
