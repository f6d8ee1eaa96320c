#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz targets as OSS-Fuzz and ClusterFuzzLite ask for it: with their
# $CC, $CXX, flags and engine, into $OUT, with the corpora beside them.
#
#     OUT=DIRECTORY tests/fuzz/oss-fuzz.sh
#
# By hand, without their variables: clang with libFuzzer and AddressSanitizer.
set -euo pipefail

: "${OUT:?}" "${CC:=clang}" "${CXX:=clang++}"
: "${CFLAGS=-O1 -g -fsanitize=address,fuzzer-no-link}"
: "${CXXFLAGS=$CFLAGS}" "${LIB_FUZZING_ENGINE=-fsanitize=fuzzer}"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
mkdir -p "$OUT"

# compile FILE: prints the object's name.
compile() {
    local object=$objects/${1//\//_}.o
    # shellcheck disable=SC2086 # flags are several words
    "$CC" $CFLAGS -std=c11 -D_GNU_SOURCE -Iinclude -Isrc -Itests -c "$1" \
        -o "$object"
    printf '%s\n' "$object"
}

library=()
for file in src/*/*.c; do library+=("$(compile "$file")"); done
for file in tests/fuzz/fuzz_*.c; do
    name=$(basename "$file" .c)
    # shellcheck disable=SC2086
    "$CXX" $CXXFLAGS "$(compile "$file")" "${library[@]}" $LIB_FUZZING_ENGINE \
        -pthread -o "$OUT/$name"
    for corpus in "tests/fuzz/corpus/$name" "tests/fuzz/corpus/${name#fuzz_}"; do
        [ ! -d "$corpus" ] ||
            python3 -m zipfile -c "$OUT/${name}_seed_corpus.zip" "$corpus"/*
    done
done
