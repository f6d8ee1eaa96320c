#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The programs of examples/ do what they say, and so do the blocks of code in
# README.md and in the manual pages.

# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

: "${WINDPIPE_SOURCE:?}" "${WINDPIPE_BUILD:?}"
examples=$WINDPIPE_BUILD/examples

if [ ! -x "$examples/rpc_server" ]; then
    echo 'skipped: the examples are not built'
    exit 77
fi

# example NAME ARGUMENTS...: run it, bounded; sets out and status.
example() {
    out=$(timeout -k 1 "$patience" "$examples/$1" "${@:2}" 2>&1)
    status=$?
}

# start_example NAME PIPE ARGUMENTS...: one in the background, until it has its pipe.
start_example() {
    "$examples/$1" "${@:2}" &
    pid=$!
    started+=("$pid")
    timeout "$patience" "$windpipe" wait "$2" || fail "$1 does not come up"
}

# stop: the example that was started last; it does not catch the signal.
stop() {
    kill -TERM "$pid"
    wait "$pid"
}

start_example echo_server echo
example echo_client
same hello "$out" 'echo_client prints what comes back'
stop

start_example stream_server letters
example stream_client letters <<<'one line'
same 'ONE LINE' "$out" 'stream_client gets capital letters back'
big=$(seq 20000)
out=$(timeout -k 1 "$patience" "$examples/stream_client" letters <<<"$big")
same "$big" "$out" 'stream_client gets 100 KiB back whole and in order'
stop

start_example rpc_server sums
example rpc_client 2 3 sums
same 5 "$out" 'rpc_client prints the sum'
example rpc_client -7 7 sums
same 0 "$out" 'rpc_client calls again'
out=$(timeout -k 1 "$patience" "$windpipe" call sums short)
same '' "$out" 'rpc_server answers nonsense with nothing'
stop

mkfifo "$scratch/ready"
exec {said}<>"$scratch/ready"
start_example calls_server parts
server=$pid
others=()
for n in 10 20; do
    "$examples/calls_client" -k "$n" parts >"$scratch/ready" &
    others+=("$!")
    started+=("$!")
    saw '^ready$' 'calls_client is there to answer' "$said"
done
example calls_client 12 parts
same 42 "$out" 'calls_server asks all of its clients, and answers'
kill -KILL "${others[1]}"
wait "${others[1]}"
example calls_client 12 parts
same 22 "$out" 'calls_server waits for nobody who has gone'
kill -STOP "${others[0]}"
example calls_client 12 parts
same 12 "$out" 'calls_server waits no longer than it said for who is silent'
kill -KILL "${others[0]}"
wait "${others[0]}"
# Calls go both ways through a relay, too.
"$windpipe" relay listen:elsewhere parts &
started+=("$!")
timeout "$patience" "$windpipe" wait elsewhere || fail 'relay comes up'
example calls_client 30 elsewhere
same 30 "$out" 'calls_server asks a client through a relay, and answers it'
pid=$server
stop
exec {said}>&-

# two seconds of kill -9 at random
TMPDIR=$scratch example collector check 2 4
same 0 "$status" 'collector: each message once, whoever is killed'
[ "$status" -eq 0 ] || echo "$out" >&2

mkfifo "$scratch/typed" "$scratch/said"
"$examples/event_loop" board <"$scratch/typed" >"$scratch/said" &
pid=$!
started+=("$pid")
exec {typed}>"$scratch/typed" {said}<"$scratch/said"
timeout "$patience" "$windpipe" wait board || fail 'event_loop comes up'
timeout "$patience" "$windpipe" recv --count 1 board >"$scratch/heard" &
reader=$!
started+=("$reader")
saw '^[0-9]+ came$' 'event_loop sees a client come' "$said"
echo 'to all of you' >&"$typed"
wait "$reader"
same 'to all of you' "$(cat "$scratch/heard")" 'event_loop sends what is typed'
saw '^[0-9]+ went$' 'event_loop sees it go' "$said"
timeout "$patience" "$windpipe" send board 'from outside'
saw '^[0-9]+ says: from outside$' 'event_loop prints what it is told' "$said"
exec {typed}>&-
timeout "$patience" tail --pid="$pid" -f /dev/null ||
    fail 'event_loop ends at the end of input'
wait "$pid"
same 0 $? 'event_loop ends well'

# daemon_ends ARGUMENTS...: on SIGTERM it hands over its last message.
daemon_ends() {
    local client in from
    start_example daemon farewell "$@"
    rm -f "$scratch/typed" "$scratch/heard"
    mkfifo "$scratch/typed" "$scratch/heard"
    "$windpipe" connect farewell <"$scratch/typed" >"$scratch/heard" &
    client=$!
    started+=("$client")
    exec {in}>"$scratch/typed" {from}<"$scratch/heard"
    echo 'are you there?' >&"$in"
    saw '^are you there[?]$' "daemon $* answers" "$from"
    stop
    same 0 $? "daemon $* ends well on SIGTERM"
    saw '^goodbye$' "daemon $* hands over its last message" "$from"
    exec {in}>&- {from}<&-
    wait "$client"
    rm "$scratch/typed" "$scratch/heard"
}
daemon_ends
daemon_ends -f

# start_worker: one, and the job that it is at.
start_worker() {
    "$examples/worker" jobs &
    worker=$!
    started+=("$worker")
    saw '^at work$' 'a worker gets a job' "$said"
}

# says WORD: what the dispatcher tells a foreign client that says WORD.
says() {
    TMPDIR=$scratch timeout "$patience" "$windpipe" send --foreign \
        --framing lines --expect-reply jobs "$1"
}

# Who is given the first job goes without having begun: it comes again, last. The next
# one's worker is killed, the third one's is asked to end.
mkfifo "$scratch/at_work" "$scratch/go1" "$scratch/go2"
exec {said}<>"$scratch/at_work" {go1}<>"$scratch/go1" {go2}<>"$scratch/go2"
echo "echo 0 >>'$scratch/out'" >"$scratch/jobs"
for n in 1 2; do
    echo "echo at work >'$scratch/at_work'; timeout $patience head -n 1 '$scratch/go$n' >/dev/null"
done >>"$scratch/jobs"
seq 20 | sed "s|.*|echo & >>'$scratch/out'|" >>"$scratch/jobs"
TMPDIR=$scratch "$examples/dispatcher" jobs <"$scratch/jobs" >"$scratch/became" &
pid=$!
started+=("$pid")
timeout "$patience" "$windpipe" wait jobs || fail 'dispatcher comes up'
same "$(sed -n 1p "$scratch/jobs")" "$(says ready)" \
    'dispatcher gives a foreign client a job'
until [ "$(says status)" = '23 wait, 0 at work, 0 done' ]; do
    [ "$SECONDS" -lt "${by:=$((SECONDS + patience))}" ] || {
        fail 'dispatcher takes back a job that was not begun'
        break
    }
done
start_worker
same '22 wait, 1 at work, 0 done' "$(says status)" \
    'dispatcher tells a foreign client how far it is'
kill -KILL "$worker"
echo >&"$go1" # its command is an orphan now
start_worker
kill -TERM "$worker"
echo >&"$go2"
ended 'worker' "$worker"
same 0 "$status" 'worker ends well on SIGTERM, when its job is done'
"$examples/worker" jobs &
worker=$!
started+=("$worker")
ended 'worker' "$worker"
same 0 "$status" 'worker ends well when there is nothing left to do'
ended 'dispatcher' "$pid"
same 1 "$status" 'dispatcher says that not all was done'
# In any order: one that a worker was given when it ended comes again, last.
same "$(seq 0 20)" "$(sort -n "$scratch/out")" 'each job is done once'
same "unknown: $(sed -n 2p "$scratch/jobs")
0: $(sed -n 3p "$scratch/jobs")
22 of 23 done" "$(sed -n '1,2p;$p' "$scratch/became")" \
    'dispatcher knows which job was lost with its worker'
exec {said}>&- {go1}>&- {go2}>&-

example zero_copy 500
same '500 pictures, 4096000 bytes, sum 510246912' "$out" \
    'zero_copy reads in place what was written in place'

example unique_name
same 'one message of 100000 bytes in 98 parts' "$out" \
    'unique_name puts a message together again'

example anonymous 'letters for a shell
'
same 'LETTERS FOR A SHELL' "$out" 'anonymous writes to a child'

if "$WINDPIPE_SOURCE/tools/error-table" --check; then
    pass
else
    fail 'docs/errors.md is that of the header'
fi
if timeout 60 "$WINDPIPE_SOURCE/tools/check-examples" --self-test; then
    pass
else
    fail 'tools/check-examples finds what is wrong'
fi
# An installation of a sanitized build is for nobody.
if [ -z "${WINDPIPE_SANITIZE:-}" ]; then
    if timeout 120 "$WINDPIPE_SOURCE/tools/check-examples"; then
        pass
    else
        fail 'the examples of README.md and the manual pages work'
    fi
fi
finish
