/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The foreign door: which path a name means. Rows are those of .NET's own
 * tests.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "door/foreign.h"
#include "unit/door_foreign_tools.h"

static void assert_path(const char *name, const char *expected)
{
    char path[WPIPE__FOREIGN_PATH_MAX + 1] = "";
    wpipe_options options = plain();

    if (wpipe__foreign_path(name, path, sizeof(path), &options) < 0)
        fail_msg("\"%s\": %s", name, error_text);
    assert_string_equal(path, expected);
    assert_string_equal(error_text, "");
}

static void path_of_a_name_is_in_the_temporary_directory(void **state)
{
    (void)state;
    setenv("TMPDIR", "/var/tmp", 1);
    assert_path("echo", "/var/tmp/CoreFxPipe_echo");
    assert_path("Echo", "/var/tmp/CoreFxPipe_Echo");
    setenv("TMPDIR", "/var/tmp/", 1);
    assert_path("echo", "/var/tmp/CoreFxPipe_echo");
    setenv("TMPDIR", "/", 1);
    assert_path("echo", "/CoreFxPipe_echo");
    setenv("TMPDIR", "relative", 1);
    assert_path("echo", "relative/CoreFxPipe_echo");
    setenv("TMPDIR", "", 1);
    assert_path("echo", "/tmp/CoreFxPipe_echo");
    unsetenv("TMPDIR");
    assert_path("echo", "/tmp/CoreFxPipe_echo");
    /* what Windows has no use for is no matter here */
    assert_path("a b\\c:*?", "/tmp/CoreFxPipe_a b\\c:*?");
    assert_path("gr\xc3\xbc\xc3\x9f", "/tmp/CoreFxPipe_gr\xc3\xbc\xc3\x9f");
}

static void path_of_a_prefixed_name_has_no_prefix(void **state)
{
    (void)state;
    unsetenv("TMPDIR");
    assert_path("\\\\.\\pipe\\echo", "/tmp/CoreFxPipe_echo");
    assert_path("\\\\?\\PIPE\\echo", "/tmp/CoreFxPipe_echo");
    assert_path("//./pipe/echo", "/tmp/CoreFxPipe_echo");
}

/* Test CreateServer_ConnectClient_UsingUnixAbsolutePath. */
static void path_that_is_absolute_is_taken_as_it_is(void **state)
{
    (void)state;
    assert_path("/run/some/where", "/run/some/where");
    assert_path("/x", "/x");
    assert_path("/tmp/../tmp/x.sock", "/tmp/../tmp/x.sock");
    assert_path("/tmp/anonymous", "/tmp/anonymous");
}

static void assert_no_path(const char *name, const char *said)
{
    char path[WPIPE__FOREIGN_PATH_MAX + 1] = "as before";
    wpipe_options options = plain();

    assert_int_equal(wpipe__foreign_path(name, path, sizeof(path), &options),
                     WPIPE_ENAME);
    assert_int_equal(wpipe__foreign_path(name, path, sizeof(path), NULL),
                     WPIPE_ENAME);
    assert_string_equal(path, "as before");
    assert_said(said);
    assert_foreign_open(name, NULL, WPIPE_ENAME);
    assert_foreign_dial(name, NULL, WPIPE_ENAME);
}

/* Rows 1, 2, 3, 31, 33, 38; control characters are a rule of ours. */
static void path_of_a_bad_name_is_refused_with_its_rule(void **state)
{
    (void)state;
    assert_no_path(NULL, "the name is missing");
    assert_no_path("", "the name is empty");
    assert_no_path("anonymous", "reserved");
    assert_no_path("ANONYMOUS", "reserved");
    assert_no_path("a/b", "'/'");
    assert_no_path("../x", "'/'");
    assert_no_path("\\\\.\\pipe\\", "the name is empty");
    assert_no_path("\\\\.\\pipe\\/tmp/x", "'/'");
    assert_no_path("a\nb", "control");
    assert_no_path("/", "ends with '/'");
    assert_no_path("/tmp/x/", "ends with '/'");
}

/* Row 30: 108 is the first length that fails on Linux, and the full path is
 * told. */
static void path_over_107_bytes_is_refused_with_limit_and_path(void **state)
{
    char name[512];
    char path[512];

    (void)state;
    name_for_path(name, 107);
    snprintf(path, sizeof(path), "%s", door_path(name));
    assert_int_equal(strlen(path), 107);
    assert_path(name, path);
    name_for_path(name, 108);
    snprintf(path, sizeof(path), "%s", door_path(name));
    assert_no_path(name, "107 bytes");
    assert_no_path(name, "has 108");
    assert_no_path(name, path);
    assert_no_path(path, path); /* the same, as an absolute one */
    name_for_path(name, 400);   /* longer than any name may be */
    assert_no_path(name, "107 bytes");
    assert_no_path(name, "has 400");
    /* in /tmp there are 91 bytes for a name */
    unsetenv("TMPDIR");
    memset(name, 'n', 92);
    name[92] = '\0';
    assert_no_path(name, "107 bytes");
    name[91] = '\0';
    assert_int_equal(wpipe__foreign_path(name, path, sizeof(path), NULL), 0);
}

static void path_for_a_small_buffer_is_refused(void **state)
{
    char path[64] = "as before";

    (void)state;
    setenv("TMPDIR", "/t", 1);
    assert_int_equal(wpipe__foreign_path("e", path, 15, NULL), WPIPE_EINVAL);
    assert_string_equal(path, "as before");
    assert_int_equal(wpipe__foreign_path("e", path, 16, NULL), 0);
    assert_string_equal(path, "/t/CoreFxPipe_e");
}

static const struct support_case cases[] = {
    TEST(path_of_a_name_is_in_the_temporary_directory),
    TEST(path_of_a_prefixed_name_has_no_prefix),
    TEST(path_that_is_absolute_is_taken_as_it_is),
    TEST(path_of_a_bad_name_is_refused_with_its_rule),
    TEST(path_over_107_bytes_is_refused_with_limit_and_path),
    TEST(path_for_a_small_buffer_is_refused),
};

TEST_MAIN(cases)
