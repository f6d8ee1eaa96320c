# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of windpipe(1) for bash: commands, options, their values, and the
# names of pipes, as `windpipe ls` knows them.

_windpipe_names() {
    # A name may hold blanks: one a line, quoted for the shell.
    local name
    while IFS= read -r name; do
        [[ $name == "$1"* ]] && COMPREPLY+=("$(printf '%q' "$name")")
    done < <("${COMP_WORDS[0]}" ls --names 2>/dev/null)
}

_windpipe_words() {
    local word
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <(compgen -W "$2" -- "$1")
}

_windpipe_options() {
    local foreign="--foreign --framing --second-pipe"
    local talking="--wait --message --max-message --buffer --shared"
    local naming="--keep --access --max-clients"
    case $1 in
    serve)
        echo "$talking $foreign $naming --byte --echo --exec --once --topic --quit --linger" \
            "--json --timestamps --slow --message-time"
        ;;
    connect)
        echo "$talking $foreign --byte --exec --topic --quit --linger --json --raw" \
            "--timestamps"
        ;;
    send) echo "$talking $foreign --byte --topic --expect-reply --json --raw" ;;
    recv)
        echo "$talking $foreign $naming --byte --topic --listen --count --json --raw" \
            "--timestamps --message-time"
        ;;
    call) echo "$talking --topic --json --raw" ;;
    ls) echo "--wait --all --names --prune --json" ;;
    top) echo "--wait --count --interval --json" ;;
    info | wait) echo "--wait --json" ;;
    relay)
        echo "$talking $foreign $naming --byte --quit --linger --hex --allow-remote" \
            "--json --timestamps"
        ;;
    bench) echo "--seconds --spin --picture --shared --json" ;;
    version)
        echo "--json --help"
        return
        ;;
    esac
    echo "--verbose --help"
}

# Does this option take the next word? (--topic does with two commands.)
_windpipe_takes() {
    case $2 in
    -w | --wait | -q | --quit | --linger | -e | --exec | -n | --count | --seconds | --interval | \
        --max-message | --message-time | --max-clients | --buffer | --shared | --slow | --framing | \
        --second-pipe | --spin | --access) return 0 ;;
    --topic) [[ $1 == send || $1 == call ]] ;;
    *) return 1 ;;
    esac
}

_windpipe_endpoints() {
    case $1 in
    unix:* | unix-listen:*)
        local path
        while IFS= read -r path; do
            COMPREPLY+=("$path")
        done < <(compgen -f -- "${1#*:}")
        ;;
    *)
        _windpipe_words "$1" \
            "- pipe: listen: foreign: foreign-listen: exec: unix: unix-listen: tcp: tcp-listen:"
        _windpipe_names "$1"
        ;;
    esac
    [[ ${COMPREPLY[*]} == *: ]] && compopt -o nospace
}

_windpipe() {
    local current=${COMP_WORDS[COMP_CWORD]}
    local previous=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]} operands=0 i
    COMPREPLY=()

    if ((COMP_CWORD == 1)); then
        _windpipe_words "$current" "serve connect send recv call ls info wait
            top relay bench version help --help --version"
        return
    fi
    case $previous in
    --framing) _windpipe_words "$current" \
        "raw le32 be32 lines headers type-le32" ;;
    --second-pipe) _windpipe_words "$current" "none h-pipes wrapper" ;;
    --spin) _windpipe_words "$current" "off default" ;;
    --shared) _windpipe_words "$current" "auto now never required" ;;
    --slow) _windpipe_words "$current" "drop skip" ;;
    --access) _windpipe_words "$current" "user group anyone" ;;
    -e | --exec)
        local name
        while IFS= read -r name; do
            COMPREPLY+=("$name")
        done < <(compgen -c -- "$current")
        ;;
    *)
        _windpipe_takes "$command" "$previous" && return
        if [[ $current == -?* ]]; then
            _windpipe_words "$current" "$(_windpipe_options "$command")"
            return
        fi
        for ((i = 2; i < COMP_CWORD; i++)); do
            [[ ${COMP_WORDS[i]} == -?* ]] && continue
            _windpipe_takes "$command" "${COMP_WORDS[i - 1]}" && continue
            operands=$((operands + 1))
        done
        case $command in
        help)
            _windpipe_words "$current" \
                "serve connect send recv call ls info wait top relay bench version"
            ;;
        relay) ((operands < 2)) && _windpipe_endpoints "$current" ;;
        serve | connect | send | recv | call | info | wait)
            ((operands == 0)) && _windpipe_names "$current"
            ;;
        esac
        ;;
    esac
    return 0
}

complete -F _windpipe windpipe
