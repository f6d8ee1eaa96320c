#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The chat in C and in C++: each server with a client of each. chat.sh EXAMPLES
set -euo pipefail

examples=$1
scratch=$(mktemp -d)
export WINDPIPE_DIR=$scratch/run WINDPIPE_SHARED_DIR=$scratch/shared
export TMPDIR=$scratch
mkdir -m 700 "$WINDPIPE_DIR"
passed=0 failed=0
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT

# wait_line FILE TEXT: until the file has it
wait_line() {
    # shellcheck disable=SC2016 # the inner shell expands
    timeout 20 bash -c 'tail -n +1 -F "$1" 2>/dev/null | grep -qm1 -F "$2"' \
        - "$1" "$2"
}

# chat SERVER SPEAKER LISTENER
chat() {
    local name=$1-$2-$3 said=$scratch/$1-$2-$3
    name=${name//\//.}
    said=$scratch/$name
    "$examples/$1" "$name" >"$said.server" &
    local server=$!
    mkfifo "$said.listens"
    "$examples/$3" "$name" bob news <"$said.listens" >"$said.heard" &
    local listener=$!
    exec 3>"$said.listens"
    if wait_line "$said.server" "bob follows news" &&
        { echo "it rains"; wait_line "$said.heard" "[news] ann: it rains"; } |
        timeout 20 "$examples/$2" "$name" ann news >/dev/null &&
        wait_line "$said.server" "ann left"; then
        passed=$((passed + 1))
    else
        echo "$1, $2 to $3: the line did not come"
        failed=$((failed + 1))
    fi
    kill "$server" # ends the client, too
    exec 3>&-
    wait "$server" "$listener" || true
}

for server in chat_server cpp/chat_server; do
    chat "$server" cpp/chat_client chat_client
    chat "$server" chat_client cpp/chat_client
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
