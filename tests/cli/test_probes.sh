#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The probes for tracers: each is in the library that was built where
# sys/sdt.h is, and the library depends on libc alone.
set -u
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

library=$WINDPIPE_BUILD/libwindpipe.so
if ! grep -qx 'WINDPIPE_HAVE_SDT:INTERNAL=1' "$WINDPIPE_BUILD/CMakeCache.txt"
then
    echo "skipped: built without sys/sdt.h (systemtap-sdt-dev)"
    exit 77
fi
notes=$(readelf -n "$library" 2>/dev/null)
for probe in connected moved grown disconnected dropped refused; do
    like "Provider: windpipe
    Name: $probe
" "$notes" "the probe windpipe:$probe"
done
if [ -z "${WINDPIPE_SANITIZE:-}" ]; then
    needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' |
        grep -v '^ld-') # the loader is libc's own
    same "libc.so.6" "$needed" "what the library depends on"
fi
finish
