/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error table. The rows below are written by hand on purpose: the numbers
 * and classes are a promise to users and must not follow the code by accident.
 */
#include "support.h"

#include <limits.h>
#include <string.h>
#include <windpipe/error.h>

#include "base/base.h"

static const struct {
    int code;
    const char *name;
    int class;
} rows[] = {
    { -1, "WPIPE_EINVAL", WPIPE_CLASS_CALLER },
    { -2, "WPIPE_ENAME", WPIPE_CLASS_CALLER },
    { -3, "WPIPE_ENOMEM", WPIPE_CLASS_SYSTEM },
    { -4, "WPIPE_ELIMIT", WPIPE_CLASS_SYSTEM },
    { -5, "WPIPE_EAGAIN", WPIPE_CLASS_RETRY },
    { -6, "WPIPE_ETIMEDOUT", WPIPE_CLASS_RETRY },
    { -7, "WPIPE_EWOKEN", WPIPE_CLASS_RETRY },
    { -8, "WPIPE_ENOTFOUND", WPIPE_CLASS_RETRY },
    { -9, "WPIPE_EBUSY", WPIPE_CLASS_RETRY },
    { -10, "WPIPE_EREFUSED", WPIPE_CLASS_PEER },
    { -11, "WPIPE_EACCES", WPIPE_CLASS_SYSTEM },
    { -12, "WPIPE_EINUSE", WPIPE_CLASS_RETRY },
    { -13, "WPIPE_EOF", WPIPE_CLASS_PEER },
    { -14, "WPIPE_EPIPE", WPIPE_CLASS_PEER },
    { -15, "WPIPE_EDIED", WPIPE_CLASS_PEER },
    { -16, "WPIPE_EDISCONNECTED", WPIPE_CLASS_PEER },
    { -17, "WPIPE_EPROTO", WPIPE_CLASS_PEER },
    { -18, "WPIPE_EVERSION", WPIPE_CLASS_PEER },
    { -19, "WPIPE_EABORTED", WPIPE_CLASS_RETRY },
    { -20, "WPIPE_EMSGSIZE", WPIPE_CLASS_CALLER },
    { -21, "WPIPE_ENOTCONN", WPIPE_CLASS_PEER },
    { -22, "WPIPE_ESTATE", WPIPE_CLASS_CALLER },
    { -23, "WPIPE_ENOTSUP", WPIPE_CLASS_SYSTEM },
    { -24, "WPIPE_ESYSTEM", WPIPE_CLASS_SYSTEM },
};

static void error_every_code_has_its_name_and_class(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        assert_string_equal(wpipe_error_name(rows[i].code), rows[i].name);
        if (wpipe_error_class(rows[i].code) != rows[i].class)
            fail_msg("%s is of class %d, not %d", rows[i].name,
                     wpipe_error_class(rows[i].code), rows[i].class);
    }
}

static void error_every_code_has_its_own_sentence(void **state)
{
    size_t i;
    size_t j;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(rows); i++) {
        const char *text = wpipe_strerror(rows[i].code);

        assert_true(strlen(text) > 8);
        assert_string_not_equal(text, wpipe_strerror(0));
        assert_string_not_equal(text, wpipe_strerror(-25));
        for (j = 0; j < i; j++)
            assert_string_not_equal(text, wpipe_strerror(rows[j].code));
    }
}

static void error_other_number_unknown(void **state)
{
    static const int numbers[] = { -25, INT_MIN, -1000 };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(numbers); i++) {
        assert_string_equal(wpipe_error_name(numbers[i]), "unknown");
        assert_string_equal(wpipe_strerror(numbers[i]), "an unknown error");
        assert_int_equal(wpipe_error_class(numbers[i]), WPIPE_CLASS_SYSTEM);
    }
}

static void error_success_is_none(void **state)
{
    static const int numbers[] = { 0, 1, INT_MAX };
    size_t i;

    (void)state;
    for (i = 0; i < WPIPE__ARRAY_SIZE(numbers); i++) {
        assert_string_equal(wpipe_error_name(numbers[i]), "WPIPE_OK");
        assert_string_equal(wpipe_strerror(numbers[i]), "no error");
        assert_int_equal(wpipe_error_class(numbers[i]), WPIPE_CLASS_NONE);
    }
}

static void version_is_that_of_the_header(void **state)
{
    (void)state;
    assert_string_equal(wpipe_version(), WPIPE_VERSION);
}

static const struct support_case cases[] = {
    TEST(error_every_code_has_its_name_and_class),
    TEST(error_every_code_has_its_own_sentence),
    TEST(error_other_number_unknown),
    TEST(error_success_is_none),
    TEST(version_is_that_of_the_header),
};

TEST_MAIN(cases)
