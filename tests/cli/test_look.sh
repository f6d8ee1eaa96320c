#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Looking: ls, info and wait.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# ---- nothing there ----------------------------------------------------------

run ls
expect 0 "ls of nothing"
same "" "$out" "ls of nothing"
run ls -v
like "no pipes" "$err" "ls -v of nothing"
run ls --json
same "" "$out" "ls --json of nothing"

# ---- wait -------------------------------------------------------------------

start wait soon
waiter=$pid
start_server soon --echo
server=$pid
hears=$lines
ended "wait" "$waiter"
expect 0 "wait for a pipe that comes"
run wait soon
expect 0 "wait for a pipe that is there"
same "" "$out$err" "wait is silent"
run wait -w 0 soon
expect 0 "wait without waiting"
run wait --json soon
json "$scratch/out" "wait --json"

# ---- ls ---------------------------------------------------------------------

start_server "two words" --byte
other=$pid
run ls
expect 0 "ls"
like "^NAME +TYPE +CLIENTS +USER +PROCESS" "$out" "ls: heading"
like $'\nsoon +message +0 +[^ ]+ +'"$server windpipe" "$out" "ls: message"
like $'\ntwo words +byte +0 ' "$out" "ls: byte"
run ls --names
same $'soon\ntwo words' "$out" "ls --names"
run ls --json
json "$scratch/out" "ls --json"
same "2" "$(wc -l <"$scratch/out" | tr -d ' ')" "ls --json: a line each"
same "soon message user 0 $server" "$(member "$scratch/out" 0 \
    "' '.join(map(str, (o['name'], o['type'], o['access'], o['clients'],
    o['pid'])))")" "ls --json: what it tells"
run ls --names --json
json "$scratch/out" "ls --names --json"

# A dead server is not listed, unless asked for; a stopped one does not hang.
start_server dead
kill -KILL "$pid"
ended "killed server"
run ls
unlike dead "$out" "ls leaves out the dead"
run ls --all
like $'\ndead +dead ' "$out" "ls --all shows the dead"
like "$WINDPIPE_DIR" "$out" "ls --all: where"
kill -STOP "$other"
run ls -w 0.2
like $'\ntwo words +silent ' "$out" "ls: a stopped server"
kill -CONT "$other"
stop_server "$other"

# ---- servers that do not answer ---------------------------------------------

# quickest MILLISECONDS COMMAND...: run it, up to five times until it takes less
# (the machine may be busy; a wait is there each time), and set `took`.
quickest() {
    local limit=$1 from i
    shift
    for ((i = 0; i < 5; i++)); do
        from=${EPOCHREALTIME/[^0-9]/}
        "$@"
        took=$(((${EPOCHREALTIME/[^0-9]/} - from) / 1000))
        [ "$took" -ge "$limit" ] || return 0
    done
}

# Sockets that nobody listens at any more, and ones that listen and say nothing.
python3 - "$WINDPIPE_DIR" <<'PYTHON' &
import os, signal, socket, sys
kept = []
for name in ("gone1", "gone2", "mute1", "mute2", "mute3", "mute4", "mute5", "mute6"):
    door = socket.socket(socket.AF_UNIX)
    door.bind(os.path.join(sys.argv[1], name + ".pipe"))
    if name.startswith("mute"):
        door.listen()
        kept.append(door)
open(os.path.join(sys.argv[1], "ready"), "w").close()
signal.pause()
PYTHON
speechless=$!
started+=("$speechless")
for ((i = 0; i < 1000; i++)); do
    [ -e "$WINDPIPE_DIR/ready" ] && break
    read -rt 0.01 <> <(:) || :
done
quickest 1500 run info gone1
expect 3 "info of a dead server"
check "info of a dead server: at once, not $took ms" [ "$took" -lt 1500 ]
quickest 4000 run ls -w 1
expect 0 "ls of six that do not answer"
same 6 "$(grep -c ' silent ' <<<"$out")" "ls of six that do not answer"
check "ls asks all at the same time: $took ms" [ "$took" -lt 4000 ]
unlike gone "$out" "ls leaves out the dead"
kill "$speechless"
wait "$speechless" 2>/dev/null
rm "$WINDPIPE_DIR/ready"

# ---- leftovers --------------------------------------------------------------

export TMPDIR=$scratch/t
mkdir -m 0700 "$TMPDIR"
start serve --foreign --echo both
saw "serving both" "a server with two sockets"
kill -KILL "$pid"
ended "killed server with two sockets"
start serve --foreign "$scratch/path.sock"
saw "serving" "a server at a path"
kill -KILL "$pid"
ended "killed server at a path"
: >"$WINDPIPE_DIR/note.txt"
run ls --prune
expect 0 "ls --prune"
same $'both\nboth\ndead\ngone1\ngone2\nmute1\nmute2\nmute3\nmute4\nmute5\nmute6' \
    "$(sed -n 's/^removed \(.*\) from .*/\1/p' <<<"$out" | sort)" \
    "ls --prune: what it removed"
same $'note.txt\nsoon.lock\nsoon.pipe' \
    "$(find "$WINDPIPE_DIR" -mindepth 1 -printf '%f\n' | sort)" \
    "ls --prune: what is left"
same "" "$(ls -A "$TMPDIR")" "ls --prune: no foreign socket is left"
rm "$WINDPIPE_DIR/note.txt"
run send --expect-reply soon still
same still "$out" "ls --prune leaves a living server alone"
saw " connected" "ls --prune leaves a living server alone" "$hears"
run ls --prune --json
same "" "$out" "ls --prune: nothing more to remove"
start_server again
kill -KILL "$pid"
ended "killed server"
run ls --prune --json
json "$scratch/out" "ls --prune --json"
same "removed again" "$(member "$scratch/out" 0 "o['event'] + ' ' + o['name']")" \
    "ls --prune --json"

# The next server of the name removes what the last one left, too.
start_server again
kill -KILL "$pid"
ended "killed server"
start_server again
stop_server
same $'soon.lock\nsoon.pipe' \
    "$(find "$WINDPIPE_DIR" -mindepth 1 -printf '%f\n' | sort)" \
    "the next server leaves nothing"

# ---- foreign servers --------------------------------------------------------

start wait strange
waiter=$pid
start wait "$scratch/strange.sock"
far=$pid
python3 - "$TMPDIR/CoreFxPipe_strange" "$scratch/strange.sock" <<'PYTHON' &
import signal, socket, sys
doors = [socket.socket(socket.AF_UNIX) for path in sys.argv[1:]]
for door, path in zip(doors, sys.argv[1:]):
    door.bind(path)
    door.listen()
signal.pause()
PYTHON
strange=$!
started+=("$strange")
ended "wait for a foreign server" "$waiter"
expect 0 "wait for a foreign server"
ended "wait for a path" "$far"
expect 0 "wait for a path"
run info strange
expect 0 "info of a foreign server"
like "type: +foreign socket" "$out" "info of a foreign server: type"
like "path: +$TMPDIR/CoreFxPipe_strange" "$out" "info of a foreign server: path"
like "server: +python[^,]*, process $strange, user " "$out" \
    "info of a foreign server: process"
run info --json "$scratch/strange.sock"
json "$scratch/out" "info --json of a path"
same "foreign $strange $scratch/strange.sock" "$(member "$scratch/out" 0 \
    "' '.join(map(str, (o['state'], o['pid'], o['where'])))")" \
    "info --json of a path"
run ls -a
like $'\n'"strange +foreign +- +$(id -un) +$strange python" "$out" \
    "ls -a: the user's name"
kill "$strange"
wait "$strange" 2>/dev/null
run info strange
expect 3 "info of what a foreign server left"
run info "$scratch/strange.sock"
expect 3 "info of a path that nobody listens at"
run wait -w 0.05 "$scratch/strange.sock"
expect 5 "wait for a path that nobody listens at"

# ---- info -------------------------------------------------------------------

start connect soon
client=$pid
saw " connected" "a client" "$hears"
echo hello >&"$typed"
saw hello "an echo"
run info soon
expect 0 "info"
like "name: +soon" "$out" "info: name"
like "type: +message" "$out" "info: type"
like "server: +windpipe, process $server, user " "$out" "info: server"
like "clients: +1 now" "$out" "info: clients"
like "windpipe, process $client, user " "$out" "info: the client"
like "in 1 messages, 5 B; out 1 messages, 5 B" "$out" "info: traffic"
like "for [0-9]+\.[0-9] s, quiet for [0-9]+\.[0-9] s, 0 messages dropped" "$out" \
    "info: how long, how quiet"
run info --json soon
json "$scratch/out" "info --json"
same "soon 1 $client 1 5 1 5" "$(member "$scratch/out" 0 \
    "' '.join(map(str, [o['name'], o['clients']] + [o['links'][0][k] for k in
    ('pid', 'messages_in', 'bytes_in', 'messages_out', 'bytes_out')]))")" \
    "info --json: what it tells"
same "True True 0" "$(member "$scratch/out" 0 \
    "' '.join(map(str, [0 < o['links'][0]['age_us'] < 10**9,
    o['links'][0]['idle_us'] <= o['links'][0]['age_us'] + 10000,
    o['links'][0]['dropped']]))")" "info --json: age, use, dropped"
run ls
like $'\nsoon +message +1 ' "$out" "ls: one client"
stop_server "$client"
run info soon
like "clients: +0 now" "$out" "info: the client has left"

# More clients than fit into the first answer.
for _ in {1..70}; do
    start connect soon
    until_line connected "$hears" || break
done
run info -w 5 --json soon
same 70 "$(member "$scratch/out" 0 "len(o['links'])")" "info of 70 clients"
stop_server "$server"

# Names that would spoil a terminal or a table are shown as they are, escaped.
odd=$'red\302\233x'
start_server "$odd"
run ls --names
like 'red\\u\{9b\}x' "$out" "ls escapes names"
unlike "$odd" "$out" "all of them"
run ls --json
json "$scratch/out" "ls --json of an odd name"
same "$odd" "$(member "$scratch/out" -1 "o['name']")" "ls --json: the name"
stop_server

finish
