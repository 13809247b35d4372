# Completion of conductor-trio for fish, made by `conductor-trio completion fish`. Keep it as
# ~/.config/fish/completions/conductor-trio.fish

function __conductor_trio_where
    # Print the command and how many words stand behind it, as in `run:1`; instead of the number `tail`, where the
    # words of another program have begun, which are then in $__conductor_trio_tail.
    set -l words (commandline -opc)
    set -e words[1]
    set -l name
    set -l places 0
    while set -q words[1]
        switch $words[1]
            case --
                if contains -- "$name" '' run submit
                    set -g __conductor_trio_tail $words[2..]
                    echo "$name:tail"
                    return
                end
            case -k --key --socket-user --link-file --tcp --idle --busy --token-file -s --server --scheduler --time --gpus --cpus --memory --partition --account --directory --attach --for --with --label --revoke --install --program
                set -e words[1]
            case '-*'
            case run submit ls stop share setup doctor recipes completion files help
                if test -z "$name" -a $places -eq 0
                    set name $words[1]
                else
                    set places (math $places + 1)
                end
            case '*'
                set places (math $places + 1)
        end
        set -e words[1]
        if contains -- "$name:$places" :2 run:1 submit:1
            test "$words[1]" = --; and set -e words[1]
            set -g __conductor_trio_tail $words
            echo "$name:tail"
            return
        end
    end
    echo "$name:$places"
end

function __conductor_trio_at
    # Whether the cursor stands at one of these places.
    contains -- (__conductor_trio_where) $argv
end

function __conductor_trio_in
    # Whether these are the options of one of these commands.
    set -l where (string split : -- (__conductor_trio_where))
    test "$where[2]" != tail; and contains -- "$where[1]" $argv
end

function __conductor_trio_complete_tail
    # What the other program's completion offers.
    complete -C (string join ' ' -- (string escape -- $__conductor_trio_tail) (commandline -ct))
end

complete -c conductor-trio -f
complete -c conductor-trio -n '__conductor_trio_at :0' -a run -d 'start an application by the name of its recipe'
complete -c conductor-trio -n '__conductor_trio_at :0' -a submit -d 'start an application in a batch job of Slurm or PBS, wait for it and follow it'
complete -c conductor-trio -n '__conductor_trio_at :0' -a ls -d 'list your sessions at a gateway, wherever they run'
complete -c conductor-trio -n '__conductor_trio_at :0' -a stop -d 'end a session of yours from anywhere, its application included'
complete -c conductor-trio -n '__conductor_trio_at :0' -a share -d 'make a further link to a session of yours, let people in by name, list such shares, or end one'
complete -c conductor-trio -n '__conductor_trio_at :0' -a setup -d 'make a key for compute nodes, install it at a gateway, and name that in your configuration'
complete -c conductor-trio -n '__conductor_trio_at :0' -a doctor -d 'try every hop on the way to a gateway and back, and say at the first that fails what to do'
complete -c conductor-trio -n '__conductor_trio_at :0' -a recipes -d 'list the recipes, or show one as a file that you can change and keep as your own'
complete -c conductor-trio -n '__conductor_trio_at :0' -a completion -d 'print the completion of this command line for a shell'
complete -c conductor-trio -n '__conductor_trio_at :0' -a files -d 'list the files that come with the program, print one, or install them'
complete -c conductor-trio -n '__conductor_trio_at :0' -a help -d 'explain the program, or one of its commands'
complete -c conductor-trio -n '__conductor_trio_at :0 submit:0 ls:0 stop:1 share:1 setup:0 doctor:0' -a '(__fish_print_hostnames)'
complete -c conductor-trio -n '__conductor_trio_at :1 run:tail doctor:1' -F
complete -c conductor-trio -n '__conductor_trio_at :tail submit:tail' -a '(__conductor_trio_complete_tail)'
complete -c conductor-trio -n '__conductor_trio_at run:0 recipes:0' -a '(conductor-trio recipes 2>/dev/null | string replace -r " +" \t)'
complete -c conductor-trio -n '__conductor_trio_at stop:0 share:0' -a '(conductor-trio ls --keys 2>/dev/null | string replace -r " +" \t)'
complete -c conductor-trio -n '__conductor_trio_at completion:0' -a 'bash fish zsh'
complete -c conductor-trio -n '__conductor_trio_at help:0' -a 'run submit ls stop share setup doctor recipes completion files help'
complete -c conductor-trio -n '__conductor_trio_in "" run submit' -s k -l key -x -d 'name in the address; the server\'s choice if not given'
complete -c conductor-trio -n '__conductor_trio_in ""' -s r -l replace -d 'take KEY over from another session of yours, and end whoever listens on LOCAL_SOCKET first'
complete -c conductor-trio -n '__conductor_trio_in "" submit' -l no-recipe -d 'start COMMAND as it is, though a recipe knows it; with LOCAL_SOCKET it always is'
complete -c conductor-trio -n '__conductor_trio_in ""' -l socket-user -x -d 'whom to take for the application, too, in a LOCAL_SOCKET\'s directory that others may write to'
complete -c conductor-trio -n '__conductor_trio_in "" run' -l json -d 'write events as lines of JSON, on a terminal, too'
complete -c conductor-trio -n '__conductor_trio_in "" run' -l no-json -d 'no --json, whatever the configuration says'
complete -c conductor-trio -n '__conductor_trio_in "" run' -l text -d 'write lines for people, where standard output is no terminal, too, such as a job\'s log'
complete -c conductor-trio -n '__conductor_trio_in "" run' -l link-file -r -F -d 'keep the link in this file, which only you can read, while visitors can use it'
complete -c conductor-trio -n '__conductor_trio_in "" run' -l open -d 'open the link in a browser, where there is a display'
complete -c conductor-trio -n '__conductor_trio_in "" run' -l no-open -d 'no --open, whatever the configuration says'
complete -c conductor-trio -n '__conductor_trio_in "" run' -l qr -d 'draw the link as a QR code'
complete -c conductor-trio -n '__conductor_trio_in "" run' -l no-qr -d 'no --qr, whatever the configuration says'
complete -c conductor-trio -n '__conductor_trio_in "" run submit' -l tcp -x -d 'the application listens on this TCP port, in a network of its own; 0 chooses one, for {port}'
complete -c conductor-trio -n '__conductor_trio_in "" run submit' -l tcp-shared -d 'accept that every user of this host can connect to that port'
complete -c conductor-trio -n '__conductor_trio_in "" run submit' -l no-tcp-shared -d 'no --tcp-shared, whatever the configuration says'
complete -c conductor-trio -n '__conductor_trio_in "" run submit' -l idle -x -d 'end the application when nobody has used it for that long, such as 2h'
complete -c conductor-trio -n '__conductor_trio_in "" run submit' -l no-idle -d 'no --idle, whatever the configuration says'
complete -c conductor-trio -n '__conductor_trio_in "" run submit' -l busy -x -a '(__fish_complete_command)' -d 'with --idle, ask this shell\'s command first; exit status 0 is a veto, and it is asked again later'
complete -c conductor-trio -n '__conductor_trio_in "" run submit' -l no-busy -d 'no --busy, whatever the configuration says'
complete -c conductor-trio -n '__conductor_trio_in "" run submit' -l token-file -r -F -d 'the token is the one line of this file, instead of $CONDUCTOR_TOKEN'
complete -c conductor-trio -n '__conductor_trio_in "" run submit ls stop share setup doctor' -s v -l verbose -d 'log more, on standard error'
complete -c conductor-trio -n '__conductor_trio_in "" run submit ls stop share setup doctor recipes completion files help' -s V -l version -d 'show the version'
complete -c conductor-trio -n '__conductor_trio_in "" run submit ls stop share setup doctor recipes completion files help' -s h -l help -d 'show help'
complete -c conductor-trio -n '__conductor_trio_in run submit' -s r -l replace -d 'take KEY over from another session of yours'
complete -c conductor-trio -n '__conductor_trio_in run' -s s -l server -x -a '(__fish_print_hostnames)' -d 'the gateway, unless the configuration names it'
complete -c conductor-trio -n '__conductor_trio_in submit' -l scheduler -x -a 'slurm pbs' -d 'the batch system, slurm or pbs, where both are here'
complete -c conductor-trio -n '__conductor_trio_in submit' -l time -x -d 'how long the job may take, such as 4h'
complete -c conductor-trio -n '__conductor_trio_in submit' -l gpus -x -d 'GPUs'
complete -c conductor-trio -n '__conductor_trio_in submit' -l cpus -x -d 'processors'
complete -c conductor-trio -n '__conductor_trio_in submit' -l memory -x -d 'memory, such as 16G'
complete -c conductor-trio -n '__conductor_trio_in submit' -l partition -x -d 'the partition, in PBS the queue'
complete -c conductor-trio -n '__conductor_trio_in submit' -l account -x -d 'whose account pays'
complete -c conductor-trio -n '__conductor_trio_in submit' -l directory -x -a '(__fish_complete_directories)' -d 'where jobs keep link and log, unless in ~/.local/state; compute nodes must see it, too'
complete -c conductor-trio -n '__conductor_trio_in submit' -l attach -x -a '(conductor-trio ls --keys 2>/dev/null | string replace -r " +" \t)' -d 'follow a job that was handed in before'
complete -c conductor-trio -n '__conductor_trio_in submit' -l no-wait -d 'only hand the job in'
complete -c conductor-trio -n '__conductor_trio_in submit' -l dry-run -d 'only show what would be handed in'
complete -c conductor-trio -n '__conductor_trio_in ls' -l keys -d 'only the key and the application of each, asking you nothing'
complete -c conductor-trio -n '__conductor_trio_in ls stop share doctor' -l json -d 'write lines of JSON'
complete -c conductor-trio -n '__conductor_trio_in share' -l for -x -d 'how long it is good, such as 8h or 2d'
complete -c conductor-trio -n '__conductor_trio_in share' -l with -x -d 'whom to let in by the single sign-on, without a link: a user, or @GROUP; may be given again'
complete -c conductor-trio -n '__conductor_trio_in share' -l label -x -d 'whom or what it is for'
complete -c conductor-trio -n '__conductor_trio_in share' -l once -d 'it opens one browser only'
complete -c conductor-trio -n '__conductor_trio_in share' -l list -d 'list the links that there are instead'
complete -c conductor-trio -n '__conductor_trio_in share' -l revoke -x -d 'end the link of that id instead, and all that it let in'
complete -c conductor-trio -n '__conductor_trio_in setup' -l replace -d 'name HOST in the place of another gateway'
complete -c conductor-trio -n '__conductor_trio_in files' -l install -x -a '(__fish_complete_directories)' -d 'write them below this directory, such as /usr/local'
complete -c conductor-trio -n '__conductor_trio_in files' -l program -r -F -d 'where the program will be, for the units; where it is now if not given'
