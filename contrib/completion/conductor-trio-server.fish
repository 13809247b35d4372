# Completion of conductor-trio-server for fish, made by `conductor-trio-server completion fish`. Keep it as
# ~/.config/fish/completions/conductor-trio-server.fish

function __conductor_trio_server_where
    # Print the command and how many words stand behind it, as in `run:1`; instead of the number `tail`, where the
    # words of another program have begun, which are then in $__conductor_trio_server_tail.
    set -l words (commandline -opc)
    set -e words[1]
    set -l name
    set -l places 0
    while set -q words[1]
        switch $words[1]
            case -p --port -s --sock --socket --host -r --runtime-dir -d --domain --ssl-cert-file --ssl-key-file --ssl-allowed-clients --trusted-proxy --allow-origin --grace --admin-group --max-sessions --max-user-sessions --max-user-new-sessions --max-visitors --max-address-visitors --max-route-connections --max-route-held --max-route-parked --lost-timeout --detached-timeout --user --reason --for
                set -e words[1]
            case '-*'
            case ls show end block unblock drain announce top check completion help
                if test -z "$name" -a $places -eq 0
                    set name $words[1]
                else
                    set places (math $places + 1)
                end
            case '*'
                set places (math $places + 1)
        end
        set -e words[1]
    end
    echo "$name:$places"
end

function __conductor_trio_server_at
    # Whether the cursor stands at one of these places.
    contains -- (__conductor_trio_server_where) $argv
end

function __conductor_trio_server_in
    # Whether these are the options of one of these commands.
    set -l where (string split : -- (__conductor_trio_server_where))
    test "$where[2]" != tail; and contains -- "$where[1]" $argv
end

function __conductor_trio_server_complete_tail
    # What the other program's completion offers.
    complete -C (string join ' ' -- (string escape -- $__conductor_trio_server_tail) (commandline -ct))
end

complete -c conductor-trio-server -f
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a ls -d 'list the sessions'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a show -d 'tell all that is known of a session'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a end -d 'end sessions, and tell their owners why'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a block -d 'keep a user or a network out, or show who is kept out'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a unblock -d 'keep a user or a network out no longer'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a drain -d 'take no new sessions until told otherwise'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a announce -d 'have everybody read a text, or show which'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a top -d 'watch who uses what'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a check -d 'look at what the server needs on this host, and do nothing else'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a completion -d 'print the completion of this command line for a shell'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a help -d 'explain the program, or one of its commands'
complete -c conductor-trio-server -n '__conductor_trio_server_at completion:0' -a 'bash fish zsh'
complete -c conductor-trio-server -n '__conductor_trio_server_at help:0' -a 'ls show end block unblock drain announce top check completion help'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -s p -l port -x -d 'listen on this TCP port (default 8888)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -s s -l sock -l socket -r -F -d 'listen on this UNIX socket instead, of mode 0660; for a front proxy'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l host -x -d 'address for -p (default 127.0.0.1; \'\' for all)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -s r -l runtime-dir -x -a '(__fish_complete_directories)' -d 'directory of the control socket and the relay sockets (default /var/run/conductor)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -s d -l domain -x -d 'host names to give, such as {key}-{user}.apps.example.org; may be given several times (default {key}-{user}.localhost:PORT)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l ssl-cert-file -r -F -d 'certificate, with its chain, for TLS'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l ssl-key-file -r -F -d 'its private key'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l ssl-allowed-clients -r -F -d 'CA file: let in only visitors whose certificate it verifies'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l trusted-proxy -x -d 'front proxy whose X-Forwarded-* fields are believed; a UNIX socket\'s peers always are'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l allow-origin -x -d 'further origin whose pages may use the applications, such as https://portal.example.org'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l grace -x -d 'how long running requests may go on at the end (default 10)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l admin-group -x -d 'let members of this group give the operator\'s commands, beside root and the server\'s own user'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l take-over -d 'take the place of the server that runs on RUNTIME_DIR, if one does, without a pause'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -s v -l verbose -d 'log more, as JSON'
complete -c conductor-trio-server -n '__conductor_trio_server_in ""' -l check -d 'the same as `conductor-trio-server check`'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l max-sessions -x -d 'sessions at once (default 8192)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l max-user-sessions -x -d 'sessions of one user at once (default 1024)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l max-user-new-sessions -x -d 'new sessions of one user within a minute (default 1200)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l max-visitors -x -d 'visitors\' connections at once (default 16384)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l max-address-visitors -x -d 'visitors\' connections from one address at once (default 8192)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l max-route-connections -x -d 'requests and tunnels of one session at once (default 4096)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l max-route-held -l max-route-parked -x -d 'requests that wait for one session whose link was lost (default 256)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l lost-timeout -l detached-timeout -x -d 'how long the name of a session is kept whose link was lost (default 60)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" ls show end block unblock drain announce top check completion help' -s V -l version -d 'show the version'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" ls show end block unblock drain announce top check completion help' -s h -l help -d 'show help'
complete -c conductor-trio-server -n '__conductor_trio_server_in ls end' -l user -x -d 'the sessions of this user'
complete -c conductor-trio-server -n '__conductor_trio_server_in ls show end block unblock drain announce top' -l json -d 'write JSON, one object a line, for programs'
complete -c conductor-trio-server -n '__conductor_trio_server_in ls show end block unblock drain announce top' -s r -l runtime-dir -x -a '(__fish_complete_directories)' -d 'runtime directory of the server (default /var/run/conductor)'
complete -c conductor-trio-server -n '__conductor_trio_server_in end' -l all -d 'all sessions'
complete -c conductor-trio-server -n '__conductor_trio_server_in end drain' -l reason -x -d 'what those whom it concerns are told'
complete -c conductor-trio-server -n '__conductor_trio_server_in block' -l for -x -d 'how long, such as 30m, 8h or 2d (until `unblock` unless given)'
complete -c conductor-trio-server -n '__conductor_trio_server_in block' -l reason -x -d 'what a blocked user is told'
complete -c conductor-trio-server -n '__conductor_trio_server_in drain' -l end -d 'take new sessions again'
complete -c conductor-trio-server -n '__conductor_trio_server_in announce' -l clear -d 'announce nothing any more'
complete -c conductor-trio-server -n '__conductor_trio_server_in top' -l once -d 'show it once, for one second'
