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
            case --config -p --port -s --socket --sock --host -r --runtime-dir -d --domain --ssl-cert-file --ssl-key-file --ssl-allowed-clients --trusted-proxy --allow-origin --sso-user-header --sso-groups-header --sso-groups-separator --sso-admin-group --sso-header --sso-domain --strip-cookie --status-from --metrics --access-log --access-log-format --audit-log --admin-group --admin-host --admin-network --grace --workers --max-sessions --max-user-sessions --max-user-new-sessions --max-visitors --max-address-visitors --max-route-connections --max-route-held --max-route-parked --lost-timeout --detached-timeout --user --reason --for --install --program
                set -e words[1]
            case '-*'
            case ls show end block unblock drain announce top links check config reload completion files help
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
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a links -d 'print a link to the dashboard, show who was let in, or revoke'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a check -d 'look at what the server needs on this host, and do nothing else'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a config -d 'show the settings that are in force, and where each is said'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a reload -d 'have the running server apply its file, and tell what came of it'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a completion -d 'print the completion of this command line for a shell'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a files -d 'list the files that come with the program, print one, or install them'
complete -c conductor-trio-server -n '__conductor_trio_server_at :0' -a help -d 'explain the program, or one of its commands'
complete -c conductor-trio-server -n '__conductor_trio_server_at completion:0' -a 'bash fish zsh'
complete -c conductor-trio-server -n '__conductor_trio_server_at help:0' -a 'ls show end block unblock drain announce top links check config reload completion files help'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" ls show end block unblock drain announce top links check config reload' -l config -r -F -d 'the file with the settings, over which options win (default /etc/conductor-trio/server.toml, if it is there)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -s p -l port -x -d 'listen on this TCP port (default 8888)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -s s -l socket -l sock -r -F -d 'listen on this UNIX socket instead, of mode 0660; for a front proxy'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l host -x -d 'address for -p (default 127.0.0.1; \'\' for all)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -s r -l runtime-dir -x -a '(__fish_complete_directories)' -d 'directory of the control socket and the relay sockets (default /var/run/conductor)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -s d -l domain -x -d 'host names to give, such as {key}-{user}.apps.example.org; may be given several times (default {key}-{user}.localhost:PORT)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l ssl-cert-file -r -F -d 'certificate, with its chain, for TLS'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l ssl-key-file -r -F -d 'its private key'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l ssl-allowed-clients -r -F -d 'CA file: let in only visitors whose certificate it verifies'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l trusted-proxy -x -d 'front proxy whose X-Forwarded-* fields are believed; a UNIX socket\'s peers always are'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l allow-origin -x -d 'further origin whose pages may use the applications, such as https://portal.example.org'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l sso-user-header -x -d 'field by which a trusted front proxy says who the visitor is, such as X-Forwarded-User: owners enter their own sessions by it, without a link'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l sso-groups-header -x -d 'field by which it says of which groups the visitor is, for `conductor-trio share --with @GROUP` and for operators; it has to set it whatever a visitor sends'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l sso-groups-separator -x -d 'what stands between two groups there (default ,)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l sso-admin-group -x -d 'group whose members use the operator\'s dashboard without a link; may be given several times'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l sso-header -x -d 'another field that it sets itself, whatever a visitor sends, and that applications get, such as X-Forwarded-Email'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l sso-domain -x -d 'what follows the user\'s name there, after an @'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l require-sso -d 'let nobody in but by the single sign-on: tokens and links open nothing, and none are made'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l no-require-sso -d 'no --require-sso, whatever the configuration says'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l strip-cookie -x -d 'cookie of the front proxy\'s, which goes on to no application and is set by none; * at its end stands for anything, as in _oauth2_proxy*'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l status-from -x -d 'who may see /_conductor/status; may be given several times (default everybody)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l metrics -x -d 'serve metrics for Prometheus on this loopback address, such as 127.0.0.1:9091, or UNIX socket'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l access-log -r -F -d 'write a line for each request to FILE, or with `journal` there; SIGUSR1 opens files anew'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l access-log-format -x -d 'json or combined (default json)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l audit-log -r -F -d 'write who had sessions, shares and visitors to FILE, or with `journal` there'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l admin-group -x -d 'let members of this group give the operator\'s commands, beside root and the server\'s own user'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l admin-host -x -d 'host name, with a port if it needs one, at which the operator\'s dashboard is; none without it. No session gets that name'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l admin-network -x -d 'who may reach it; may be given several times (default everybody, who then needs a link)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l grace -x -d 'how long running requests may go on at the end (default 10)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l workers -x -d 'processes that forward requests, or `auto` for the cores (default 1: the server itself)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -s v -l verbose -d 'log more, as JSON'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l no-verbose -d 'no --verbose, whatever the configuration says'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check' -l take-over -d 'take the place of the server that runs on RUNTIME_DIR, if one does, without a pause'
complete -c conductor-trio-server -n '__conductor_trio_server_in ""' -l check -d 'the same as `conductor-trio-server check`'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l max-sessions -x -d 'sessions at once (default 8192)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l max-user-sessions -x -d 'sessions of one user at once (default 1024)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l max-user-new-sessions -x -d 'new sessions of one user within a minute (default 1200)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l max-visitors -x -d 'visitors\' connections at once (default 16384)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l max-address-visitors -x -d 'visitors\' connections from one address at once (default 8192)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l max-route-connections -x -d 'requests and tunnels of one session at once (default 4096)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l max-route-held -l max-route-parked -x -d 'requests that wait for one session whose link was lost (default 256)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" check config' -l lost-timeout -l detached-timeout -x -d 'how long the name of a session is kept whose link was lost (default 60)'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" ls show end block unblock drain announce top links check config reload completion files help' -s V -l version -d 'show the version'
complete -c conductor-trio-server -n '__conductor_trio_server_in "" ls show end block unblock drain announce top links check config reload completion files help' -s h -l help -d 'show help'
complete -c conductor-trio-server -n '__conductor_trio_server_in ls end' -l user -x -d 'the sessions of this user'
complete -c conductor-trio-server -n '__conductor_trio_server_in ls show end block unblock drain announce top links' -l json -d 'write JSON, one object a line, for programs'
complete -c conductor-trio-server -n '__conductor_trio_server_in ls show end block unblock drain announce top links reload' -s r -l runtime-dir -x -a '(__fish_complete_directories)' -d 'directory of the control socket and the relay sockets (default /var/run/conductor)'
complete -c conductor-trio-server -n '__conductor_trio_server_in end' -l all -d 'all sessions'
complete -c conductor-trio-server -n '__conductor_trio_server_in end drain' -l reason -x -d 'what those whom it concerns are told'
complete -c conductor-trio-server -n '__conductor_trio_server_in block' -l for -x -d 'how long, such as 30m, 8h or 2d (until `unblock` unless given)'
complete -c conductor-trio-server -n '__conductor_trio_server_in block' -l reason -x -d 'what a blocked user is told'
complete -c conductor-trio-server -n '__conductor_trio_server_in drain' -l end -d 'take new sessions again'
complete -c conductor-trio-server -n '__conductor_trio_server_in announce' -l clear -d 'announce nothing any more'
complete -c conductor-trio-server -n '__conductor_trio_server_in top' -l once -d 'show it once, for one second'
complete -c conductor-trio-server -n '__conductor_trio_server_in links' -l list -d 'show the links and who was let in'
complete -c conductor-trio-server -n '__conductor_trio_server_in links' -l revoke -d 'end them, and close the dashboards that are open'
complete -c conductor-trio-server -n '__conductor_trio_server_in links' -l user -x -d 'those of this user only'
complete -c conductor-trio-server -n '__conductor_trio_server_in config' -l json -d 'write one object of JSON'
complete -c conductor-trio-server -n '__conductor_trio_server_in files' -l install -x -a '(__fish_complete_directories)' -d 'write them below this directory, such as /usr/local'
complete -c conductor-trio-server -n '__conductor_trio_server_in files' -l program -r -F -d 'where the program will be, for the units; where it is now if not given'
