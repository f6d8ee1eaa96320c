#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the tool says about itself, and about command lines that are wrong.
# No server is needed here.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

commands="serve connect send recv call ls info wait top relay bench version"

# ---- help -------------------------------------------------------------------

run
expect 2 "no command"
like 'usage: windpipe COMMAND' "$err" "no command: help on stderr"
same "" "$out" "no command: nothing on stdout"

run --help
expect 0 "--help"
for command in $commands; do
    like "(^|[[:space:]])$command " "$out" "--help names $command"
done
help=$out
run help
same "$help" "$out" "help is --help"

run --version
expect 0 "--version"
like '^windpipe [0-9]+\.[0-9]+\.[0-9]+$' "$out" "--version"

version=$out
run version
expect 0 "version"
same "$version" "$out" "version is --version"
run version --json
json "$scratch/out" "version --json"

for command in $commands; do
    run "$command" --help
    expect 0 "$command --help"
    like "^usage: windpipe $command " "$out" "$command --help: usage"
    like $'\nexamples:\n  windpipe ' "$out" "$command --help: examples"
    same "" "$err" "$command --help: nothing on stderr"
    text=$out
    run help "$command"
    same "$text" "$out" "help $command"
    run "$command" -h
    same "$text" "$out" "$command -h"
done

# ---- commands ---------------------------------------------------------------

run sned demo
expect 2 "unknown command"
like "unknown command 'sned', did you mean 'send'" "$err" "nearest command"
run frobnicate
expect 2 "unknown command without a neighbour"
unlike "did you mean" "$err" "no wild guess"
run --frobnicate
expect 2 "unknown option in place of a command"
run $'se\e[31mnd'
expect 2 "a command with control bytes"
unlike $'\e' "$err" "control bytes are escaped"
run help nothing
expect 2 "help of an unknown command"

# ---- options ----------------------------------------------------------------

for command in $commands; do
    run "$command" --frobnicate
    expect 2 "$command: unknown option"
    like "unknown option '--frobnicate'" "$err" "$command: names the option"
    like "windpipe $command --help" "$err" "$command: where help is"
    run "$command" -Z
    expect 2 "$command: unknown letter"
    like "unknown option '-Z'" "$err" "$command: names the letter"
done
run send --mesage demo x
expect 2 "mistyped option"
like "did you mean '--message'" "$err" "nearest option"
run send -w
expect 2 "option without its argument"
like "'-w' needs an argument" "$err" "names the option"
run send --json=yes demo x
expect 2 "argument to an option that takes none"
for value in "" x -1 1x 1..2 1,5 1e3 99999999999 9999999h nan; do
    run wait -w "$value" demo
    expect 2 "-w '$value'"
done
for value in 0 -1 x 1.5T 99999999999; do
    run recv --count "$value" demo
    expect 2 "--count '$value'"
done
for value in 0 -1 10Q ""; do
    run send --max-message "$value" demo x
    expect 2 "--max-message '$value'"
done
for value in "" all "drop|skip" dro; do
    run serve --slow "$value" demo
    expect 2 "--slow '$value'"
done
run serve --access everybody demo
expect 2 "--access of nobody we know"
run serve --access group:no-such-group-here demo
expect 2 "--access of an unknown group"
run serve --shared sometimes demo
expect 2 "--shared"
run serve --buffer 1 demo
expect 2 "--buffer below what the library takes"
run serve --buffer 1G demo
expect 2 "--buffer above what the library takes"
run bench --seconds 0
expect 2 "bench for no time"
run connect --framing le31 demo
expect 2 "--framing of another kind"
like "le31" "$err" "--framing of another kind: says which"
for option in --foreign "--framing lines" "--second-pipe h-pipes"; do
    # shellcheck disable=SC2086 # an option and its value
    run call $option demo hello
    expect 2 "call $option"
    like "no calls over a foreign socket.*expect-reply" "$err" \
        "call $option: says what cannot be, and what can"
done
run connect --second-pipe pipes demo
expect 2 "--second-pipe of another kind"
run ls --framing le32
expect 2 "ls --framing"
run serve --echo --exec cat demo
expect 2 "serve --echo --exec"
run recv -k demo
expect 2 "recv -k without -l"
run relay -k demo other
expect 2 "relay -k without a listening end"
run relay - -
expect 2 "relay - -"
run relay unix: demo
expect 2 "relay unix: without a path"
run relay "unix:$(printf 'x%.0s' {1..200})" demo
expect 2 "relay unix: with a path that is too long"
for where in tcp: tcp:x tcp:127.0.0.1: tcp:127.0.0.1:http \
    tcp:127.0.0.1:65536; do
    run relay "$where" -
    expect 2 "relay $where"
done
run relay tcp:192.0.2.1:80 -
expect 2 "relay to another machine"
like "allow-remote" "$err" "relay to another machine: names the option"
run relay tcp-listen:0.0.0.0:0 -
expect 2 "relay from other machines"

run recv --timestamps --raw demo
expect 2 "--timestamps --raw"
run recv --timestamps --byte demo
expect 2 "--timestamps --byte"
run relay --timestamps demo other
expect 2 "relay --timestamps without something to show"
run relay --json - demo
expect 2 "relay --json to stdout"
run relay foreign+le31:demo other
expect 2 "relay with a framing of another kind"
like "le31" "$err" "relay with a framing of another kind: says which"
run top --interval 0
expect 2 "top --interval 0"
run top
expect 2 "top without a terminal"
like "json" "$err" "top without a terminal: what needs none"

# ---- options before the command ---------------------------------------------

run -w 0 wait demo
expect 5 "-w before the command"
run -w0 wait demo
expect 5 "-w0 before the command"
run --wait=0 --json wait demo
expect 5 "two options before the command"
run -w 9 wait -w 0 demo
expect 5 "one behind it is the one that counts"
run -w
expect 2 "only an option"
run -w 1
expect 2 "only an option with its value"
run -w x wait demo
expect 2 "a bad value before the command"
run --hex relay demo other
expect 2 "an option of one command before it"
like "unknown option" "$err" "an option of one command before it"

# ---- operands ---------------------------------------------------------------

for command in top version; do
    run "$command" something
    expect 2 "$command with an operand"
done
for command in serve connect send recv call info wait relay; do
    run "$command"
    expect 2 "$command without a name"
    like "missing operand" "$err" "$command without a name: says so"
    run "$command" one two three
    expect 2 "$command with too much"
done
run relay one
expect 2 "relay with one end"
run ls something
expect 2 "ls with an operand"
run bench something
expect 2 "bench with an operand"
run send demo hello there
like "quote the text" "$err" "send with loose words"

# ---- names ------------------------------------------------------------------

long=$(printf 'n%.0s' {1..241})
for command in serve connect "send -w 1" "recv -w 1" call info "wait -w 1"; do
    for name in "" . .. a/b "$long" $'a\nb' anonymous; do
        # shellcheck disable=SC2086 # the command's own option
        run $command -- "$name" </dev/null
        expect 2 "$command '${name:0:20}'"
        check "$command '${name:0:20}': silent" [ -n "$err" ]
        unlike $'a\nb' "$err" "$command '${name:0:20}': escaped"
    done
done
for command in serve connect send recv; do
    run "$command" /tmp/x </dev/null
    expect 2 "$command /path"
    like "'/tmp/x' is a path.*--foreign" "$err" "$command /path: how it can be"
done
run call /tmp/x hello
expect 2 "call /path"
like "no calls over a foreign socket" "$err" "call /path: why not"
run info "$scratch/absent"
expect 3 "info of a path where nothing is"
run wait -w 0 "$scratch/absent"
expect 5 "wait for a path where nothing is"
run wait -w 0 "${long:1}"
expect 5 "a name of the greatest length is a name"
run wait -w 0 '\\.\pipe\demo'
expect 5 "a name as Windows spells it"

finish
