#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What windpipe does, on screen, in less than a minute: a chat with three
# clients of which one is killed, a gigabyte with its checksum at both ends,
# and the latency and throughput of a pipe beside a plain socket.
#
#     ./dev demo
#     WINDPIPE_BUILD=build/release bash examples/demo.sh
#
# DEMO_BYTES and DEMO_SECONDS make the transfer and the measurement shorter.

set -eu

build=${WINDPIPE_BUILD:?set it to the build directory}
bytes=${DEMO_BYTES:-1073741824}
seconds=${DEMO_SECONDS:-8}
examples=$build/examples
windpipe=$build/windpipe
scratch=$(mktemp -d "${TMPDIR:-/tmp}/windpipe-demo.XXXXXX")
export WINDPIPE_DIR=$scratch/pipes # so that the demo meets nobody else
started=()
declare -A pids inputs outputs

cleanup() {
    local pid
    for pid in "${started[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for program in "$windpipe" "$examples"/{chat_server,chat_client,transfer}; do
    [ -x "$program" ] || {
        echo "demo: $program is missing; build with the examples" >&2
        exit 1
    }
done

bold='' faint='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' faint=$'\e[2m' plain=$'\e[0m'
fi

title() {
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
    pause 0.6
}

# Time to read, where somebody may be reading.
pause() {
    if [ -t 1 ]; then
        sleep "$1"
    fi
}

# start WHO PROGRAM ARGUMENTS...: talk to it by `say` and `hear`.
start() {
    local who=$1 in out
    shift
    mkfifo "$scratch/$who.in" "$scratch/$who.out"
    "$@" <"$scratch/$who.in" >"$scratch/$who.out" 2>&1 &
    pids[$who]=$!
    started+=("$!")
    disown "$!" # the shell has nothing to say about its end
    # Ours alone, or the end of input would never reach a client.
    exec {in}>"$scratch/$who.in" {out}<"$scratch/$who.out"
    inputs[$who]=$in
    outputs[$who]=$out
}

# hear WHO...: the next line of each, on screen.
hear() {
    local who line
    for who in "$@"; do
        IFS= read -r -t 10 -u "${outputs[$who]}" line || {
            echo "demo: nothing from $who" >&2
            exit 1
        }
        printf '  %s%8s |%s %s\n' "$faint" "$who" "$plain" "$line"
    done
}

# say WHO TEXT
say() {
    printf '\n  %s%8s >%s %s\n' "$faint" "$1" "$plain" "$2"
    printf '%s\n' "$2" >&"${inputs[$1]}"
    pause 0.4
}

title "A chat by topic: one server, three clients"
start server "$examples/chat_server" chat
hear server
for member in "ann weather" "bob weather" "eve football"; do
    # shellcheck disable=SC2086 # name and topic
    start "${member% *}" "$examples/chat_client" chat $member
    hear server
done
say ann "it rains"
hear ann bob
say eve "two to one!"
hear eve
pause 1

title "What an operator sees"
printf '  $ windpipe ls\n'
"$windpipe" ls | sed 's/^/  /'
pause 1.5

title "bob is killed (SIGKILL): the server knows at once"
kill -KILL "${pids[bob]}"
hear server
say ann "bob?"
hear ann
pause 1

title "$((bytes / 1048576)) MiB through a pipe, with a checksum at both ends"
"$examples/transfer" recv big >"$scratch/received" &
receiver=$!
started+=("$receiver")
"$examples/transfer" send big "$bytes" | tee "$scratch/sent"
wait "$receiver"
cat "$scratch/received"
sums=$(grep -ho 'checksum [0-9a-f]*' "$scratch/sent" "$scratch/received")
if [ "$(sort -u <<<"$sums" | wc -l)" -ne 1 ]; then
    echo "demo: the checksums differ" >&2
    exit 1
fi
pause 1

title "The same machine, the same run: a pipe and a plain AF_UNIX socket"
printf '  $ windpipe bench\n'
"$windpipe" bench --seconds "$seconds" --shared now

title "Try it: $windpipe serve demo"
printf '  and in another terminal: %s connect demo\n' "$windpipe"
