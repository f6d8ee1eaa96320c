/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that fail from now on in this process, as an old kernel or a
 * filter of a sandbox makes them fail. A case has a process of its own; several
 * rows in one case take a helper_fork each.
 */
#ifndef SUPPORT_FORBID_H
#define SUPPORT_FORBID_H

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "support/support.h"

#define SUPPORT_ANY -1

#define SUPPORT_FIELD(member) ((unsigned)offsetof(struct seccomp_data, member))

/*
 * From now on this process gets `error` from the system call `number` when
 * its argument `index` (SUPPORT_ANY: always) is `value`.
 */
static inline void support_forbid(long number, int index, unsigned value,
                                  unsigned error)
{
    const unsigned at =
        index == SUPPORT_ANY ? SUPPORT_FIELD(nr) : SUPPORT_FIELD(args[index]);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SUPPORT_FIELD(nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                 index == SUPPORT_ANY ? (unsigned)number : value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]),
                                  .filter = filter };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        support_skip("no filters of system calls here");
}

/* A call that making a segment takes; `maps`: mapping the peer's, too. */
struct support_call {
    const char *name;
    long number;
    int index;
    unsigned value;
    int maps;
};

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#endif

static const struct support_call support_segment_calls[] = {
    { "memfd_create", SYS_memfd_create, SUPPORT_ANY, 0, 0 },
    { "fchmod", SYS_fchmod, SUPPORT_ANY, 0, 0 },
    { "ftruncate", SYS_ftruncate, SUPPORT_ANY, 0, 0 },
    { "fallocate", SYS_fallocate, SUPPORT_ANY, 0, 0 },
    { "F_ADD_SEALS", SYS_fcntl, 1, F_ADD_SEALS, 0 },
    { "F_GET_SEALS", SYS_fcntl, 1, F_GET_SEALS, 1 },
    { "F_GETFL", SYS_fcntl, 1, F_GETFL, 1 },
    { "fstatfs", SYS_fstatfs, SUPPORT_ANY, 0, 1 },
    { "mmap", SYS_mmap, 3, MAP_SHARED, 1 },
    { "madvise", SYS_madvise, 2, MADV_DONTFORK, 1 },
};

#define SUPPORT_SEGMENT_CALLS \
    (sizeof(support_segment_calls) / sizeof(support_segment_calls[0]))

#endif
