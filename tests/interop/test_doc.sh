#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Takes the programs out of docs/interop.md and runs one of them against the
# tool's echo server: it has to print what it said.
#
# Usage: test_doc.sh cs | mono | ps1 | py | js | c | sh
# Set: WINDPIPE (the tool), WINDPIPE_INTEROP (a directory for builds)
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/interop/dotnet/build.sh
. "$here/dotnet/build.sh"
: "${WINDPIPE:?}"

scratch=$(mktemp -d) || exit 1
server=
# shellcheck disable=SC2317 # called by trap
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    wait
    rm -rf "$scratch"
}
trap finish EXIT
export WINDPIPE_DIR=$scratch/dir
mkdir -m 0700 "$scratch/tmp" "$WINDPIPE_DIR"
cd "$scratch" || exit 1

need() {
    command -v "$1" >/dev/null || skip "$1 is not here"
}

# take FILE: the block that is marked with this name
take() {
    awk -v "file=$1" '
        inside && /^```/ { exit }
        inside { print }
        $1 ~ /^```/ && $2 == file { inside = 1 }
    ' "$here/../../docs/interop.md" >"$1"
    [ -s "$1" ] || { echo "no block $1 in docs/interop.md"; exit 1; }
}

# Sets `words`: what runs the program.
prepare() {
    case $1 in
    cs)
        need dotnet
        take client.cs
        cp "$here/dotnet/Peer.csproj" client.csproj
        version=$(dotnet --version) || exit 1
        timeout -k 5 150 dotnet build --nologo -v quiet -c Release \
            --disable-build-servers \
            -p:TargetFramework="net${version%%.*}.0" -o out client.csproj \
            </dev/null >log 2>&1 || { cat log; exit 1; }
        words=(dotnet out/client.dll)
        ;;
    mono)
        need mono
        need mcs
        take client.cs
        mcs -r:System.Core client.cs || exit 1
        words=(mono client.exe)
        ;;
    ps1) need pwsh; take client.ps1; words=(pwsh -NoProfile client.ps1) ;;
    py) need python3; take client.py; words=(python3 client.py) ;;
    js) need node; take client.js; words=(node client.js) ;;
    c) take client.c; cc -o client client.c || exit 1; words=(./client) ;;
    sh) need socat; take client.sh; words=(bash client.sh) ;;
    *) exit 2 ;;
    esac
}

prepare "${1:?}"
framing=le32
[ "$1" = sh ] && framing=lines
export TMPDIR=$scratch/tmp
timeout -k 1 60 "$WINDPIPE" serve --echo --foreign --framing "$framing" \
    greeter </dev/null >serve.log 2>&1 &
server=$!
for ((i = 0; i < 1000; i++)); do
    [ -S "$TMPDIR/CoreFxPipe_greeter" ] && break
    read -rt 0.01 <> <(:) || :
done
seen=$(timeout -k 1 30 "${words[@]}" </dev/null 2>&1)
echo "$1: expected Hello, seen $seen"
[ "$seen" = Hello ] || { cat serve.log; exit 1; }
