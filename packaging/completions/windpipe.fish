# SPDX-License-Identifier: Apache-2.0
# Completion of windpipe(1) for fish: commands, options, their values, and the
# names of pipes, as `windpipe ls` knows them.

function __windpipe_names
    windpipe ls --names 2>/dev/null
end

# Are there fewer than so many operands behind the command? Options that take
# the next word are told apart as the tool does.
function __windpipe_operands_below
    set -l words (commandline -opc)
    set -l count 0
    set -l command
    set -l skip 0
    for word in $words[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word -w --wait -q --quit --linger -e --exec -n --count \
                --seconds --interval --max-message --message-time --max-clients \
                --buffer --shared --slow --framing --second-pipe --spin --access
            set skip 1
        else if test $word = --topic; and contains -- "$command" send call
            set skip 1
        else if string match -q -- '-?*' $word
            continue
        else if test -z "$command"
            set command $word
        else
            set count (math $count + 1)
        end
    end
    test $count -lt $argv[1]
end

function __windpipe_endpoints
    printf '%s\n' - pipe: listen: foreign: foreign-listen: exec: unix: \
        unix-listen: tcp: tcp-listen:
    __windpipe_names
end

complete -c windpipe -f

# ---- commands ---------------------------------------------------------------

complete -c windpipe -n __fish_use_subcommand -a serve -d 'be a server at the terminal'
complete -c windpipe -n __fish_use_subcommand -a connect -d 'connect to a pipe'
complete -c windpipe -n __fish_use_subcommand -a send -d 'send one message'
complete -c windpipe -n __fish_use_subcommand -a recv -d 'print messages as they come'
complete -c windpipe -n __fish_use_subcommand -a call -d 'send a request, print its reply'
complete -c windpipe -n __fish_use_subcommand -a ls -d 'list the pipes that you can see'
complete -c windpipe -n __fish_use_subcommand -a info -d 'show one pipe in detail'
complete -c windpipe -n __fish_use_subcommand -a wait -d 'return when the pipe has a server'
complete -c windpipe -n __fish_use_subcommand -a top -d 'watch your pipes'
complete -c windpipe -n __fish_use_subcommand -a relay -d 'join two endpoints'
complete -c windpipe -n __fish_use_subcommand -a bench -d 'measure pipes on this machine'
complete -c windpipe -n __fish_use_subcommand -a version -d 'show the version'
complete -c windpipe -n __fish_use_subcommand -a help -d 'show help'
complete -c windpipe -n __fish_use_subcommand -l version -d 'show the version'
complete -c windpipe -n __fish_use_subcommand -s h -l help -d 'show help'

# ---- operands ---------------------------------------------------------------

complete -c windpipe -n '__fish_seen_subcommand_from serve connect send recv call info wait; and __windpipe_operands_below 1' -a '(__windpipe_names)'
complete -c windpipe -n '__fish_seen_subcommand_from relay; and __windpipe_operands_below 2' -a '(__windpipe_endpoints)'
complete -c windpipe -n '__fish_seen_subcommand_from help' -a 'serve connect send recv call ls info wait top relay bench version'

# ---- options ----------------------------------------------------------------
# One line each: the commands that know it, and what it takes.

complete -c windpipe -n '__fish_seen_subcommand_from serve connect send recv call ls info wait top relay bench version' -s h -l help -d 'show help'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect send recv call ls info wait top relay bench' -s v -l verbose -d 'say more'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect send recv call ls info wait top relay' -s w -l wait -x -d 'wait at most so many seconds'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect send recv call ls info wait top relay bench version' -l json -d 'JSON lines'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect recv relay' -l timestamps -d 'begin each message with the time'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect send recv call relay' -l message -d 'whole messages'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect send recv relay' -l byte -d 'a stream of bytes'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect send recv call relay' -l max-message -x -d 'largest message'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect send recv call relay' -l buffer -x -d 'bytes each way'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect send recv call relay bench' -l shared -x -a 'auto now never required' -d 'shared memory'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect send recv relay' -l foreign -d 'the socket for .NET, Node and others'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect send recv relay' -l framing -x -a 'raw le32 be32 lines headers type-le32' -d 'framing there'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect send recv relay' -l second-pipe -x -a 'none h-pipes wrapper' -d 'a pipe of its own per client'
complete -c windpipe -n '__fish_seen_subcommand_from serve recv relay' -s k -l keep -d 'stay for the next client'
complete -c windpipe -n '__fish_seen_subcommand_from serve recv relay' -l access -x -a 'user group anyone' -d 'who may connect'
complete -c windpipe -n '__fish_seen_subcommand_from serve recv relay' -l max-clients -x -d 'clients at once'
complete -c windpipe -n '__fish_seen_subcommand_from serve recv' -l message-time -x -d 'time for a client to finish a message'
complete -c windpipe -n '__fish_seen_subcommand_from serve' -l echo -d 'send everything back'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect' -s e -l exec -x -a '(__fish_complete_command)' -d 'run a command'
complete -c windpipe -n '__fish_seen_subcommand_from serve' -l once -d 'end with the first client'
complete -c windpipe -n '__fish_seen_subcommand_from serve' -l slow -x -a 'drop skip' -d 'what to do with slow clients'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect recv' -l topic -d 'show typed messages'
complete -c windpipe -n '__fish_seen_subcommand_from send call' -l topic -x -d 'a typed message'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect relay' -s q -l quit -x -d 'end after the end of input'
complete -c windpipe -n '__fish_seen_subcommand_from serve connect relay' -l linger -x -d 'time to hand over what was accepted'
complete -c windpipe -n '__fish_seen_subcommand_from connect send recv call' -l raw -d 'nothing between messages'
complete -c windpipe -n '__fish_seen_subcommand_from send' -l expect-reply -d 'print the next message'
complete -c windpipe -n '__fish_seen_subcommand_from recv' -s l -l listen -d 'be the server'
complete -c windpipe -n '__fish_seen_subcommand_from recv top' -s n -l count -x -d 'end after so many'
complete -c windpipe -n '__fish_seen_subcommand_from ls' -s a -l all -d 'also dead and foreign ones'
complete -c windpipe -n '__fish_seen_subcommand_from ls' -l names -d 'only names'
complete -c windpipe -n '__fish_seen_subcommand_from ls' -l prune -d 'remove what killed servers left'
complete -c windpipe -n '__fish_seen_subcommand_from top' -l interval -x -d 'time between two looks'
complete -c windpipe -n '__fish_seen_subcommand_from relay' -l hex -d 'show the traffic'
complete -c windpipe -n '__fish_seen_subcommand_from relay' -l allow-remote -d 'use other machines'
complete -c windpipe -n '__fish_seen_subcommand_from bench' -l seconds -x -d 'time for all of it'
complete -c windpipe -n '__fish_seen_subcommand_from bench' -l spin -x -a 'off default' -d 'how long to spin'
complete -c windpipe -n '__fish_seen_subcommand_from bench' -l picture -d bars
