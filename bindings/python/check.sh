#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the Python package as its users get it, and tests what came out:
#   check.sh package DIRECTORY   a wheel and the sources into DIRECTORY
#   check.sh test [EXAMPLES]     the wheel in a fresh environment: tests, types,
#                                the chat with that of C and C++ in EXAMPLES
# 77: a part of Python's own is missing here.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PYTHON:-/usr/bin/python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

missing() {
    echo "skipped: $*"
    exit 77
}

package() {
    local copy=$scratch/source
    "$python" -c 'import setuptools, wheel' 2>/dev/null ||
        missing "$python has no setuptools or wheel"
    [ -e "$("$python" -c 'import sysconfig
print(sysconfig.get_paths()["include"])')/Python.h" ] ||
        missing "$python has no Python.h"
    mkdir -p "$1" "$copy/library"
    cp -r "$here"/{pyproject.toml,setup.py,MANIFEST.in,README.md,src,windpipe} \
        "$copy"
    find "$copy" -name '*.so' -delete
    cp -r "$root/src" "$root/include" "$copy/library"
    # quiet but for what goes wrong
    (cd "$copy" && "$python" setup.py -q sdist -d "$1" bdist_wheel -d "$1") \
        >"$scratch/log" 2>&1 || {
        cat "$scratch/log"
        exit 1
    }
    ls "$1"/windpipe-*.whl "$1"/windpipe-*.tar.gz
}

run_tests() {
    package "$scratch/packages"
    "$python" -c 'import pytest' 2>/dev/null || missing "$python has no pytest"
    mkdir "$scratch/site"
    # what pip does with a wheel, into a place of its own
    "$python" -m zipfile -e "$scratch"/packages/*.whl "$scratch/site"
    cp -r "$here/tests" "$scratch/tests"
    cd "$scratch"
    PYTHONPATH=$scratch/site PYTHONDONTWRITEBYTECODE=1 \
        "$python" -m pytest -q -p no:cacheprovider tests
    if command -v mypy >/dev/null; then
        (cd site && mypy --strict --cache-dir "$scratch/mypy" windpipe \
            "$here"/examples/*.py)
    else
        echo "skipped: the types are not checked, there is no mypy"
    fi
    if [ -x "${1-}/cpp/chat_server" ]; then
        PYTHON=$python PYTHONPATH=$scratch/site PYTHONDONTWRITEBYTECODE=1 \
            bash "$root/tests/cpp/chat.sh" "$1" "$here/examples"
    else
        echo "skipped: the chat with C and C++, which are not built"
    fi
}

case ${1-} in
package) package "$(mkdir -p "$2" && cd "$2" && pwd)" ;;
test) run_tests "${2-}" ;;
*)
    sed -n '3,8p' "$0"
    exit 2
    ;;
esac
