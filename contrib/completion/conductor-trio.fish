# Completion of conductor-trio for fish: put it into ~/.config/fish/completions/

function __conductor_trio_subcommand
    set -l words (commandline -opc)
    test (count $words) -ge 2; and contains -- $words[2] run recipes
end

function __conductor_trio_is_first
    test (count (commandline -opc)) -eq 1
end

function __conductor_trio_command
    # What stands behind --, for its own completion.
    set -l words (commandline -opc) (commandline -ct)
    set -l at (contains -i -- -- $words); and complete -C (string join ' ' -- $words[(math $at + 1)..])
end

set -l apart 'contains -- -- (commandline -opc)'

complete -c conductor-trio -f
complete -c conductor-trio -n $apart -a '(__conductor_trio_command)'
complete -c conductor-trio -n __conductor_trio_is_first -a '(__fish_print_hostnames)'
complete -c conductor-trio -n __conductor_trio_is_first -a run -d 'start an application by its recipe'
complete -c conductor-trio -n __conductor_trio_is_first -a recipes -d 'list the recipes, or show one'
complete -c conductor-trio -n __conductor_trio_subcommand -a '(conductor-trio recipes 2>/dev/null | string split -f1 " ")'
complete -c conductor-trio -n "not $apart; and not __conductor_trio_is_first; and not __conductor_trio_subcommand" -F
complete -c conductor-trio -n "not $apart" -s k -l key -x -d 'name in the address'
complete -c conductor-trio -n "not $apart" -s r -l replace -d 'end who listens on the socket, take the key over'
complete -c conductor-trio -n "not $apart" -l json -d 'JSON lines, also on a terminal'
complete -c conductor-trio -n "not $apart" -l no-json -d 'not that, whatever the configuration says'
complete -c conductor-trio -n "not $apart" -l open -d 'open the link in a browser'
complete -c conductor-trio -n "not $apart" -l no-open -d 'not that, whatever the configuration says'
complete -c conductor-trio -n "not $apart" -l qr -d 'draw the link as a QR code'
complete -c conductor-trio -n "not $apart" -l no-qr -d 'not that, whatever the configuration says'
complete -c conductor-trio -n "not $apart" -l tcp -x -d 'the application listens on this TCP port'
complete -c conductor-trio -n "not $apart" -l tcp-shared -d 'accept that other users of the node reach that port'
complete -c conductor-trio -n "not $apart" -l no-tcp-shared -d 'not that, whatever the configuration says'
complete -c conductor-trio -n "not $apart; and __conductor_trio_subcommand" -s s -l server -x -a '(__fish_print_hostnames)' -d 'the gateway'
complete -c conductor-trio -n "not $apart" -l no-recipe -d 'start the command as it is'
complete -c conductor-trio -n "not $apart" -s v -l verbose -d 'log more'
complete -c conductor-trio -n "not $apart" -s V -l version -d 'show the version'
complete -c conductor-trio -n "not $apart" -s h -l help -d 'show help'
