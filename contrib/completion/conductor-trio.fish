# Completion of conductor-trio for fish: put it into ~/.config/fish/completions/

function __conductor_trio_is
    # Whether the first word is one of these.
    set -l words (commandline -opc)
    test (count $words) -ge 2; and contains -- $words[2] $argv
end

function __conductor_trio_is_first
    test (count (commandline -opc)) -eq 1
end

function __conductor_trio_starts
    # Whether these are the words of a command that starts an application, before the application's own.
    not contains -- -- (commandline -opc); and not __conductor_trio_is recipes ls stop share doctor
end

function __conductor_trio_command
    # What stands behind --, for its own completion.
    set -l words (commandline -opc) (commandline -ct)
    set -l at (contains -i -- -- $words); and complete -C (string join ' ' -- $words[(math $at + 1)..])
end

set -l starts -c conductor-trio -n __conductor_trio_starts
set -l owner -c conductor-trio -n '__conductor_trio_is ls stop share doctor'
set -l share -c conductor-trio -n '__conductor_trio_is share'
set -l first -c conductor-trio -n __conductor_trio_is_first

complete -c conductor-trio -f
complete -c conductor-trio -n 'contains -- -- (commandline -opc)' -a '(__conductor_trio_command)'
complete $first -a '(__fish_print_hostnames)'
complete $first -a run -d 'start an application by its recipe'
complete $first -a recipes -d 'list the recipes, or show one'
complete $first -a ls -d 'list your sessions'
complete $first -a stop -d 'end a session of yours'
complete $first -a share -d 'make a further link to a session of yours'
complete $first -a doctor -d 'try every hop on the way to a gateway'
complete -c conductor-trio -n '__conductor_trio_is run recipes' \
    -a '(conductor-trio recipes 2>/dev/null | string split -f1 " ")'
complete -c conductor-trio -n '__conductor_trio_is ls stop share doctor' -a '(__fish_print_hostnames)'
complete -c conductor-trio -n '__conductor_trio_starts; and not __conductor_trio_is_first; and not __conductor_trio_is run' -F
complete $starts -s k -l key -x -d 'name in the address'
complete $starts -s r -l replace -d 'end who listens on the socket, take the key over'
complete $starts -l json -d 'JSON lines, also on a terminal'
complete $starts -l no-json -d 'not that, whatever the configuration says'
complete $starts -l open -d 'open the link in a browser'
complete $starts -l no-open -d 'not that, whatever the configuration says'
complete $starts -l qr -d 'draw the link as a QR code'
complete $starts -l no-qr -d 'not that, whatever the configuration says'
complete $starts -l tcp -x -d 'the application listens on this TCP port'
complete $starts -l tcp-shared -d 'accept that other users of the node reach that port'
complete $starts -l no-tcp-shared -d 'not that, whatever the configuration says'
complete $starts -l no-recipe -d 'start the command as it is'
complete $starts -l idle -x -d 'end an application that nobody has used for that long'
complete $starts -l busy -x -d "with --idle, ask this shell's command first"
complete $starts -s V -l version -d 'show the version'
complete -c conductor-trio -n '__conductor_trio_is run' -s s -l server -x -a '(__fish_print_hostnames)' -d 'the gateway'
complete $owner -l json -d 'write lines of JSON'
complete $share -l for -x -d 'how long it is good'
complete $share -l label -x -d 'whom or what it is for'
complete $share -l once -d 'it opens one browser only'
complete $share -l list -d 'list the links that there are'
complete $share -l revoke -x -d 'end the link of that id'
complete -c conductor-trio -n 'not contains -- -- (commandline -opc)' -s v -l verbose -d 'log more'
complete -c conductor-trio -n 'not contains -- -- (commandline -opc)' -s h -l help -d 'show help'
