/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static probes for tracers (bpftrace, perf, SystemTap): windpipe:NAME, with
 * three numbers. Each is one instruction that does nothing until a tracer
 * changes it. They are there when the build found <sys/sdt.h>, which is
 * needed for nothing else; docs/deployment.md lists them.
 */
#ifndef WPIPE_OS_PROBE_H
#define WPIPE_OS_PROBE_H

#ifdef WPIPE__HAVE_SDT
#ifdef __clang__ /* of the macros in there */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif
#include <sys/sdt.h>
#define WPIPE__PROBE(name, a, b, c) \
    DTRACE_PROBE3(windpipe, name, (int64_t)(a), (int64_t)(b), (int64_t)(c))
#else
#define WPIPE__PROBE(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

#endif
