#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each exit code, and what is said with it.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# ---- 3: not found -----------------------------------------------------------

for command in connect recv info; do
    run "$command" nobody </dev/null
    expect 3 "$command to an absent pipe"
    like nobody "$err" "$command: names the pipe"
    same "" "$out" "$command: nothing on stdout"
done
for command in send call; do
    run "$command" nobody text
    expect 3 "$command to an absent pipe"
    run "$command" -w 0.1 nobody text
    expect 3 "$command to a pipe that stays absent"
done
run relay nobody -
expect 3 "relay from an absent pipe"
run relay "unix:$scratch/nothing" -
expect 3 "relay from an absent socket"
run relay tcp:127.0.0.1:1 -
expect 3 "relay from a port where nobody listens"

# What a killed server leaves behind is not a server, and blocks nobody.
start_server dead
kill -KILL "$pid"
ended "killed server"
run send dead text
expect 3 "send to a dead server"
run info dead
expect 3 "info of a dead server"
start_server dead --echo
run call dead again
expect 0 "a new server under the name of a dead one"
stop_server

# ---- 5: timed out -----------------------------------------------------------

run wait -w 0.05 nobody
expect 5 "wait for an absent pipe"
start_server quiet
quiet=$pid
run recv -w 0.1 quiet
expect 5 "recv from a server that says nothing"
run call -w 0.1 quiet hello
expect 5 "call without a reply"
run send -w 0.1 --expect-reply quiet hello
expect 5 "send --expect-reply without a reply"
run connect -w 0.1 quiet < <(exec tail -f /dev/null)
expect 5 "connect with nothing to say or hear"
run serve -w 0.05 lonely </dev/null
expect 5 "serve without a client"
run relay -w 0.05 listen:lonely -
expect 5 "relay without a client"
kill -STOP "$quiet"
run send -w 0.3 quiet hello
expect 5 "send to a stopped server"
run info -w 0.3 quiet
expect 5 "info of a stopped server"
kill -CONT "$quiet"
stop_server "$quiet"

# ---- 6: the peer left early -------------------------------------------------

start_server mute --exec 'read -r request'
run call mute question
expect 6 "a call whose server leaves"
like "did not reply" "$err" "a call whose server leaves: it is said"
stop_server

start_server brief --exec 'printf one'
run recv --count 2 brief
expect 6 "recv --count of more than came"
same one "$out" "what came is printed all the same"
stop_server
start_server answer --exec 'read -r line; printf one'
run send --expect-reply answer hello
expect 0 "the first message is a reply"
stop_server
start_server mute --exec 'read -r line'
run send --expect-reply mute hello
expect 6 "no reply before the end"
stop_server

start_server victim
server=$pid
hears=$lines
start recv victim
saw " connected" "recv is there" "$hears"
kill -KILL "$server"
ended "recv from a killed server"
expect 6 "recv from a killed server"

start_server casualty --once
server=$pid
hears=$lines
start connect casualty
saw "connected: windpipe" "serve says who comes" "$hears"
kill -KILL "$pid"
wait "$pid" 2>/dev/null
saw " died" "serve says that it died" "$hears"
ended "serve --once" "$server"
expect 6 "serve --once after a client died"

# ---- 4: a private directory that is not private -----------------------------

mkdir -m 755 "$scratch/open"
for command in "serve x" "connect x" "send x text" "recv x" "call x text" \
    "info x" "wait x" "ls" "ls --all"; do
    # shellcheck disable=SC2086 # words on purpose
    WINDPIPE_DIR=$scratch/open run $command </dev/null
    expect 4 "$command in an open directory"
    like "$scratch/open has mode 0755; it must be 0700" "$err" \
        "$command: says which directory, and what is wrong with it"
done

# ---- 7: name in use ---------------------------------------------------------

start_server taken
for command in "serve taken" "serve --exec cat taken" "recv -l taken" \
    "relay listen:taken -"; do
    # shellcheck disable=SC2086 # words on purpose
    run $command </dev/null
    expect 7 "$command"
    like taken "$err" "$command: names the pipe"
    like "$pid" "$err" "$command: names the holder"
done
stop_server
touch "$scratch/file"
run relay "unix-listen:$scratch/file" -
expect 7 "relay at a path that is taken"

# ---- 8: protocol ------------------------------------------------------------

# A server that is none: it answers the hello with something else.
python3 - "$WINDPIPE_DIR/liar.pipe" <<'PYTHON' &
import os, signal, socket, sys
signal.alarm(60)
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1] + ".new")
s.listen()
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    c, _ = s.accept()
    try:
        c.recv(4096)
        c.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 64)
    except ConnectionError:
        pass  # it only knocked
    c.close()
PYTHON
liar=$!
started+=("$liar")
disown "$liar"
run wait -w 10 liar
expect 0 "wait for the liar"
for command in "connect -w 5 liar" "call -w 5 liar x"; do
    # shellcheck disable=SC2086 # words on purpose
    run $command </dev/null
    expect 8 "$command to a server that speaks something else"
done
kill -KILL "$liar"

# A client that is none: the server says so, and others are served.
start_server host --echo --json
server=$pid
host=$lines
python3 - "$WINDPIPE_DIR/host.pipe" <<'PYTHON'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(sys.argv[1])
s.sendall(b"GET / HTTP/1.1\r\nHost: pipe\r\n\r\n" * 40)
try:
    while s.recv(4096):
        pass
except ConnectionError:
    pass
PYTHON
saw '"event":"refused".*"protocol"' "serve tells of nonsense" "$host"
run call host still
expect 0 "others are served after nonsense"
same still "$out" "and well"
stop_server "$server"

# ---- 1: failed --------------------------------------------------------------

start_server small --echo --max-message 1000
head -c 2000 /dev/zero >"$scratch/large"
run send small - <"$scratch/large"
expect 1 "a message over the server's limit"
like "limit" "$err" "names the limit"
run call small - <"$scratch/large"
expect 1 "a call over the server's limit"
run send --max-message 100 small - <"$scratch/large"
expect 1 "stdin over our own limit"
like "100 bytes" "$err" "says how much"
like "max-message" "$err" "says what to do"
head -c 1000 "$scratch/large" >"$scratch/fits"
run send small - <"$scratch/fits"
expect 0 "a message of just the limit"
run call small ok
expect 0 "the server goes on"
timeout "$patience" "$windpipe" call small full >/dev/full 2>"$scratch/err"
status=$?
expect 1 "stdout that is full"
like "stdout" "$(cat "$scratch/err")" "says that stdout failed"
stop_server

start_server full --max-clients 1
server=$pid
hears=$lines
start connect full
saw " connected" "the place is taken" "$hears"
run send -w 0.1 full text
expect 1 "a full server"
stop_server
saw " left" "the place is free" "$hears"
run send full text
expect 0 "a free place"
stop_server "$server"

start_server bytes --byte
run recv -w 1 bytes
expect 1 "messages from a pipe of bytes"
like -- "--byte" "$err" "names the option"
stop_server

# ---- 4: access denied -------------------------------------------------------

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    chmod 755 "$scratch"
    start_server mine
    install -m 755 "$windpipe" "$scratch/windpipe"
    as_nobody() {
        timeout -k 1 "$patience" setpriv --reuid 65534 --regid 65534 \
            --clear-groups "$scratch/windpipe" "$@" \
            >"$scratch/out" 2>"$scratch/err"
        status=$?
        out=$(cat "$scratch/out")
        err=$(cat "$scratch/err")
    }
    for command in "connect mine" "send mine x" "call mine x" "recv mine" \
        "info mine" "wait -w 1 mine"; do
        # shellcheck disable=SC2086 # words on purpose
        as_nobody $command </dev/null
        expect 4 "another user: $command"
        check "another user: $command: silent" [ -n "$err" ]
    done
    as_nobody serve theirs </dev/null
    expect 4 "another user's directory"
    run send mine hello
    expect 0 "the owner is served as before"
    stop_server

    # Open to anyone, in the shared directory.
    install -d -m 1777 "$WINDPIPE_SHARED_DIR"
    start_server open --echo --access anyone
    as_nobody call open hello
    expect 0 "anyone may call"
    same hello "$out" "and is answered"
    as_nobody info open
    expect 4 "but not look inside"
    stop_server
    start_server closed --echo
    as_nobody call closed hello
    expect 4 "access is for this user by default"
    stop_server
else
    echo "not root: access by another user is not tested"
fi
run serve --access anyone nowhere </dev/null
if [ -d "$WINDPIPE_SHARED_DIR" ]; then
    rm -rf "$WINDPIPE_SHARED_DIR"
    run serve --access anyone nowhere </dev/null
fi
expect 1 "wider access without a shared directory"

# ---- signals ----------------------------------------------------------------

start_server ctrl
server=$pid
hears=$lines
start recv -v ctrl
saw "connected to ctrl" "recv is there"
kill -INT "$server"
ended "serve after SIGINT" "$server"
expect 130 "serve after SIGINT"
ended "recv of a server that was interrupted"
expect 0 "its client sees an orderly end"
start_server ctrl
server=$pid
hears=$lines
interrupted() { # WHAT: the client that was started last, by SIGINT
    kill -INT "$pid"
    ended "$1 after SIGINT"
    expect 130 "$1 after SIGINT"
    saw " left" "$1 after SIGINT: an orderly end" "$hears"
}
start recv -v ctrl
saw "connected to ctrl" "recv -v"
interrupted recv
start connect -v ctrl
saw "connected to ctrl" "connect -v"
interrupted connect
start call ctrl question
saw ": question" "the call is there" "$hears"
interrupted call
kill -TERM "$server"
ended "serve after SIGTERM" "$server"
expect 143 "serve after SIGTERM"

finish
