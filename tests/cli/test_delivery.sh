#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What was accepted arrives, or is said to be lost: slow readers, the end of
# input, signals, half-closed clients, and other programs that read slowly.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
export TMPDIR=$scratch/t
mkdir -m 0700 "$TMPDIR"

seq 1 140000 >"$scratch/numbers"
seq 100001 115000 >"$scratch/few" # over a fifo, under a queue
seq 100001 130000 >"$scratch/more"
head -c 5242880 /dev/urandom >"$scratch/large"

# emptied DESCRIPTOR: what was written to that fifo has been read.
emptied() {
    timeout "$patience" python3 -c '
import array, fcntl, sys, termios, time
left = array.array("i", [1])
while left[0]:
    fcntl.ioctl(int(sys.argv[1]), termios.FIONREAD, left)
    time.sleep(0.001)' "$1"
}

# stuffed DESCRIPTOR: that fifo is full, and nobody reads it for a while.
stuffed() {
    timeout "$patience" python3 -c '
import array, fcntl, sys, termios, time
left, since = array.array("i", [0]), time.monotonic()
while left[0] < 60000 or time.monotonic() - since < 0.3:
    last = left[0]
    fcntl.ioctl(int(sys.argv[1]), termios.FIONREAD, left)
    since = since if left[0] == last else time.monotonic()
    time.sleep(0.001)' "$1"
}

# read_late NAME: a client that prints nothing before $scratch/gate.NAME is
# written to. What it got is in $scratch/got.NAME then. Sets `reader`.
read_late() {
    mkfifo "$scratch/gate.$1"
    "$windpipe" recv "$1" 2>/dev/null \
        > >(read -r _ <"$scratch/gate.$1"; exec cat >"$scratch/got.$1") &
    reader=$!
    started+=("$reader")
}

# arrives WANTED GOT WHAT: the file GOT gets that content.
arrives() {
    local i
    for ((i = 0; i < patience * 100; i++)); do
        cmp -s "$1" "$2" && break
        read -rt 0.01 <> <(:) || :
    done
    check "$3" cmp -s "$1" "$2"
}

# ---- serve: the end of input ------------------------------------------------

# One that begins to read later than the library lingers gets all of a file
# that is more than a ring holds.
"$windpipe" serve -q 0 slow <"$scratch/more" 2>/dev/null &
server=$!
started+=("$server")
run wait slow
timeout "$patience" "$windpipe" recv slow | {
    timeout 2 tail -f /dev/null
    cat >"$scratch/copy"
}
check "serve -q 0: a slow reader has all" cmp -s "$scratch/more" \
    "$scratch/copy"
ended "serve -q 0" "$server"
expect 0 "serve -q 0: a slow reader"

# One that does not read is waited for as long as --linger says.
mkfifo "$scratch/never" "$scratch/said"
exec {never}<>"$scratch/never"
"$windpipe" serve -q 0 --linger 0.1 stuck <"$scratch/more" 2>"$scratch/said" &
server=$!
started+=("$server")
exec {hears}<"$scratch/said"
run wait stuck
"$windpipe" recv stuck 1>&"$never" 2>/dev/null &
started+=("$!")
saw ": [0-9]+ messages, [0-9]+ bytes were not delivered$" \
    "serve -q 0: what was not taken is said" "$hears"
ended "serve -q 0 --linger" "$server"
expect 9 "serve -q 0: what was not taken is no success"

# ---- serve: signals ---------------------------------------------------------

# What was read of stdin when the signal came is handed over.
start_server signalled --linger "$patience"
server=$pid
hears=$lines
says=$typed
read_late signalled
saw "1 connected" "serve: a reader that comes late" "$hears"
cat "$scratch/few" >&"$says"
emptied "$says"
kill -TERM "$server"
echo go >"$scratch/gate.signalled"
ended "serve after SIGTERM" "$server"
expect 143 "serve after SIGTERM"
ended "its reader" "$reader"
expect 0 "serve after SIGTERM: its reader sees the end"
run wait -w 0 signalled
expect 5 "serve after SIGTERM: the name is free"
arrives "$scratch/few" "$scratch/got.signalled" \
    "serve after SIGTERM: all that was read arrives"

# A second signal does not wait.
start_server twice --linger 1h
server=$pid
hears=$lines
says=$typed
read_late twice
saw "1 connected" "serve: a reader that never reads" "$hears"
cat "$scratch/few" >&"$says"
emptied "$says"
kill -TERM "$server"
check "serve after SIGTERM: waits for its reader" \
    kill -0 "$server"
kill -INT "$server"
saw "a second signal: ended at once; what was not delivered is lost" \
    "a second signal: it is said" "$hears"
ended "serve after two signals" "$server"
echo go >"$scratch/gate.twice"

# ---- connect: a signal ------------------------------------------------------

# A line that was read and found no room is said to be lost.
start_server full --once --exec \
    "read -r _ <'$scratch/hold'; exec cat >/dev/null"
mkfifo "$scratch/hold"
server=$pid
start connect --linger 0.1 full
teller=$pid
hears=$lines
cat "$scratch/numbers" >&"$typed" &
started+=("$!")
stuffed "$typed"
kill -TERM "$teller"
saw "messages?, [0-9]+ bytes were not delivered$" \
    "connect after SIGTERM: what was not taken is said" "$hears"
ended "connect after SIGTERM" "$teller"
expect 143 "connect after SIGTERM"
exec {hold}<>"$scratch/hold"
echo go >&"$hold"
ended "its server" "$server"

# ---- half-closed clients ----------------------------------------------------

# Who has said all may be answered later.
start_server later
server=$pid
hears=$lines
says=$typed
"$windpipe" connect later >"$scratch/answer" 2>&1 < <(echo question) &
asker=$!
started+=("$asker")
saw "1: question$" "a client that half-closes is heard" "$hears"
echo "late answer" >&"$says"
echo "late answer" >"$scratch/wanted"
arrives "$scratch/wanted" "$scratch/answer" \
    "a client that half-closed is answered"
stop_server "$server"
ended "a client that half-closed" "$asker"
expect 0 "a client that half-closed"
start_server sorted --once --exec "sort; echo end"
run connect sorted < <(printf 'b\na\n')
same $'a\nb\nend' "$out" "a command that answers after its input ended"
expect 0 "a command that answers after its input ended"
ended "serve --exec sort"

# ---- other programs ---------------------------------------------------------

cat >"$scratch/peer.py" <<'PYTHON'
import socket, sys, threading, time
role, path, sends, gets = sys.argv[1:]
end = socket.socket(socket.AF_UNIX)
if role == "serve":
    end.bind(path)
    end.listen()
    end.settimeout(20)
    end = end.accept()[0]
else:
    end.connect(path)
def send():
    try:
        end.sendall(open(sends, "rb").read())
        end.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it left early, as some do here
sender = threading.Thread(target=send)
sender.start()
with open(gets, "wb") as file:
    for count in range(1 << 30):
        data = end.recv(16384)
        if not data:
            break
        file.write(data)
        if count % 16 == 0:
            time.sleep(0.005)
sender.join()
PYTHON

# peer ROLE NAME SENDS GETS: one that reads slowly, in the background.
peer() {
    local i
    timeout "$patience" python3 "$scratch/peer.py" "$1" \
        "$TMPDIR/CoreFxPipe_$2" "$3" "$4" &
    peer=$!
    started+=("$peer")
    for ((i = 0; i < patience * 100; i++)); do
        [ -S "$TMPDIR/CoreFxPipe_$2" ] && break
        read -rt 0.01 <> <(:) || :
    done
}

for command in "connect --foreign there-1" "relay - pipe:there-2"; do
    name=${command##*[ :]}
    peer serve "$name" "$scratch/large" "$scratch/got"
    # shellcheck disable=SC2086 # words
    run $command --byte <"$scratch/large"
    expect 0 "${command%% *}: 5 MiB both ways"
    check "${command%% *}: 5 MiB from a slow peer" cmp -s "$scratch/large" \
        "$scratch/out"
    ended "a slow peer" "$peer"
    check "${command%% *}: 5 MiB to a slow peer" cmp -s "$scratch/large" \
        "$scratch/got"
done
start serve --once --foreign --byte --exec cat here
server=$pid
saw "serving here" "serve --exec"
peer connect here "$scratch/large" "$scratch/got"
ended "a slow peer" "$peer"
check "serve --exec: 5 MiB both ways" cmp -s "$scratch/large" "$scratch/got"
ended "serve --exec" "$server"
expect 0 "serve --exec"

# Calls cannot be made there, and that is said at once.
peer serve mute "$scratch/few" /dev/null
run call -w 1h mute question
expect 1 "call at a foreign door"
like "does not support calls" "$err" "call at a foreign door"
peer serve dumb "$scratch/few" /dev/null
start relay listen:front dumb
server=$pid
hears=$lines
run wait front
run call -w 0.05 front question
check "call through a relay to a foreign door" test "$status" -ne 0
saw "does not support calls" "a relay to a foreign door says so" "$hears"
ended "relay to a foreign door" "$server"
finish
