#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Help, manual and completions know the same commands and options; completions
# work in bash, and parse in zsh and fish where these are.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

source=${WINDPIPE_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
folder=$source/packaging/completions
run --help
commands=$(sed -n '/^Named/,/^try/s/^  \([a-z]*\) .*/\1/p' <<<"$out")
check "commands are found" [ "$(wc -w <<<"$commands")" -ge 12 ]
# shellcheck source=packaging/completions/windpipe.bash
. "$folder/windpipe.bash"

check "bash can read it" bash -n "$folder/windpipe.bash"
if command -v zsh >/dev/null; then
    check "zsh can read it" zsh -n "$folder/_windpipe"
fi
if command -v fish >/dev/null; then
    check "fish can read it" fish --no-execute "$folder/windpipe.fish"
fi

# complete_words WORDS...: what bash offers for the last of them.
complete_words() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    compopt() { :; } # only works inside a real completion
    _windpipe
    out=$(printf '%s\n' "${COMPREPLY[@]}")
}

# ---- the same options everywhere --------------------------------------------

manual=$(<"$source/docs/man/windpipe.1.scd")

# fish_options COMMAND: each line names the commands of its option.
fish_options() {
    sed -n "s/^complete .*'__fish_seen_subcommand_from \([^;']*\)'.* -l \([a-z-]*\) .*/ \1 : --\2/p" \
        "$folder/windpipe.fish" | sed -n "s/^.* $1 .*: //p" | sort -u
}

# zsh_options COMMAND: of its branch, and of the arrays in it.
zsh_options() {
    local branch array
    branch=$(sed -n "/^    \(.* | \)*$1\( | .*\)*)\$/,/;;/p" "$folder/_windpipe")
    for array in $(grep -o '\$[a-z]\+' <<<"$branch" | tr -d '$'); do
        branch+=$(sed -n "/^    $array=(/,/^    )/p" "$folder/_windpipe")
    done
    # shellcheck disable=SC2001 # what excludes an option comes before it
    sed "s/'([^)]*)/'/g" <<<"$branch" | grep -o -- '--[a-z][a-z-]*' | sort -u
}

for command in $commands; do
    complete_words "$windpipe" "$command" --
    offered=$(sort -u <<<"$out")
    run "$command" --help
    known=$(grep -o '^  [ -][^ ]*,* *--[a-z-]*' <<<"$out" |
        grep -o -- '--[a-z-]*' | sort -u)
    check "$command has options" [ -n "$known" ]
    same "$known" "$offered" "$command: the options of --help, completed"
    for option in $known; do
        like "\\*$option\\*" "$manual" "$option of $command is in the manual"
    done
    same "$known" "$(zsh_options "$command")" "$command: its options in zsh"
    same "$known" "$(fish_options "$command")" "$command: its options in fish"
    like "\\*$command\\*" "$manual" "$command is in the manual"
done
complete_words "$windpipe" ""
same "$(sort <<<"$commands")" "$(grep -v -e -- -e help <<<"$out" | sort)" \
    "bash knows the commands"
same "$(sort <<<"$commands")" "$(sed -n "/^    commands=(/,/^    )/s/^ *'\([a-z]*\):.*/\1/p" \
    "$folder/_windpipe" | grep -vx help | sort)" "zsh knows the commands"
same "$(sort <<<"$commands")" "$(sed -n 's/^.*__fish_use_subcommand -a \([a-z]*\) .*/\1/p' \
    "$folder/windpipe.fish" | grep -vx help | sort)" "fish knows the commands"

# ---- what is offered --------------------------------------------------------

complete_words "$windpipe" se
same $'serve\nsend' "$out" "commands"
complete_words "$windpipe" relay --he
same $'--hex\n--help' "$out" "options"
complete_words "$windpipe" serve --slow ""
same $'drop\nskip' "$out" "values of an option"
complete_words "$windpipe" bench --spin ""
same $'default\noff' "$(sort <<<"$out")" "words of a number"
complete_words "$windpipe" send -w ""
same "" "$out" "nothing for a number"

start_server "demo"
start_server "two words"
complete_words "$windpipe" send ""
same $'demo\ntwo\\ words' "$out" "names of pipes, quoted"
complete_words "$windpipe" call -w 3 --raw de
same "demo" "$out" "names of pipes behind options"
complete_words "$windpipe" send --topic x de
same "demo" "$out" "names of pipes behind a topic"
complete_words "$windpipe" recv --topic de
same "demo" "$out" "recv --topic takes no word"
complete_words "$windpipe" send demo ""
same "" "$out" "nothing for the text"
complete_words "$windpipe" relay demo l
same "listen:" "$out" "endpoints"

finish
