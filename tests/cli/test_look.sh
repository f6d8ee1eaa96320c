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
