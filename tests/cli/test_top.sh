#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# windpipe top: JSON lines, and the table, on a terminal that top_screen.py
# plays and reads.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
here=$(dirname "${BASH_SOURCE[0]}")

# ---- JSON -------------------------------------------------------------------

run top --json --count 1 --interval 0.05 -w "$patience"
expect 0 "top --json of nothing"
same "" "$out" "top --json of nothing"

start_server busy --echo
server=$pid
start_server idle --byte
other=$pid
start connect busy
client=$pid
to=$typed
from=$lines
echo 'hello there' >&"$to"
saw "hello there" "an echo" "$from"

# A client that talks all the while, one message after the other's echo.
env --default-signal=INT "$windpipe" top --json --interval 0.1 \
    -w "$patience" >"$scratch/top" &
top=$!
started+=("$top")
busy='"name":"busy".*"messages_s":[^0]'
for ((i = 0; i < 10000; i++)); do
    echo more >&"$to"
    until_line more "$from" || break
    grep -q "$busy" "$scratch/top" && break
done
kill -INT "$top"
ended "top --json" "$top"
expect 130 "top --json after SIGINT"
json "$scratch/top" "top --json"
grep "$busy" "$scratch/top" >"$scratch/busy"
same "busy open message 1 True True 0 0 True" "$(member "$scratch/busy" 0 \
    "' '.join(map(str, (o['name'], o['state'], o['type'], o['clients'],
    o['messages_s'] > 0, o['bytes_s'] > 3.9 * o['messages_s'], o['queued'],
    o['refused'], o['transport'] in ('socket', 'shared'))))")" \
    "top --json: what it tells"
same "idle open 0 0 -" "$(member "$scratch/top" -1 "' '.join(map(str, (o['name'],
    o['state'], o['clients'], o['messages_s'], o['transport'])))")" \
    "top --json: nobody there"
same 1 "$(python3 -c '
import json, sys
looks = {}
for line in open(sys.argv[1]):
    o = json.loads(line)
    looks.setdefault(o["time"], []).append(o["name"])
print(len({tuple(names) for names in list(looks.values())[:-1]} or {0}))
' "$scratch/top")" "top --json: one time for all of a look"

# ---- the table --------------------------------------------------------------

python3 "$here/top_screen.py" "$windpipe"
status=$?
if [ "$status" -eq 77 ]; then
    echo "SKIPPED: the table: built without ncurses"
else
    same 0 "$status" "the table"
fi
stop_server "$client"
stop_server "$other"
stop_server "$server"

finish
