#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# docs/wire.md is enough to write a second implementation: wire_peer.py is one.

here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/cli/lib.sh
. "$here/lib.sh"

if ! python3 -c 'import socket, os; socket.send_fds, os.memfd_create' \
    2>"$scratch/why"; then
    echo 'skipped: python3 (3.9 or newer) is not there'
    exit 77
fi

"$windpipe" serve --echo wire </dev/null >"$scratch/served" 2>&1 &
pid=$!
started+=("$pid")
timeout "$patience" "$windpipe" wait wire || fail 'the server does not come up'
caller=()
if [ -x "${WINDPIPE_BUILD:-}/examples/calls_server" ]; then
    "$WINDPIPE_BUILD/examples/calls_server" caller &
    started+=("$!")
    timeout "$patience" "$windpipe" wait caller || fail 'calls_server does not come up'
    caller=("$WINDPIPE_DIR/caller.pipe")
fi
out=$(timeout 60 python3 "$here/wire_peer.py" "$WINDPIPE_DIR/wire.pipe" "${caller[@]}" 2>&1)
status=$?
[ "${#caller[@]}" -eq 0 ] || kill -TERM "${started[-1]}"
kill -TERM "$pid"
wait "$pid"
while read -r line; do
    [ "$line" = "${line#ok }" ] || pass
done <<<"$out"
expect 0 "the second implementation: $out"
same 2 "$(grep -c 'discarded messages that it had queued' "$scratch/served")" \
    'the server is told of what was dropped'
finish
