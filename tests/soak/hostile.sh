#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A peer that rewrites the words and records of its shared memory at full speed
# while we read and write, under AddressSanitizer: the cases of
# tests/fault/test_hostile_ring.c that do so for a second or two, for SECONDS.
#
#     tests/soak/hostile.sh [SECONDS]     300
set -euo pipefail

seconds=${1:-300} rounds=0
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
./dev build asan >/dev/null
end=$((SECONDS + seconds))
while [ "$SECONDS" -lt "$end" ]; do
    build/asan/tests/fault-hostile_ring '*_rewritten_at_full_speed*' \
        >build/hostile.out || {
        cat build/hostile.out
        exit 1
    }
    rounds=$((rounds + 1))
done
printf 'hostile: %d rounds, all passed\n' "$rounds"
