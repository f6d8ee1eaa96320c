#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Anonymous pipes between windpipe and other programs: every scenario of peer.c
# with one kind of parent and one kind of child, as a table. A kind that the
# machine does not have is skipped, with a line that says so.
#
# Usage: run.sh build | run.sh PARENT CHILD    (c, python, dotnet, mono)
#        run.sh example    (examples/anonymous_parent with every child)
# Set: WINDPIPE_PEER (the C program), WINDPIPE_INTEROP (a directory for builds),
#      WINDPIPE_EXAMPLES (where the examples are)
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${WINDPIPE_PEER:?}" "${WINDPIPE_INTEROP:?}"
dll=$WINDPIPE_INTEROP/out/Peer.dll
exe=$WINDPIPE_INTEROP/mono/Peer.exe

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
export DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 DOTNET_CLI_HOME=$WINDPIPE_INTEROP

skip() {
    echo "skipped: $1"
    exit 77
}

# A .NET program for the newest framework that the SDK knows; nothing is
# fetched. Once for all tests.
build() {
    local version
    version=$(dotnet --version) || return 1
    mkdir -p "$WINDPIPE_INTEROP/source" &&
        cp "$here/Peer.cs" "$here/Peer.csproj" "$WINDPIPE_INTEROP/source" &&
        (cd "$WINDPIPE_INTEROP/source" &&
            timeout -k 5 150 dotnet build --nologo -v quiet -c Release \
                --disable-build-servers -p:TargetFramework="net${version%%.*}.0" \
                -o "$WINDPIPE_INTEROP/out" Peer.csproj </dev/null)
}

# The words that start one kind: in the array `words`.
words_of() {
    case $1 in
    c) words=("$WINDPIPE_PEER") ;;
    python)
        command -v python3 >/dev/null || skip 'python3 is not here'
        words=(python3 "$here/peer.py")
        ;;
    dotnet)
        command -v dotnet >/dev/null || skip 'dotnet is not here'
        [ -f "$dll" ] || skip 'the .NET program could not be built'
        words=(dotnet "$dll")
        ;;
    mono)
        command -v mono >/dev/null || skip 'mono is not here'
        command -v mcs >/dev/null || skip 'mcs (of mono) is not here'
        mkdir -p "${exe%/*}"
        [ "$exe" -nt "$here/Peer.cs" ] ||
            mcs -r:System.Core -out:"$exe" "$here/Peer.cs" || exit 1
        words=(mono "$exe")
        ;;
    *) exit 2 ;;
    esac
}

# row SCENARIO EXPECTED
failed=0
row() {
    local seen verdict=ok
    seen=$(timeout -k 1 25 "${parent[@]}" parent "$1" "${child[@]}" \
        </dev/null 2>&1) || seen+=" (status $?)"
    if [ "$seen" != "$2" ]; then
        verdict=FAILED
        failed=1
    fi
    printf '%-14s %-34s %-34s %s\n' "$1" "$2" "$seen" "$verdict"
}

# The examples, as their comments say to start them. A child that is not here
# is a line of its own.
example() {
    local name line children=(python dotnet mono) expected
    expected=$'sent 100\ngot 200\nthe child ended with 0'
    words=("$WINDPIPE_EXAMPLES/anonymous_child")
    try_example native
    try_example c --foreign
    for name in "${children[@]}"; do
        if line=$(words_of "$name"); then
            words_of "$name"
            words+=(child hundred)
            try_example "$name" --foreign
        else
            printf '%-14s %s\n' "$name" "$line"
        fi
    done
}

# try_example NAME OPTIONS...: with the child in `words`
try_example() {
    local seen verdict=ok
    seen=$(timeout -k 1 25 "$WINDPIPE_EXAMPLES/anonymous_parent" "${@:2}" \
        "${words[@]}" </dev/null 2>&1) || seen+=" (status $?)"
    if [ "$seen" != "$expected" ]; then
        verdict=FAILED
        failed=1
    fi
    printf '%-14s %s %s\n' "$1" "${seen//$'\n'/, }" "$verdict"
}

if [ "${1:-}" = example ]; then
    example
    exit "$failed"
fi
if [ "${1:-}" = build ]; then
    command -v dotnet >/dev/null || skip 'dotnet is not here'
    build
    exit
fi
words_of "${2:?}"
child=("${words[@]}")
words_of "$1"
parent=("${words[@]}")
printf 'anonymous pipes: %s parent, %s child\n' "$1" "$2"
printf '%-14s %-34s %-34s\n' scenario expected seen
row hundred '200 end exit 0'                        # .NET row 115
row child-closes '1 2 3 4 5 end exit 0'             # .NET rows 113, 117
row parent-closes '5 end exit 0'                    # .NET rows 116, 118
row big 'same end exit 0'
row framed 'Hello right back! same end exit 0'
row size '8192 8192 end exit 0'                     # .NET row 125
row broken 'broken end exit 0'                      # Windows row 298
exit "$failed"
