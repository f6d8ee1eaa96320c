#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each acquire and release of the ring, weakened: a test notices. Takes a minute or
# so, whatever SECONDS are given.
#
#     tests/soak/atomics.sh [SECONDS]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
setarch "$(uname -m)" -R true 2>/dev/null || {
    echo "skipped: ThreadSanitizer needs setarch -R here"
    exit 77
}
exec tools/check-atomics
