# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of the tool share. A test sources this, says what it expects
# and ends with `finish`. Nothing waits by sleeping: a server is waited for
# with `windpipe wait`, output with until_line; every command is bounded.
#
#     WINDPIPE=/full/path/to/windpipe bash tests/cli/test_NAME.sh

set -u
shopt -s lastpipe # `printf x | run ...` sets the variables of this shell

: "${WINDPIPE:?set it to the full path of the tool}"
windpipe=$WINDPIPE
# A sanitizer makes everything slower; nothing waits this long when all is well.
patience=20

scratch=$(mktemp -d "${TMPDIR:-/tmp}/windpipe-test.XXXXXX")
export WINDPIPE_DIR=$scratch/pipes
export WINDPIPE_SHARED_DIR=$scratch/shared
unset NO_COLOR
passed=0
failed=0
started=()
out=
err=
status=0

# A child that is killed before its exec would run this, too.
main_process=$BASHPID
cleanup() {
    local pid
    [ "$BASHPID" -eq "$main_process" ] || return 0
    for pid in "${started[@]}"; do
        kill -KILL "$pid" 2>/dev/null
    done
    wait 2>/dev/null
    rm -rf "$scratch"
}
trap cleanup EXIT

pass() {
    passed=$((passed + 1))
}

fail() {
    failed=$((failed + 1))
    printf 'FAILED: %s\n' "$*"
}

finish() {
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
    exit
}

# run ARGUMENTS...: the tool, bounded; sets out, err and status. stdin is the
# caller's.
run() {
    timeout -k 1 "$patience" "$windpipe" "$@" \
        >"$scratch/out" 2>"$scratch/err"
    status=$?
    out=$(tr -d '\0' <"$scratch/out")
    err=$(tr -d '\0' <"$scratch/err")
}

# check WHAT COMMAND...: it must succeed.
check() {
    local what=$1
    shift
    if "$@"; then
        pass
    else
        fail "$what"
    fi
}

show() {
    printf '  status %s\n  stdout: %.300q\n  stderr: %.300q\n' "$status" \
        "$out" "$err"
}

# expect STATUS WHAT: of the last run.
expect() {
    if [ "$status" -eq "$1" ]; then
        pass
    else
        fail "$2: expected exit $1"
        show
    fi
}

# same WANTED GOT WHAT
same() {
    if [ "$1" = "$2" ]; then
        pass
    else
        fail "$3"
        printf '  wanted: %.300q\n  got:    %.300q\n' "$1" "$2"
    fi
}

# like REGEX TEXT WHAT
like() {
    if [[ $2 =~ $1 ]]; then
        pass
    else
        fail "$3"
        printf '  wanted: %s\n  got:    %.300q\n' "$1" "$2"
    fi
}

# unlike REGEX TEXT WHAT
unlike() {
    if [[ $2 =~ $1 ]]; then
        fail "$3"
        printf '  not wanted: %s\n  got:    %.300q\n' "$1" "$2"
    else
        pass
    fi
}

# json FILE WHAT: every line is an object with "v":1, and there is one.
json() {
    if python3 - "$1" <<'PYTHON'; then
import json, sys
lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
assert lines, "no output"
for line in lines:
    value = json.loads(line)
    assert isinstance(value, dict) and value["v"] == 1, line
PYTHON
        pass
    else
        fail "$2: not JSON"
        head -n 5 "$1"
    fi
}

# member FILE LINE EXPRESSION: of the object o in that line (from 0; negative
# counts from the end).
member() {
    python3 - "$1" "$2" "$3" <<'PYTHON'
import json, sys
o = json.loads(open(sys.argv[1], encoding="utf-8").read()
               .splitlines()[int(sys.argv[2])])
print(eval(sys.argv[3]))
PYTHON
}

# start ARGUMENTS...: the tool in the background. Sets `pid`, and `lines` to a
# descriptor that its stdout and stderr are read from (only its stderr with
# mute=1: for one that prints more than a fifo holds). Its stdin stays open as
# descriptor `typed` without an end.
start() {
    local name=$scratch/start.$((${#started[@]} + 1))
    mkfifo "$name.in" "$name.out"
    # A shell without job control makes its children ignore SIGINT.
    if [ -n "${mute:-}" ]; then
        env --default-signal=INT "$windpipe" "$@" \
            <"$name.in" 2>"$name.out" >/dev/null &
    else
        env --default-signal=INT "$windpipe" "$@" \
            <"$name.in" >"$name.out" 2>&1 &
    fi
    pid=$!
    started+=("$pid")
    # shellcheck disable=SC2034 # typed is for the tests
    exec {typed}>"$name.in" {lines}<"$name.out"
}

# start_server NAME ARGUMENTS...: `serve ARGUMENTS NAME`, and wait for it.
start_server() {
    local name=$1
    shift
    start serve "$@" "$name"
    timeout "$patience" "$windpipe" wait "$name" ||
        fail "serve $* $name does not come up"
}

# until_line REGEX [DESCRIPTOR]: read until a line matches; sets `line`.
until_line() {
    local seen=
    while IFS= read -r -t "$patience" -u "${2:-$lines}" line; do
        [[ $line =~ $1 ]] && return 0
        seen+="    $line"$'\n'
    done
    line=
    printf '  no line like %s in:\n%s' "$1" "$seen"
    return 1
}

# saw REGEX WHAT [DESCRIPTOR]: until_line as a check.
saw() {
    if until_line "$1" "${3:-$lines}"; then
        pass
    else
        fail "$2"
    fi
}

# ends PID: wait for that, bounded.
ends() {
    python3 - "$1" "$patience" <<'PYTHON'
import os, select, sys
try:
    process = os.pidfd_open(int(sys.argv[1]))
except ProcessLookupError:
    sys.exit(0)
ended = select.poll()
ended.register(process, select.POLLIN)
sys.exit(not ended.poll(int(sys.argv[2]) * 1000))
PYTHON
}

# ended WHAT [PID]: it must end by itself; sets status.
ended() {
    local target=${2:-$pid}
    if ! ends "$target"; then
        fail "$1: does not end"
        kill -KILL "$target" 2>/dev/null
    fi
    wait "$target" 2>/dev/null
    status=$?
}

# stop_server [PID]: by SIGTERM, and see it end.
# shellcheck disable=SC2120 # not every test has more than one
stop_server() {
    local target=${1:-$pid}
    kill -TERM "$target" 2>/dev/null
    ended "server" "$target"
}
