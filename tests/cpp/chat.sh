#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The chat in each language: each server with a client of each.
#     chat.sh EXAMPLES [PYTHON-EXAMPLES]
# With the second, the programs in Python with those in C and C++; $PYTHON runs
# them.
set -euo pipefail

examples=$1
python_examples=${2-}
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

# run PROGRAM ARGUMENTS: in place of this shell, so that $! is the program
run() {
    case $1 in
    python/*) exec "${PYTHON:-python3}" "$python_examples/${1#python/}.py" \
        "${@:2}" ;;
    *) exec "$examples/$1" "${@:2}" ;;
    esac
}

# chat SERVER SPEAKER LISTENER
chat() {
    local name=$1-$2-$3 said=$scratch/$1-$2-$3
    name=${name//\//.}
    said=$scratch/$name
    run "$1" "$name" >"$said.server" &
    local server=$!
    mkfifo "$said.listens"
    run "$3" "$name" bob news <"$said.listens" >"$said.heard" &
    local listener=$!
    exec 3>"$said.listens"
    if wait_line "$said.server" "bob follows news" &&
        { echo "it rains"; wait_line "$said.heard" "[news] ann: it rains"; } |
        (run "$2" "$name" ann news) >/dev/null &&
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

if [ -n "$python_examples" ]; then
    chat python/chat_server chat_client cpp/chat_client
    chat chat_server python/chat_client cpp/chat_client
    chat cpp/chat_server chat_client python/chat_client
else
    for server in chat_server cpp/chat_server; do
        chat "$server" cpp/chat_client chat_client
        chat "$server" chat_client cpp/chat_client
    done
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
