#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Servers that send their clients on to pipes of their own, as H.Pipes and
# named-pipe-wrapper do, and clients of such servers, each both ways: a table.
# "h-pipes" is the library itself, from NuGet; where it cannot be had within a
# minute that is skipped, with a line that says so. The others speak as it does.
#
# Usage: test_second_pipe.sh dotnet | mono | python | h-pipes
# Set: WINDPIPE_SECOND (the C program), WINDPIPE_INTEROP (a directory for builds)
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/interop/dotnet/build.sh
. "$here/dotnet/build.sh"
: "${WINDPIPE_SECOND:?}"

ROUNDS=4

# The library, restored and built in a directory of its own: sets `peer`.
h_pipes() {
    local version source=$WINDPIPE_INTEROP/h-pipes log=$WINDPIPE_INTEROP/h-pipes.log
    command -v dotnet >/dev/null || skip 'dotnet is not here'
    version=$(dotnet --version) || exit 1
    mkdir -p "$source" && cp "$here"/h-pipes/* "$source" || exit 1
    timeout -k 5 60 dotnet restore --disable-build-servers -v quiet \
        -p:TargetFramework="net${version%%.*}.0" "$source/HPipes.csproj" \
        </dev/null >"$log" 2>&1 ||
        skip "H.Pipes cannot be restored from NuGet: $(
            grep -o -m 1 'NU[0-9]*: .*' "$log" || echo 'no answer in a minute'
        )"
    timeout -k 5 60 dotnet build --no-restore --nologo -v quiet -c Release \
        --disable-build-servers -p:TargetFramework="net${version%%.*}.0" \
        -o "$source/out" "$source/HPipes.csproj" </dev/null >"$log" 2>&1 ||
        { cat "$log"; exit 1; }
    peer=(dotnet "$source/out/HPipes.dll")
}

kind=${1:?}
forms=(h-pipes wrapper)
case $kind in
h-pipes)
    h_pipes
    forms=(h-pipes)
    ;;
python)
    command -v python3 >/dev/null || skip 'python3 is not here'
    peer=(python3 "$here/second.py")
    ;;
*)
    peer_of "$kind"
    peer+=(second)
    [ "$kind" = mono ] || forms=(h-pipes) # .NET has no BinaryFormatter now
    ;;
esac

scratch=$(mktemp -d) || exit 1
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$scratch"' EXIT
export TMPDIR=$scratch/t WINDPIPE_DIR=$scratch/dir
mkdir -m 0700 "$TMPDIR" "$WINDPIPE_DIR"

# words WHO ROLE NAME FORM: what starts it
words() {
    if [ "$1" = ours ]; then
        words=("$WINDPIPE_SECOND" "$2" "$3" "$4" "$ROUNDS")
    elif [ "$kind" = h-pipes ]; then
        words=("${peer[@]}" "$2" "$3" "$ROUNDS")
    else
        words=("${peer[@]}" "$2" "$3" "$4" "$ROUNDS")
    fi
}

failed=0
# row SERVER CLIENT FORM
row() {
    local name=s.$1.$3 first second verdict=ok left
    words "$1" server "$name" "$3"
    timeout -k 1 60 "${words[@]}" </dev/null &
    first=$!
    for ((i = 0; i < 1000; i++)); do
        [ -S "$TMPDIR/CoreFxPipe_$name" ] && break
        read -rt 0.01 <> <(:) || :
    done
    words "$2" client "$name" "$3"
    timeout -k 1 60 "${words[@]}" </dev/null
    second=$?
    [ "$second" -eq 0 ] || kill "$first" 2>/dev/null
    wait "$first"
    first=$?
    left=$(find "$TMPDIR" "$WINDPIPE_DIR" -mindepth 1)
    if [ "$first" -ne 0 ] || [ "$second" -ne 0 ] || [ -n "$left" ]; then
        verdict="FAILED ($first, $second) left: $left"
        failed=1
    fi
    printf '%-8s %-8s server is %s, client is %s, %d times 150 messages: %s\n' \
        "$kind" "$3" "$1" "$2" "$ROUNDS" "$verdict"
}

for form in "${forms[@]}"; do
    row ours other "$form"
    row other ours "$form"
done
exit "$failed"
