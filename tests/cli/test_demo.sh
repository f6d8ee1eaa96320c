#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo, made short, and the programs that it shows: the chat and the
# transfer.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

: "${WINDPIPE_SOURCE:?}" "${WINDPIPE_BUILD:?}"
examples=$WINDPIPE_BUILD/examples
if [ ! -x "$examples/chat_server" ]; then
    echo 'skipped: the examples are not built'
    exit 77
fi

# ---- the demo ---------------------------------------------------------------

out=$(DEMO_BYTES=50000000 DEMO_SECONDS=0.3 timeout -k 1 60 \
    bash "$WINDPIPE_SOURCE/examples/demo.sh" 2>"$scratch/err" </dev/null)
status=$?
err=$(<"$scratch/err")
expect 0 "the demo"
like 'ann \| \[weather\] ann: it rains' "$out" "who follows a topic hears it"
like 'bob \| \[weather\] ann: it rains' "$out" "and so does another"
unlike 'eve \| \[weather\]' "$out" "and nobody else"
like 'chat +message +3 ' "$out" "three clients are seen"
like 'server \| bob died \(its process is gone\)' "$out" "a death is told"
like '\] 100%  [0-9.]+ GB/s' "$err" "a progress bar"
like 'sent +50000000 bytes, checksum ([0-9a-f]{16})' "$out" "what was sent"
sum=${BASH_REMATCH[1]:-}
like "received +50000000 bytes, checksum $sum" "$out" "is what was received"
like 'round trip +64 B +[0-9.]+ us' "$out" "latency"
like 'one way +1 MiB +[0-9.]+ [MG]B/s' "$out" "throughput"

# ---- the transfer -----------------------------------------------------------

# transfer BYTES: both ends; the results in sent and received.
transfer() {
    timeout "$patience" "$examples/transfer" recv big >"$scratch/received" &
    local receiver=$!
    sent=$(timeout "$patience" "$examples/transfer" send big "$1" 2>/dev/null)
    status=$?
    wait "$receiver" || status=$?
    received=$(<"$scratch/received")
}
for size in 0 1 31 32 33 262143 262144 1000001; do
    transfer "$size"
    expect 0 "a transfer of $size bytes"
    like "^received +$size bytes, checksum ([0-9a-f]{16})\$" "$received" \
        "$size bytes arrive"
    like "^sent +$size bytes, checksum ${BASH_REMATCH[1]:-none}," "$sent" \
        "$size bytes and their checksum"
done
out=$(timeout "$patience" "$examples/transfer" send 2>&1)
status=$?
expect 2 "transfer without operands"

# ---- the chat ---------------------------------------------------------------

"$examples/chat_server" board >"$scratch/said" &
pid=$!
started+=("$pid")
run wait board
printf 'hello\nthere\n' |
    timeout "$patience" "$examples/chat_client" board ann news >/dev/null
# A client that does not speak its way is sent away.
run send --expect-reply board 'not typed'
expect 6 "the chat sends strangers away"
run send --expect-reply --topic follow board 'only-a-name'
expect 6 "and those who follow nothing"
kill -TERM "$pid"
ended "chat_server"
same $'chat on board\nann follows news\nann left' "$(<"$scratch/said")" \
    "the server says who came and left"
out=$(timeout "$patience" "$examples/chat_client" one two 2>&1)
status=$?
expect 2 "chat_client without operands"

finish
