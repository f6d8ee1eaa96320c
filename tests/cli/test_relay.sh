#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Relay: every kind of endpoint, both ways, half-close, hex, and many visitors.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

head -c 3000000 /dev/urandom >"$scratch/large"

start_server echo --echo
echo_server=$pid
start_server bytes --exec cat --byte
bytes_server=$pid

# ---- stdio and pipes --------------------------------------------------------

printf 'one\ntwo\n' | run relay - echo
expect 0 "stdio to a pipe"
same $'one\ntwo' "$out" "stdio to a pipe"
printf 'one\n' | run relay pipe:echo -
same one "$out" "a pipe to stdio, with its prefix"
run relay --byte - bytes <"$scratch/large"
expect 0 "stdio to a pipe of bytes"
check "bytes: content" cmp -s "$scratch/large" "$scratch/out"

# ---- a pipe in front of a pipe ----------------------------------------------

start relay listen:tap echo
run wait tap
run send --expect-reply tap hello
same hello "$out" "through a relay"
ended "relay"
expect 0 "relay ends with its client"
run send tap hello
expect 3 "and its name with it"

start relay -k --hex listen:tap echo
relay=$pid
dump=$lines
run wait tap
printf 'with\0zero\n' >"$scratch/message"
run send --expect-reply --raw tap - <"$scratch/message"
check "a message stays as it is" cmp -s "$scratch/message" "$scratch/out"
saw 'listen:tap -> echo: 10 bytes' "hex: the way there" "$dump"
saw '00000000  77 69 74 68 00 7a 65 72  6f 0a .*\|with.zero.\|' \
    "hex: the bytes" "$dump"
saw 'echo -> listen:tap: 10 bytes' "hex: the way back" "$dump"
for text in a b c; do
    start connect tap
    eval "who_$text=$pid at_$text=$lines to_$text=$typed"
done
for text in a b c; do
    eval "echo $text >&\$to_$text"
    eval "saw '^$text\$' 'visitors beside each other' \$at_$text"
done
stop_server "$relay"
expect 143 "relay -k after SIGTERM"
for text in a b c; do
    eval "ended 'a visitor' \$who_$text"
done

# ---- calls ------------------------------------------------------------------

mute=1 start_server answers --echo
answers=$pid
start relay -k listen:desk answers
relay=$pid
run wait desk
run call -w "$patience" desk ping
expect 0 "a call through a relay"
same ping "$out" "a call through a relay: its reply"
run call -w "$patience" --raw desk - <"$scratch/large"
check "a large call through a relay" cmp -s "$scratch/large" "$scratch/out"
start relay -k listen:second-desk desk
far=$pid
run wait second-desk
callers=()
for ((i = 0; i < 8; i++)); do
    "$windpipe" call -w "$patience" second-desk "call $i" \
        >"$scratch/call.$i" 2>&1 &
    callers+=("$!")
done
started+=("${callers[@]}")
for ((i = 0; i < 8; i++)); do
    ended "caller $i" "${callers[i]}"
    same "call $i" "$(cat "$scratch/call.$i")" \
        "callers beside each other, through two relays"
done
stop_server "$far"
stop_server "$relay"
stop_server "$answers"

# A typed line answers a call; other messages pass it, in order.
start_server clerk
server=$pid
hears=$lines
says=$typed
start relay listen:counter clerk
run wait counter
start call -w "$patience" counter question
saw ": question$" "a call at the server" "$hears"
echo answer >&"$says"
saw "^answer$" "its reply, typed, through the relay"
ended "call through a relay"
expect 0 "call through a relay"
stop_server "$server"

# Where there are no calls that is said, and the message is passed on.
start relay -k listen:nocalls "exec:cat >>$scratch/uncalled"
relay=$pid
says=$lines
run wait nocalls
run call -w 0.05 nocalls first
expect 5 "a call to a command"
saw "does not support calls" "a call to a command: it is said" "$says"
stop_server "$relay"
same first "$(cat "$scratch/uncalled")" "a call to a command is a message"

# ---- a socket and a framing for each end ------------------------------------

start serve --echo --foreign --framing lines "$scratch/lines.sock"
lines_server=$pid
saw "serving" "a server with lines"
start relay -k "foreign-listen+le32:$scratch/le32.sock" \
    "foreign+lines:$scratch/lines.sock"
relay=$pid
run wait "$scratch/le32.sock"
run send --foreign --framing le32 --expect-reply "$scratch/le32.sock" hello
expect 0 "le32 to lines"
same hello "$out" "le32 to lines"
stop_server "$relay"
check "the relay's socket is gone" [ ! -e "$scratch/le32.sock" ]
start relay -k listen:plain "foreign+lines:$scratch/lines.sock"
relay=$pid
run wait plain
run send --expect-reply plain hello
same hello "$out" "a pipe to lines"
stop_server "$relay"
# --framing is for ends that do not say theirs
start relay -k --framing lines "foreign-listen+be32:$scratch/be32.sock" \
    "foreign:$scratch/lines.sock"
relay=$pid
run wait "$scratch/be32.sock"
run send --foreign --framing be32 --expect-reply "$scratch/be32.sock" hello
same hello "$out" "be32 to what --framing says"
stop_server "$relay"
stop_server "$lines_server"

# ---- JSON -------------------------------------------------------------------

start relay -k --json --timestamps listen:seen echo
relay=$pid
seen=$lines
run wait seen
run send --expect-reply seen "with \"quotes\""
printf 'a\0\377' | run send --expect-reply --raw seen -
run call seen question
: >"$scratch/seen"
for ((i = 0; i < 6; i++)); do
    saw '"event"' "relay --json" "$seen"
    printf '%s\n' "$line" >>"$scratch/seen"
done
json "$scratch/seen" "relay --json"
same "message 1 listen:seen echo 13 with \"quotes\"" "$(member \
    "$scratch/seen" 0 "' '.join(map(str, (o['event'], o['visit'], o['from'],
    o['to'], o['size'], o['text'])))")" "relay --json: there"
same "message 1 echo listen:seen" "$(member "$scratch/seen" 1 \
    "' '.join(map(str, (o['event'], o['visit'], o['from'], o['to'])))")" \
    "relay --json: back"
same "2 b'a\\x00\\xff' True" "$(member "$scratch/seen" 2 \
    "' '.join(map(str, (o['visit'],
    __import__('base64').b64decode(o['text_base64']), 'T' in o['time'])))")" \
    "relay --json: bytes"
same "call reply" "$(member "$scratch/seen" 4 "o['event']") $(member \
    "$scratch/seen" 5 "o['event']")" "relay --json: a call"
stop_server "$relay"
start relay -k --hex --timestamps listen:seen echo
relay=$pid
seen=$lines
run wait seen
run send --expect-reply seen hello
saw '^20[0-9T:.-]*Z listen:seen -> echo: 5 bytes' "relay --hex --timestamps" \
    "$seen"
stop_server "$relay"

# ---- commands ---------------------------------------------------------------

start relay -k listen:upper "exec:sed -u y/abc/ABC/"
relay=$pid
run wait upper
printf 'abc\n' | run connect upper
same ABC "$out" "a command behind a pipe"
expect 0 "the end passes through a command"
stop_server "$relay"
run relay "exec:echo to the pipe" echo
expect 0 "a command in front of a pipe"
run relay "exec:exit 3" "exec:cat >/dev/null"
expect 0 "two commands"

# ---- sockets ----------------------------------------------------------------

start relay -v -k --byte "unix-listen:$scratch/door" bytes
relay=$pid
saw "door: listening" "relay says that it listens"
same 600 "$(stat -c %a "$scratch/door")" "the socket is ours alone"
run relay --byte - "unix:$scratch/door" <"$scratch/large"
expect 0 "through a unix socket"
check "unix: content" cmp -s "$scratch/large" "$scratch/out"
stop_server "$relay"
check "the socket is removed" [ ! -e "$scratch/door" ]

start relay -v -k --byte tcp-listen:0 bytes
relay=$pid
saw 'port [0-9]+ of 127\.0\.0\.1' "relay says its port"
port=${line##*port }
port=${port%% *}
run relay --byte - "tcp:127.0.0.1:$port" <"$scratch/large"
expect 0 "through a port"
check "tcp: content" cmp -s "$scratch/large" "$scratch/out"
run relay --byte - "tcp:localhost:$port" <"$scratch/message"
expect 0 "localhost is this machine"
stop_server "$relay"

# ---- a side that leaves -----------------------------------------------------

start relay listen:gone "exec:read -r l; echo bye"
run wait gone
run connect gone < <(echo x; exec tail -f /dev/null)
expect 0 "a command that ends"
same bye "$out" "its last words arrive"
ended "relay of a command that ended"
expect 0 "relay of a command that ended"

start_server victim
server=$pid
hears=$lines
start relay victim -
saw " connected" "relay is there" "$hears"
kill -KILL "$server"
ended "relay of a killed server"
expect 6 "relay of a killed server"

start relay -q 0.1 listen:half "exec:exec sleep 1000 </dev/null"
run wait half
run send half x
ended "relay -q"
expect 0 "relay -q ends though one side stays"

stop_server "$echo_server"
stop_server "$bytes_server"
finish
