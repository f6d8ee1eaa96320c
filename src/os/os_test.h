/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Switches that let tests see what happens on systems that lack something.
 * Only tests include this; they act on the whole process.
 */
#ifndef WPIPE__OS_TEST_H
#define WPIPE__OS_TEST_H

/* As where a filter forbids memfd_create: segment_make is WPIPE_ENOTSUP. */
void wpipe__os_test_no_memory(int on);

/* As when memory is short for a moment: so many sends fail with ENOBUFS. */
void wpipe__os_test_short_sends(int count);

/* As when it is short in the middle of a send: so many sends, before those that
 * fail, take one byte. */
void wpipe__os_test_cut_sends(int count);

/* Call this instead of sleeping in nap; NULL: sleep again. Set it while no
 * other thread runs. */
void wpipe__os_test_naps(void (*instead)(int ms));

/* As on a kernel without MADV_WIPEONFORK. Before the first generation(). */
void wpipe__os_test_no_wipe(int on);

#endif
