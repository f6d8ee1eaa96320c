#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Servers that come and go without a gap: sockets that a service manager has
# (systemd's socket activation), and SIGUSR1.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# ---- SIGUSR1: a successor takes the name ------------------------------------

start_server demo
first=$pid
first_hears=$lines
start connect demo
client=$pid
client_says=$typed
client_hears=$lines
saw "^windpipe serve: 1 connected" "a client" "$first_hears"
kill -USR1 "$first"
saw "accepts no more clients" "SIGUSR1 is heard" "$first_hears"
start_server demo --echo
second=$pid
run call demo ping
same ping "$out" "the successor answers"
echo "still here" >&"$client_says"
saw "^1: still here$" "the first one keeps its client" "$first_hears"
kill -TERM "$client"
ended "client" "$client"
ended "the first server ends with its last client" "$first"
expect 0 "the first server"
stop_server "$second"
exec {client_hears}<&- {client_says}>&-

# ---- socket activation ------------------------------------------------------

skipped=
if ! command -v systemd-socket-activate >/dev/null; then
    echo "SKIPPED: there is no systemd-socket-activate (package systemd)"
    skipped=yes
fi

# activate NAME SOCKET OPTIONS...: serve NAME by a socket of systemd's. Sets
# `pid` and `lines`, as start does.
activate() {
    local name=$1 socket=$2 pipe=$scratch/activated.$((${#started[@]} + 1))
    shift 2
    mkfifo "$pipe"
    systemd-socket-activate --listen="$socket" --fdname="${fdname:-}" \
        "$windpipe" serve "$@" "$name" >"$pipe" 2>&1 </dev/null &
    pid=$!
    started+=("$pid")
    exec {lines}<"$pipe"
    saw "^Listening on " "systemd-socket-activate listens at $socket"
}

# Ends it. The socket is not the server's to remove.
deactivate() {
    kill -TERM "$pid" 2>/dev/null
    ended "the activated server"
    check "the socket $1 is left where it is" [ -S "$1" ]
    rm -f "$1"
}

if [ -z "$skipped" ]; then
    mkdir -p "$WINDPIPE_DIR"
    chmod 700 "$WINDPIPE_DIR"
    socket=$WINDPIPE_DIR/act.pipe
    activate act "$socket" --echo
    run call -w "$patience" act ping
    same ping "$out" "the first client starts the server and is answered"
    run ls
    like "act " "$out" "ls"
    run serve act
    expect 7 "the name is in use"
    deactivate "$socket"

    activate plain "$scratch/any.sock" --foreign --echo
    run send --foreign --expect-reply -w "$patience" "$scratch/any.sock" ping
    check "a socket that is not for the pipe serves nobody" \
        [ "$status" -ne 0 ]
    saw "passed 1 socket, and none is for" "and it is said why"
    ended "the server"
    expect 3 "a socket that is not for the pipe"
    rm -f "$scratch/any.sock"

    fdname=plain activate plain "$scratch/any.sock" --foreign --echo
    run send --foreign --expect-reply -w "$patience" "$scratch/any.sock" ping
    same ping "$out" "a foreign socket, by the descriptor's name"
    deactivate "$scratch/any.sock"

    activate demo "$WINDPIPE_DIR/demo.pipe" --exec cat
    run send --expect-reply -w "$patience" demo "to a command"
    like "to a command" "$out" "serve --exec"
    deactivate "$WINDPIPE_DIR/demo.pipe"
fi

# ---- the examples -----------------------------------------------------------

if command -v systemd-analyze >/dev/null; then
    units=${WINDPIPE_SOURCE:?}/packaging/systemd
    sed "s,/usr/local/bin/windpipe,$windpipe," "$units/windpipe.service" \
        >"$scratch/windpipe.service"
    cp "$units/windpipe.socket" "$scratch"
    said=$(systemd-analyze verify "$scratch/windpipe.service" \
        "$scratch/windpipe.socket" 2>&1 | grep -F "$scratch/windpipe.")
    same "" "$said" "systemd takes the example units"
else
    echo "SKIPPED: there is no systemd-analyze (package systemd)"
fi
finish
