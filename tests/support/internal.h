/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the runner's own files share: the per-case directories and the picture
 * of a process that is taken before a case and compared with it afterwards.
 */
#ifndef WINDPIPE_TESTS_SUPPORT_INTERNAL_H
#define WINDPIPE_TESTS_SUPPORT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

enum {
    SNAPSHOT_DESCRIPTORS = 256
};

struct snapshot {
    int descriptors[SNAPSHOT_DESCRIPTORS];
    size_t descriptor_count;
    size_t threads;
    size_t mappings;
};

/* Makes the directories of one case in path (a mkdtemp result goes there). */
int dirs_make(char *path, size_t size);

/* Tells this process which directories are its own, by environment. */
void dirs_enter(const char *path);

void dirs_remove(const char *path);

/* Prints every file left in a checked directory; returns how many. */
size_t dirs_check(void);

void snapshot_take(struct snapshot *snapshot);

/* Prints what this process holds beyond the snapshot; returns how many. */
size_t snapshot_check(const struct snapshot *before);

/* Ends and reaps every child of this process. */
void children_end(void);

/* Closes every descriptor above stderr except keep. */
void descriptors_close_except(int keep);

#endif
