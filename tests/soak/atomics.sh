#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each acquire, release and fence of the library, weakened: a test notices. Takes minutes,
# whatever SECONDS are given.
#
#     tests/soak/atomics.sh [SECONDS]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec tools/check-atomics
