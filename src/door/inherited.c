/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doors whose socket somebody else made and keeps: a service manager. Its file,
 * mode and name are his, so there is no lock, and nothing is unlinked. Another
 * windpipe server does not take the name, since somebody answers there.
 */
#include <stdio.h>

#include "base/options.h"
#include "door/door.h"
#include "door/foreign.h"

enum {
    FIRST = 3 /* 0, 1 and 2 are nobody's sockets */
};

int wpipe__door_copy(int fd, const char *field, const wpipe_options *options,
                     wpipe__handle *ret_listener)
{
    int r;

    if (fd < FIRST || !wpipe__os_is_listener(fd)) {
        wpipe__options_explain(options,
                               "options.%s is %d, which is not a listening "
                               "unix stream socket above 2",
                               field, fd);
        return WPIPE_EINVAL;
    }
    r = wpipe__os_listener_copy(fd, ret_listener);
    if (r < 0)
        wpipe__options_explain(options, "cannot use options.%s: %s", field,
                               wpipe__os_error_text());
    return r;
}

int wpipe__door_inherit(struct wpipe__door *d, const char *name,
                        const wpipe_options *options)
{
    static const struct wpipe__door null = WPIPE__DOOR_NULL;

    *d = null;
    (void)snprintf(d->name, sizeof(d->name), "%s", name);
    d->access = options->access;
    d->generation = wpipe__os_generation();
    d->inherited = 1;
    return wpipe__door_copy(options->listen_fd, "listen_fd", options,
                            &d->listener);
}

int wpipe__foreign_door_inherit(struct wpipe__foreign_door *d,
                                const wpipe_options *options)
{
    static const struct wpipe__foreign_door null = WPIPE__FOREIGN_DOOR_NULL;

    *d = null;
    d->generation = wpipe__os_generation();
    d->inherited = 1;
    return wpipe__door_copy(options->foreign_fd, "foreign_fd", options,
                            &d->listener);
}
