#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bench: that it measures, ends in time and says it in all its ways. Not what
# the numbers are.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for shared in auto never now; do
    run bench --seconds 0.3 --json --shared "$shared"
    expect 0 "bench --json --shared $shared"
    json "$scratch/out" "bench --json --shared $shared"
    same 6 "$(wc -l <"$scratch/out" | tr -d ' ')" "six cases"
    same True "$(member "$scratch/out" 0 \
        "o['windpipe_us'] > 0 and o['unix_us'] > 0 and o['times'] > 0")" \
        "round trip"
    same True "$(member "$scratch/out" -1 \
        "o['windpipe_bytes_s'] > 0 and o['size'] == 1048576")" "one way"
done
for spin in off default 500us; do
    run bench --seconds 0.3 --json --spin "$spin"
    expect 0 "bench --json --spin $spin"
    same "${spin%us}" "$(member "$scratch/out" 0 "o['spin']")" \
        "the spin that was asked for"
done
for spin in 0 -1 10001 2.5 1ms never ""; do
    run bench --seconds 0.3 --spin "$spin"
    expect 2 "bench --spin '$spin'"
    like "'$spin' is not a value of --spin" "$err" "and why"
done
run ls --all --names
before=$out
run bench --seconds 0.3
expect 0 "bench"
like "round trip +64 B +[0-9.]+ us +[0-9.]+ us +[0-9.]+x" "$out" "a table"
like "one way +1 MiB +[0-9.]+ [MG]B/s" "$out" "of all cases"
run bench --seconds 0.3 --picture
expect 0 "bench --picture"
like "windpipe +#+ [0-9.]+ us" "$out" "bars"
run ls --all --names
same "$before" "$out" "nothing is left"

finish
