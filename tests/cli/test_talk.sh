#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Talking: serve, connect, send, recv and call, in messages and in bytes, as
# text and as JSON.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# ---- serve and send ---------------------------------------------------------

start_server demo
server=$pid
hears=$lines
says=$typed
saw "serving demo" "serve says what it serves"
run send demo hello
expect 0 "send"
same "" "$out$err" "send is silent"
saw "^windpipe serve: 1 connected: windpipe, process [0-9]+, user " \
    "who comes" "$hears"
saw "^1: hello$" "what is said" "$hears"
saw "^windpipe serve: 1 left$" "who goes" "$hears"
run send demo ""
expect 0 "an empty message"
saw "^2: $" "an empty message" "$hears"
printf 'from stdin' | run send demo
expect 0 "send of stdin"
saw "^3: from stdin$" "stdin" "$hears"
printf 'dash' | run send demo -
saw "^4: dash$" "stdin as -" "$hears"
run send demo -- --text
saw "^5: --text$" "text that looks like an option" "$hears"
run send -v demo hello
like "has read it" "$err" "send -v"
run send --topic weather demo rain
expect 0 "send --topic"
run send --topic "$(printf '\377')" demo rain
expect 2 "a topic that is not UTF-8"
saw "8 left$" "and nothing was sent" "$hears"

# ---- recv of typed lines; everybody gets them -------------------------------

start recv -v demo
one=$pid
first=$lines
saw "connected to demo: windpipe, process $server," "the first listener"
start recv -v --json demo
two=$pid
second=$lines
saw "connected to demo" "the second listener"
echo "to all" >&"$says"
saw "^to all$" "the first hears" "$first"
saw '"text":"to all"' "the second hears" "$second"
json <(printf '%s\n' "$line") "recv --json"
kill -TERM "$one" "$two"
ended "recv" "$one"
expect 143 "recv after SIGTERM"
ended "recv" "$two"

# A typed line answers a call.
start call demo question
saw ": question$" "a call is shown" "$hears"
echo "the answer" >&"$says"
saw "^the answer$" "a typed line is its answer"
ended "call"
expect 0 "call"
stop_server "$server"

# ---- call and echo ----------------------------------------------------------

mute=1 start_server echo --echo
run call echo ping
expect 0 "call"
same ping "$out" "call prints the reply"
run call --json echo ping
json "$scratch/out" "call --json"
same "reply 4 ping" \
    "$(member "$scratch/out" 0 "o['event'], o['size'], o['text']" |
        tr -d "(),'")" "call --json: what came"
printf 'a\0b\377' | run call --raw echo
same "610062ff" "$(od -An -tx1 "$scratch/out" | tr -d ' \n')" \
    "call --raw is exact"
printf 'a\0b\377' | run call --json echo
same "YQBi/w==" "$(member "$scratch/out" 0 "o['text_base64']")" \
    "bytes that are no text are base64"
run call --topic weather echo "it rains"
same "$(printf '\7weather\10it rains')" "$out" "typed messages on the wire"
run send --expect-reply echo again
same again "$out" "send --expect-reply"
head -c 3000000 /dev/urandom >"$scratch/large"
run call --raw echo - <"$scratch/large"
expect 0 "a large call"
check "a large call: content" cmp -s "$scratch/large" "$scratch/out"
printf 'one\ntwo\n\nlast' | run connect echo
expect 0 "connect"
same $'one\ntwo\n\nlast' "$out" "lines are messages, there and back"
printf 'one\n' | run connect --json echo
json "$scratch/out" "connect --json"
stop_server

# A server of bytes.
mute=1 start_server bytes --echo --byte
run connect --byte bytes <"$scratch/large"
expect 0 "connect --byte"
check "connect --byte: content" cmp -s "$scratch/large" "$scratch/out"
stop_server
mute=1 start_server sink --byte
run send --byte sink <"$scratch/large"
expect 0 "send --byte of much"
stop_server

# ---- what is printed is safe ------------------------------------------------

start_server tty --echo
if command -v script >/dev/null; then
    printf 'a\033[31mred\033[0m\tb\302\233c\342\200\256d\377\n' \
        >"$scratch/evil"
    cat >"$scratch/try" <<SH
timeout $patience '$windpipe' call tty - <'$scratch/evil'
SH
    script -qec "bash $scratch/try" /dev/null </dev/null >"$scratch/typescript"
    typescript=$(cat "$scratch/typescript")
    unlike $'\e' "$typescript" "control bytes reach no terminal"
    like '\\x1b\[31mred' "$typescript" "they are shown"
    like '\\u\{9b\}c' "$typescript" "so are those above ASCII"
    like '\\u\{202e\}d' "$typescript" "and those that turn text around"
    like '\\xff' "$typescript" "and what is not UTF-8"
fi
stop_server

# ---- recv --listen ----------------------------------------------------------

start recv -l one
run wait one
run send one "only this"
expect 0 "send to recv -l"
saw "^only this$" "recv -l prints it"
ended "recv -l"
expect 0 "recv -l ends with its client"

start recv -l -k --count 3 three
run wait three
for text in a b c; do
    run send three "$text"
    expect 0 "send $text"
    saw "^$text$" "recv -l -k prints $text"
done
ended "recv -l -k --count"
expect 0 "recv -l -k --count"

start recv -l --json --topic typed
run wait typed
run send --topic news typed "it works"
saw '"topic":"news","body":"it works"' "recv --json --topic"
json <(printf '%s\n' "$line") "recv --json --topic"
ended "recv -l --topic"

start recv -l --topic human
run wait human
run send --topic news human "it works"
saw '^\[news\] it works$' "recv --topic"
ended "recv --topic"
start recv -l --topic plain
run wait plain
run send plain "not typed"
saw 'not a typed message' "recv --topic of something else"
saw '^not typed$' "and it is shown"
ended "recv --topic"

start recv -l --count 2 short
run wait short
run send short one
saw '^one$' "recv -l --count"
ended "recv -l --count"
expect 6 "a client that left before --count"

run serve -q 0 nothing </dev/null
expect 0 "serve -q ends after the end of input"

# ---- serve --json -----------------------------------------------------------

start_server events --json
events=$lines
quotes='with "quotes" and \\ in it'
run send events "$quotes"
run call -w 0.05 events question
stop_server
for event in serving connected message disconnected connected call \
    disconnected; do
    saw "\"event\":\"$event\"" "serve --json: $event" "$events"
    printf '%s\n' "$line" >>"$scratch/events"
done
json "$scratch/events" "serve --json"
same "$quotes" "$(member "$scratch/events" 2 "o['text']")" \
    "serve --json: text"
same closed "$(member "$scratch/events" 3 "o['reason']")" \
    "serve --json: reason"

# ---- a file to whoever comes ------------------------------------------------

"$windpipe" serve --once --byte file <"$scratch/large" 2>/dev/null &
server=$!
started+=("$server")
run wait file
exec {copy}< <(exec "$windpipe" recv --byte file)
reader=$!
timeout "$patience" head -c 3000000 <&"$copy" >"$scratch/copy"
kill -TERM "$reader"
ended "serve of a file" "$server"
expect 0 "serve --once of a file"
check "a file: content" cmp -s "$scratch/large" "$scratch/copy"

# ---- serve --exec -----------------------------------------------------------

start_server upper --exec 'sed -u y/abc/ABC/'
run send --expect-reply upper abcabc
same ABCABC "$out" "serve --exec"
printf 'a\nb\n' | run connect upper
same $'A\nB' "$out" "serve --exec: lines"
expect 0 "serve --exec: the end of input is passed on"
stop_server
expect 143 "serve --exec after SIGTERM"
# shellcheck disable=SC2016 # the command's own shell expands it
start_server who --exec 'echo "$WINDPIPE_PEER_UID"'
run recv who
same "$(id -u)" "$out" "serve --exec: who it is"
stop_server
start_server told --json --exec cat
events=$lines
echo x | run connect told
same x "$out" "serve --json --exec"
: >"$scratch/events"
for event in serving connected disconnected; do
    saw "\"event\":\"$event\"" "serve --json --exec: $event" "$events"
    printf '%s\n' "$line" >>"$scratch/events"
done
json "$scratch/events" "serve --json --exec"
same closed "$(member "$scratch/events" 2 "o['reason']")" \
    "serve --json --exec: reason"
stop_server
start_server binary --byte --exec cat
run connect --byte binary <"$scratch/large"
check "serve --exec cat" cmp -s "$scratch/large" "$scratch/out"
stop_server
start serve --once --exec cat once
run wait once
echo x | run connect once
same x "$out" "serve --once --exec"
ended "serve --once --exec"
expect 0 "serve --once --exec"
# The command is gone, and the client hears of it.
# shellcheck disable=SC2016 # likewise
start_server leaver --exec 'read -r line; echo "got $line"'
run connect leaver < <(echo bye; exec tail -f /dev/null)
same "got bye" "$out" "a command that ends"
expect 0 "ends its client"
stop_server
# The client is gone, and the command hears of it.
start_server waiter --exec "cat >$scratch/heard; echo done >$scratch/done"
echo told | run send waiter
stop_server
same "told" "$(cat "$scratch/heard")" "a command hears the end"
# The client is gone, and the command does not care; nor is anything left that
# it has started. sleeper: who sleeps behind the command, as its client hears.
sleeper() {
    start connect "$1"
    until_line '^[0-9]+$' || fail "a command that sleeps"
}
# shellcheck disable=SC2016 # likewise
start_server stays -q 0.1 --exec 'sleep 1000 & echo $!; wait'
server=$pid
sleeper stays
kill -KILL "$pid"
check "a command ends with its client" ends "$line"
# A signal ends the server, and with it what it has started.
for signal in TERM INT HUP; do
    # shellcheck disable=SC2016 # likewise
    [ "$signal" = TERM ] || {
        start_server stays --exec 'sleep 1000 & echo $!; wait'
        server=$pid
    }
    sleeper stays
    kill "-$signal" "$server"
    ended "serve --exec after SIG$signal" "$server"
    expect $((128 + $(kill -l "$signal"))) "serve --exec after SIG$signal"
    check "a command ends with its server: SIG$signal" ends "$line"
done
# shellcheck disable=SC2016 # likewise
start_server killed --exec 'echo $$; exec sleep 1000'
server=$pid
sleeper killed
kill -KILL "$server"
ended "killed serve --exec" "$server"
check "a command ends with its server: SIGKILL" ends "$line"
start_server pair --echo
# shellcheck disable=SC2016 # likewise
run connect -e 'echo mine; read -r l; echo "$l" >'"$scratch/back" pair
same mine "$(cat "$scratch/back")" "connect -e"
stop_server

# ---- times ------------------------------------------------------------------

time='20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z'
start recv -l -n 1 --timestamps stamped
run wait stamped
run send stamped hello
saw "^$time hello\$" "recv --timestamps"
ended "recv --timestamps"
start_server stamped --timestamps
run send stamped hello
saw "^$time 1: hello\$" "serve --timestamps"
stop_server
start recv -l -n 1 --json --timestamps stamped
run wait stamped
printf 'a\0\377\n' | run send stamped -
saw '"event":"message"' "recv --json of bytes"
printf '%s\n' "$line" >"$scratch/stamped"
json "$scratch/stamped" "recv --json --timestamps"
same "b'a\\x00\\xff\\n' 4 True" "$(member "$scratch/stamped" 0 \
    "' '.join(map(str, (__import__('base64').b64decode(o['text_base64']),
    o['size'], __import__('datetime').datetime.fromisoformat(
    o['time'].replace('Z', '+00:00')).year >= 2024)))")" \
    "recv --json --timestamps: what it tells"
ended "recv --json"

finish
