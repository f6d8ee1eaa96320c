#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Echo round trips with programs of other kinds, each as server and as client,
# with every framing that it can speak: a table. What is not here is skipped,
# with a line that says so.
#
# Usage: test_others.sh node | python | multiprocessing | socat
# Set: WINDPIPE_ECHO (the C program)
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${WINDPIPE_ECHO:?}"

scratch=$(mktemp -d) || exit 1
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$scratch"' EXIT
export TMPDIR=$scratch/tmp WINDPIPE_DIR=$scratch/dir
mkdir -m 0700 "$TMPDIR" "$WINDPIPE_DIR"

have() {
    command -v "$1" >/dev/null && return
    echo "skipped: $1 is not here"
    exit 77
}

# wait_for PATH: until it is there, ten seconds at the most
wait_for() {
    local i
    for ((i = 0; i < 1000; i++)); do
        [ -e "$1" ] && return
        read -rt 0.01 <> <(:) || :
    done
}

# other ROLE PATH FRAMING: run the other program
other() {
    case $kind.$1 in
    node.*) exec node "$here/peer.js" "$@" ;;
    python.*) exec python3 "$here/peer.py" "$@" ;;
    multiprocessing.*) exec python3 "$here/peer.py" "$1" "$2" "$kind" ;;
    socat.server) exec socat "UNIX-LISTEN:$2" SYSTEM:cat ;;
    socat.client) socat_client "$2" ;;
    esac
}

# Lines from here come back.
socat_client() {
    seq 1 5000 >"$scratch/sent"
    socat -t 10 "UNIX-CONNECT:$1" - <"$scratch/sent" >"$scratch/back"
    cmp "$scratch/sent" "$scratch/back"
}

failed=0
# row ROLE FRAMING LONGEST: ROLE is the other program's
row() {
    local name=echo.$1.$2 path first second verdict=ok role=client
    path=$TMPDIR/CoreFxPipe_$name
    [ "$1" = client ] && role=server
    if [ "$role" = server ]; then
        timeout -k 1 30 "$WINDPIPE_ECHO" server "$name" "$2" "$3" </dev/null &
        first=$!
        wait_for "$path"
        (other client "$path" "$2")
        second=$?
    else
        (other server "$path" "$2") </dev/null &
        first=$!
        timeout -k 1 30 "$WINDPIPE_ECHO" client "$name" "$2" "$3" </dev/null
        second=$?
    fi
    [ "$second" -eq 0 ] || kill "$first" 2>/dev/null
    wait "$first"
    first=$?
    if [ "$first" -ne 0 ] || [ "$second" -ne 0 ]; then
        verdict="FAILED ($first, $second)"
        failed=1
    fi
    printf '%-16s %s, we are the %s, %-10s %s\n' "$kind" "$1" "$role" "$2" \
        "$verdict"
}

kind=${1:?}
case $kind in
node | python)
    if [ "$kind" = node ]; then have node; else have python3; fi
    for framing in raw le32 be32 lines headers type-le32; do
        row client "$framing" 300000
        row server "$framing" 300000
    done
    ;;
multiprocessing)
    have python3
    row client be32 300000
    row server be32 300000
    ;;
socat)
    have socat
    row client raw 0
    row server raw 300000
    row client lines 0
    row server lines 300000
    ;;
*) exit 2 ;;
esac
exit "$failed"
