#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by the tests with .NET peers: builds the C# program and tells how to
# start it. Nothing is fetched: the program needs no package. Where a runtime
# is missing the test says so in one line and ends as skipped.
# Set: WINDPIPE_INTEROP (a directory for builds)

interop_dotnet=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${WINDPIPE_INTEROP:?}"

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
export DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 DOTNET_CLI_HOME=$WINDPIPE_INTEROP

skip() {
    echo "skipped: $1"
    exit 77
}

# For the newest framework that the SDK knows, once for all tests.
build_dotnet() {
    local version source=$WINDPIPE_INTEROP/source
    command -v dotnet >/dev/null || skip 'dotnet is not here'
    version=$(dotnet --version) || return 1
    mkdir -p "$source" &&
        cp "$interop_dotnet"/*.cs "$interop_dotnet/Peer.csproj" "$source" &&
        (cd "$source" &&
            TMPDIR=/tmp timeout -k 5 160 dotnet build --nologo -v quiet \
                -c Release --disable-build-servers \
                -p:TargetFramework="net${version%%.*}.0" \
                -o "$WINDPIPE_INTEROP/out" Peer.csproj </dev/null)
}

# The words that start the program with a runtime: in the array `peer`.
peer_of() {
    local exe=$WINDPIPE_INTEROP/mono/Peer.exe
    case $1 in
    dotnet)
        command -v dotnet >/dev/null || skip 'dotnet is not here'
        [ -f "$WINDPIPE_INTEROP/out/Peer.dll" ] ||
            skip 'the .NET program could not be built'
        # shellcheck disable=SC2034 # for the script that reads this one
        peer=(dotnet "$WINDPIPE_INTEROP/out/Peer.dll")
        ;;
    mono)
        command -v mono >/dev/null || skip 'mono is not here'
        command -v mcs >/dev/null || skip 'mcs (of mono) is not here'
        mkdir -p "${exe%/*}"
        mcs -r:System.Core -out:"$exe.$$" "$interop_dotnet"/*.cs || exit 1
        mv "$exe.$$" "$exe"
        # shellcheck disable=SC2034
        peer=(mono "$exe")
        ;;
    *) exit 2 ;;
    esac
}
