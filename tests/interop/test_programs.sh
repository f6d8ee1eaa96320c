#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The example programs with their C# counterparts at the other end, each pair
# both ways, as a table: what each of the two printed, expected and seen. (One
# byte each way over anonymous pipes is in tests/interop/anonymous.)
#
# Usage: test_programs.sh build | c | dotnet | mono     (the other end)
# Set: WINDPIPE_INTEROP (a directory for builds), WINDPIPE_EXAMPLES (where the
#      examples are)
set -u
# shellcheck source=tests/interop/dotnet/build.sh
. "$(dirname "${BASH_SOURCE[0]}")/dotnet/build.sh"

case ${1:-} in
build)
    build_dotnet
    exit
    ;;
c) ;;
*) peer_of "${1:?}" ;;
esac
: "${WINDPIPE_EXAMPLES:?}"

scratch=$(mktemp -d) || exit 1
export TMPDIR=$scratch/tmp WINDPIPE_DIR=$scratch/dir
mkdir -m 0700 "$TMPDIR" "$WINDPIPE_DIR"
server=
# shellcheck disable=SC2317 # called by trap
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    wait
    rm -rf "$scratch"
}
trap finish EXIT

# one END PROGRAM ROLE: the words that start it, in `words`
one() {
    case $1.$2 in
    c.flaminio) words=("$WINDPIPE_EXAMPLES/flaminio_$3") ;;
    c.raw)
        words=("$WINDPIPE_EXAMPLES/raw_$3") ;;
    c.bytes) words=("$WINDPIPE_EXAMPLES/byte_exchange" "$3") ;;
    c.hello) words=("$WINDPIPE_EXAMPLES/hello_message_$3") ;;
    *)
        words=("${peer[@]}" "$2" "$3") ;;
    esac
}

# row PROGRAM SERVER CLIENT EXPECTED: what the server and the client print,
# line after line. A server that goes on for ever is ended after the line that
# is the last of those expected.
failed=0
row() {
    local seen verdict=ok last words name=pair.$1.$2.$3
    one "$2" "$1" server
    timeout -k 1 30 "${words[@]}" "$name" >"$scratch/server" \
        2>"$scratch/errors" </dev/null &
    server=$!
    one "$3" "$1" client
    timeout -k 1 30 "${words[@]}" "$name" >"$scratch/client" \
        2>>"$scratch/errors" </dev/null
    echo "client status $?" >>"$scratch/client"
    if [ "$1" = flaminio ]; then
        last='client 1 disconnected'
        timeout 10 tail -n +1 -f --pid="$server" "$scratch/server" |
            grep -m 1 -q "$last"
        kill "$server"
    fi
    wait "$server" 2>/dev/null
    server=
    seen=$(grep -hv '^serving' "$scratch/server" "$scratch/client" |
        paste -sd '|')
    seen+=$(cat "$scratch/errors")
    if [ "$seen" != "$4" ]; then
        verdict=FAILED
        failed=1
    fi
    printf '%s: %s server, %s client: %s\n' "$1" "$2" "$3" "$verdict"
    printf '    expected %s\n    seen     %s\n' "$4" "$seen"
}

# expect_flaminio TOPIC TEXT
expect_flaminio() {
    printf '%s|' 'client 1 connected' "client 1: [$1] $2" \
        'client 1 disconnected' '[welcome] flaminio is here' "[heard] $2"
    printf 'client status 0'
}

other=$1
bytes='received 100|received 200|client status 0'
hello='Hello|Hello right back!|client status 0'
from_c=$(expect_flaminio greeting 'hello from c')
from_cs=$(expect_flaminio 'grüße' 'hello from c#')

row bytes c "$other" "$bytes"
row hello c "$other" "$hello"
if [ "$other" = c ]; then
    row flaminio c c "$from_c"
else
    row bytes "$other" c "$bytes"
    row hello "$other" c "$hello"
    row flaminio c "$other" "$from_cs"
    row flaminio "$other" c "$from_c"
    row raw "$other" c 'hello from c++\r\n|client status 0'
fi
exit "$failed"
