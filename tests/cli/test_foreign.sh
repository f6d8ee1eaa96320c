#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The door of programs that are not windpipe, from the tool's side: both ends
# are the tool here, over plain sockets, with each framing, and where clients
# are sent on to pipes of their own. Other programs are in tests/interop.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
export TMPDIR=$scratch/t
mkdir -m 0700 "$TMPDIR"

# two_lines WHAT ARGUMENTS...: connect says two lines, and hears them again.
# The server's `pid` stays what it was.
two_lines() {
    local what=$1 server=$pid
    shift
    start connect "$@"
    printf 'one\ntwo\n' >&"$typed"
    saw "^one$" "$what"
    saw "^two$" "$what"
    kill -TERM "$pid"
    ended "$what"
    pid=$server
}

# ---- the foreign door -------------------------------------------------------

for framing in le32 be32 lines headers type-le32; do
    start serve --echo --foreign --framing "$framing" "$framing"
    saw "serving $framing" "serve --framing $framing"
    check "$framing: the socket" test -S "$TMPDIR/CoreFxPipe_$framing"
    run send --expect-reply --foreign --framing "$framing" "$framing" hello
    expect 0 "send --framing $framing"
    same hello "$out" "send --framing $framing"
    run send --expect-reply "$framing" native
    same native "$out" "$framing: a native client beside it"
    two_lines "connect --framing $framing" \
        --foreign --framing "$framing" "$framing"
    run ls --all
    like "CoreFxPipe_$framing|$framing .*foreign" "$out" "ls --all shows it"
    stop_server
    check "$framing: and it goes" test ! -e "$TMPDIR/CoreFxPipe_$framing"
done

start serve --echo --byte --foreign bytes
saw "serving bytes" "serve --byte --foreign"
two_lines "connect --foreign --byte" --foreign --byte bytes
stop_server

path=$scratch/a.sock
start serve --echo --foreign --framing lines "$path"
saw "serving $path" "a path"
run send --expect-reply --foreign --framing lines "$path" hello
same hello "$out" "a path"
run send --expect-reply --foreign --framing lines "$path" $'hello\n'
same hello "$out" "a line with its newline"
run send --foreign --framing lines "$path" $'hel\nlo'
expect 2 "a newline inside a line"
like "the line has a newline inside" "$err" "a newline inside a line"
stop_server

# Half a line has its time.
start serve --foreign --framing lines --message-time 0.2 half
saw "serving half" "serve --message-time"
server=$pid
said=$lines
start connect --foreign --byte half
printf 'half a line' >&"$typed"
saw "did not finish a message in time" "--message-time" "$said"
kill -TERM "$pid"
ended "connect"
stop_server "$server"

# A server of another kind has no other door; nobody waits for an absent one.
printf '%s\n' 'import socket, sys' 'd = socket.socket(socket.AF_UNIX)' \
    'd.bind(sys.argv[1])' 'd.listen()' 'd.settimeout(20)' \
    'for i in range(2):' '    e = d.accept()[0]' \
    '    e.sendall(e.makefile("rb").readline())' '    e.close()' \
    >"$scratch/other.py"
python3 "$scratch/other.py" "$TMPDIR/CoreFxPipe_other" &
other=$!
started+=("$other")
for ((i = 0; i < 1000; i++)); do
    run ls --all
    [[ $out == *other* ]] && break
done
run send --expect-reply --foreign --framing lines other hello
expect 0 "send to another program"
same hello "$out" "send to another program"
run send --expect-reply --framing lines other hello
same hello "$out" "which is found without --foreign, too"
wait "$other"
run send --foreign --framing lines other hello
expect 3 "send to what it left"
rm "$TMPDIR/CoreFxPipe_other"
run send --foreign absent hello
expect 3 "send --foreign to nobody"
run send --second-pipe h-pipes absent hello
expect 3 "send --second-pipe to nobody"
run send --foreign "$scratch/absent.sock" hello
expect 3 "send --foreign to no path"

# ---- second pipes -----------------------------------------------------------

for like in h-pipes wrapper; do
    start serve -v --echo --second-pipe "$like" sent
    saw "serving sent" "serve --second-pipe $like"
    for ((i = 0; i < 3; i++)); do
        run send --expect-reply --second-pipe h-pipes sent hello
        expect 0 "send to --second-pipe $like"
        same hello "$out" "send to --second-pipe $like"
    done
    run send --expect-reply sent native
    same native "$out" "--second-pipe $like: a native client beside it"
    two_lines "connect to --second-pipe $like" --second-pipe wrapper sent
    run send --expect-reply --second-pipe h-pipes --framing headers sent x
    check "another framing there is an error" test "$status" -ne 0
    stop_server
    same "" "$(ls -A "$TMPDIR")" "--second-pipe $like: nothing is left"
done

# be32 unless another is given, at both ends
start serve --echo --second-pipe h-pipes --framing lines text
saw "serving text" "serve --second-pipe --framing"
run send --expect-reply --second-pipe h-pipes --framing lines text hello
same hello "$out" "send --second-pipe --framing"
stop_server

start recv -l -n 1 --second-pipe h-pipes heard
run wait heard
run send --second-pipe h-pipes heard hello
expect 0 "send to recv -l --second-pipe"
saw "^hello$" "recv -l --second-pipe"
ended "recv -n 1"

start relay pipe:inner listen:outer --second-pipe h-pipes
kill -TERM "$pid"
ended "relay --second-pipe"

# ---- what cannot be ---------------------------------------------------------

run serve --second-pipe pipes demo
expect 2 "--second-pipe of another kind"
like "h-pipes" "$err" "--second-pipe of another kind: says which there are"
run call --second-pipe h-pipes demo x
expect 2 "call --second-pipe: a call needs ids"
run ls --second-pipe h-pipes
expect 2 "ls --second-pipe"
long=$(printf 'n%.0s' {1..100})
run serve --second-pipe h-pipes "$long"
check "a name that leaves no room" test "$status" -ne 0
like "bytes" "$err" "a name that leaves no room"

# A server that tells no name but a path.
python3 - "$TMPDIR/CoreFxPipe_liar" <<'PYTHON' &
import socket, sys
door = socket.socket(socket.AF_UNIX)
door.bind(sys.argv[1])
door.listen()
door.settimeout(20)
end = door.accept()[0]
end.sendall(b"\0\0\0\x0b/etc/passwd")
end.close()
PYTHON
started+=("$!")
for ((i = 0; i < 1000; i++)); do
    [ -S "$TMPDIR/CoreFxPipe_liar" ] && break
    read -rt 0.01 <> <(:) || :
done
run send -w 10 --second-pipe h-pipes liar hello
expect 8 "a server that lies"
like "second pipe: the name contains '/'" "$err" "a server that lies"

finish
