/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first line of a server: that it is there.
 */
#include "commands.h"

#include <unistd.h>

#include "json.h"
#include "output.h"
#include "text.h"

void serve_announce(const struct options *options, const char *name)
{
    if (!options->json) {
        say(options, "serving %s%s (%s mode, access: %s)", name,
            options->exec != NULL ? " with a command" : "",
            text_type(options->type), text_access(options->access));
        return;
    }
    output_event(options, "serving");
    json_text(stdout, "name", name);
    json_text(stdout, "type", text_type(options->type));
    json_text(stdout, "access", text_access(options->access));
    json_number(stdout, "pid", (uint64_t)getpid());
    json_end(stdout);
    output_flush(options);
}
