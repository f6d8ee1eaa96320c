#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs the consumer project: run.sh WAY BUILD-DIRECTORY, where WAY is
# find_package, add_subdirectory or pkg-config. The first and the last use an
# installation of the build into a prefix that is thrown away, moved once to
# show that nothing in it names the place it was made for.
set -euo pipefail

way=$1
build=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$(cd "$here/../.." && pwd)
cc=${CC:-cc}
cmake=${CMAKE:-cmake}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export WINDPIPE_DIR=$dir/run
mkdir -m 700 "$WINDPIPE_DIR"

install_moved() {
    env -u DESTDIR "$cmake" --install "$build" --prefix "$dir/first" >/dev/null
    mv "$dir/first" "$dir/prefix"
}

# A page for each function was installed, if what makes them was there.
expect_pages() {
    local page
    if [ ! -d "$build/man3" ]; then
        echo "skipped: the build has no python3 to make pages of functions"
        return 0
    fi
    for page in wpipe_server_send wpipe_write_commit wpipe_strerror; do
        [ -n "$(find "$dir/prefix" -path "*/man3/$page.3")" ] || {
            echo "there is no page for $page" >&2
            exit 1
        }
    done
}

build_project() {
    "$cmake" -S "$here" -B "$dir/build" -DCMAKE_C_COMPILER="$cc" \
        -DCMAKE_C_FLAGS='-std=c99 -Wall -Wextra -pedantic -Werror' "$@"
    "$cmake" --build "$dir/build"
}

# C++ sets up every struct without a warning, with each compiler there is.
expect_plain_cplusplus() {
    local cxx flags
    read -ra flags < <(pkg-config --cflags windpipe)
    for cxx in g++ clang++; do
        if ! command -v "$cxx" >/dev/null; then
            echo "skipped: $cxx is not installed"
            continue
        fi
        "$cxx" -std=c++17 -Wall -Wextra -pedantic -Werror -o "$dir/$cxx" \
            "$here/init.cpp" "${flags[@]}" "$lib/libwindpipe.a" -pthread
        "$dir/$cxx"
    done
    "$cc" -std=c99 -Wall -Wextra -pedantic -Werror -o "$dir/init" \
        -x c "$here/init.cpp" -x none "${flags[@]}" "$lib/libwindpipe.a" -pthread
    "$dir/init"
}

# The library's own version, asked of the program that was built with it.
expect() {
    local want=$1 program got
    shift
    for program in "$@"; do
        got=$("$program")
        printf '%s: %s\n' "$(basename "$program")" "$got"
        [ "$got" = "windpipe $want serves consumer" ] || exit 1
    done
}

version=$(sed -nE 's/^  VERSION ([0-9.]+)$/\1/p' "$source/CMakeLists.txt")

case $way in
find_package)
    install_moved
    expect_pages
    build_project -DCMAKE_PREFIX_PATH="$dir/prefix"
    expect "$version" "$dir/build/with_shared" "$dir/build/with_static"
    ;;
add_subdirectory)
    build_project -DWINDPIPE_SUBDIRECTORY="$source"
    expect "$version" "$dir/build/with_shared" "$dir/build/with_static"
    if "$cmake" --install "$dir/build" --prefix "$dir/none" &&
        [ -e "$dir/none" ]; then
        echo "installing the consumer installed windpipe too" >&2
        exit 1
    fi
    ;;
pkg-config)
    install_moved
    PKG_CONFIG_PATH=$(dirname "$(find "$dir/prefix" -name windpipe.pc)")
    export PKG_CONFIG_PATH
    pkg-config --exact-version="$version" windpipe
    lib=$(pkg-config --variable=libdir windpipe)
    read -ra flags < <(pkg-config --cflags --libs windpipe)
    "$cc" -std=c99 -o "$dir/with_shared" "$here/main.c" "${flags[@]}" \
        "-Wl,-rpath,$lib"
    read -ra flags < <(pkg-config --cflags windpipe)
    read -ra private < <(pkg-config --static --libs-only-other windpipe)
    "$cc" -std=c99 -o "$dir/with_static" "$here/main.c" "${flags[@]}" \
        "$lib/libwindpipe.a" "${private[@]}"
    expect "$version" "$dir/with_shared" "$dir/with_static"
    expect_plain_cplusplus
    ;;
*)
    echo "run.sh: unknown way: $way" >&2
    exit 2
    ;;
esac
