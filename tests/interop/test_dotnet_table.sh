#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The rows of the .NET checklist that can be seen on the wire, against a real
# runtime as server and as client: one table, row, expected, seen.
#
# Usage: test_dotnet_table.sh dotnet | mono
# Set: WINDPIPE_TABLE (the C program), WINDPIPE_INTEROP (a directory for builds)
set -u
# shellcheck source=tests/interop/dotnet/build.sh
. "$(dirname "${BASH_SOURCE[0]}")/dotnet/build.sh"

peer_of "${1:?}"
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
chmod 0711 "$scratch"
export TMPDIR=$scratch/tmp WINDPIPE_DIR=$scratch/dir
mkdir -m 1777 "$TMPDIR"
mkdir -m 0700 "$WINDPIPE_DIR"
umask 022

printf 'with %s %s\n' "$1" "$(if [ "$1" = mono ]; then
    mono --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p'
else
    dotnet --version
fi)"
timeout -k 5 170 "${WINDPIPE_TABLE:?}" "${peer[@]}" agent
