#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The collector under fire: producers at full speed, random kill -9 of them and
# of the server, maybe beside busy loops; nothing may be lost or doubled, and the
# collector, restarts included, may not be without a message for a second.
#
#     tests/soak/collector.sh [SECONDS] [PRODUCERS] [LOOPS]     300 50 0
#
# By hand: a run needs a few hundred MB in TMPDIR for its file.
set -euo pipefail

seconds=${1:-300} producers=${2:-50} loops=${3:-0}
build=${WINDPIPE_BUILD:-$(dirname "${BASH_SOURCE[0]}")/../../build/release}
busy=()

scratch=$(mktemp -d)
end() {
    for pid in "${busy[@]}"; do kill "$pid" 2>/dev/null || :; done
    rm -rf "$scratch"
}
trap end EXIT

for ((i = 0; i < loops; i++)); do
    (while :; do :; done) &
    busy+=("$!")
done
export TMPDIR=$scratch XDG_RUNTIME_DIR=$scratch WINDPIPE_DIR=$scratch/windpipe
mkdir -m 700 "$WINDPIPE_DIR"
timeout $((seconds + 60)) \
    "$build/examples/collector" check "$seconds" "$producers" |
    tee "$scratch/said"
worst=$(sed -n 's/^longest time without a message: \([0-9]*\) ms$/\1/p' \
    "$scratch/said")
[ "${worst:-1000}" -lt 1000 ] || {
    echo "too long without a message" >&2
    exit 1
}
