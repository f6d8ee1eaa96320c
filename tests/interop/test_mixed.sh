#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Native and foreign clients of one server at once, foreign ones killed and
# restarted meanwhile: mixed.c tells how.
#
# Usage: test_mixed.sh c | dotnet    CLIENTS MESSAGES ROUNDS
# Set: WINDPIPE_MIXED (the C program), WINDPIPE_INTEROP (a directory for builds)
set -u
# shellcheck source=tests/interop/dotnet/build.sh
. "$(dirname "${BASH_SOURCE[0]}")/dotnet/build.sh"

peer=()
[ "${1:?}" = c ] || peer_of "$1"
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch/tmp WINDPIPE_DIR=$scratch/dir
mkdir -m 0700 "$TMPDIR" "$WINDPIPE_DIR"
timeout -k 5 175 "${WINDPIPE_MIXED:?}" "${@:2}" ${peer[@]+"${peer[@]}"}
