# Completion of conductor-trio for bash, made by `conductor-trio completion bash`. Source it from ~/.bashrc, or keep it as
# ~/.local/share/bash-completion/completions/conductor-trio

_conductor_trio_offer() {
    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen "$@" -- "$cur")
}

_conductor_trio_offer_hosts() {
    if declare -F _known_hosts_real >/dev/null; then # of bash-completion
        _known_hosts_real -- "$cur"
    else
        _conductor_trio_offer -A hostname
    fi
}

_conductor_trio_offer_first_words() { # of the lines that a command prints; where all are listed, with what stands behind them
    local line
    while read -r line; do
        if [[ $line == "$cur"* ]]; then
            case ${COMP_TYPE-} in 33 | 63 | 64) ;; *) line=${line%% *} ;; esac
            COMPREPLY+=("$line")
        fi
    done < <("$@" 2>/dev/null)
    if ((${#COMPREPLY[@]} == 1)); then
        COMPREPLY=("${COMPREPLY[0]%% *}")
    fi
}

_conductor_trio_offer_command() { # the completion of the command that begins at this word
    if declare -F _command_offset >/dev/null; then # of bash-completion
        _command_offset "$1"
    else
        _conductor_trio_offer -c -f
    fi
}

_conductor_trio() {
    local cur=${COMP_WORDS[COMP_CWORD]} word option= command= places=0 index tail=
    COMPREPLY=()
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        case $word in
        --)
            case $command in '' | run | submit)
                tail=$((index + 1))
                break
                ;;
            esac
            ;;
        -k | --key | --socket-user | --link-file | --tcp | --idle | --busy | --token-file | -s | --server | --scheduler | --time | --gpus | --cpus | --memory | --partition | --account | --directory | --attach | --for | --with | --label | --revoke | --install | --program)
            if ((++index == COMP_CWORD)); then
                option=$word
            fi
            ;;
        -*) ;;
        run | submit | ls | stop | share | setup | doctor | recipes | completion | files | help)
            if [[ -z $command ]] && ((places == 0)); then
                command=$word
            else
                ((++places))
            fi
            ;;
        *) ((++places)) ;;
        esac
        case $command:$places in
        :2 | run:1 | submit:1)
            tail=$((index + 1))
            if [[ ${COMP_WORDS[tail]} == -- ]] && ((tail < COMP_CWORD)); then
                ((++tail))
            fi
            break
            ;;
        esac
    done
    if [[ -n $tail ]]; then
        case $command in
        '') _conductor_trio_offer_command "$tail" ;;
        run) _conductor_trio_offer -f ;;
        submit) _conductor_trio_offer_command "$tail" ;;
        esac
        return
    fi
    case $option in
    '') ;;
    -k | --key | --socket-user | --tcp | --idle | --time | --gpus | --cpus | --memory | --partition | --account | --for | --with | --label | --revoke)
        return
        ;;
    --link-file | --token-file | --program)
        _conductor_trio_offer -f
        return
        ;;
    --busy)
        _conductor_trio_offer -c
        return
        ;;
    -s | --server)
        _conductor_trio_offer_hosts
        return
        ;;
    --scheduler)
        _conductor_trio_offer -W 'slurm pbs'
        return
        ;;
    --directory | --install)
        _conductor_trio_offer -d
        return
        ;;
    --attach)
        _conductor_trio_offer_first_words conductor-trio ls --keys
        return
        ;;
    esac
    if [[ $cur == -* ]]; then
        case $command in
        '') _conductor_trio_offer -W '-k --key -r --replace --no-recipe --socket-user --json --no-json --text --link-file --open --no-open --qr --no-qr --tcp --tcp-shared --no-tcp-shared --idle --no-idle --busy --no-busy --token-file -v --verbose -V --version -h --help' ;;
        run) _conductor_trio_offer -W '-k --key -r --replace -s --server --json --no-json --text --link-file --open --no-open --qr --no-qr --tcp --tcp-shared --no-tcp-shared --idle --no-idle --busy --no-busy --token-file -v --verbose -V --version -h --help' ;;
        submit) _conductor_trio_offer -W '--scheduler --time --gpus --cpus --memory --partition --account --directory --attach --no-wait --dry-run -k --key -r --replace --no-recipe --tcp --tcp-shared --no-tcp-shared --idle --no-idle --busy --no-busy --token-file -v --verbose -V --version -h --help' ;;
        ls) _conductor_trio_offer -W '--keys --json -v --verbose -V --version -h --help' ;;
        stop) _conductor_trio_offer -W '--json -v --verbose -V --version -h --help' ;;
        share) _conductor_trio_offer -W '--for --with --label --once --list --revoke --json -v --verbose -V --version -h --help' ;;
        setup) _conductor_trio_offer -W '--replace -v --verbose -V --version -h --help' ;;
        doctor) _conductor_trio_offer -W '--json -v --verbose -V --version -h --help' ;;
        recipes) _conductor_trio_offer -W '-V --version -h --help' ;;
        completion) _conductor_trio_offer -W '-V --version -h --help' ;;
        files) _conductor_trio_offer -W '--install --program -V --version -h --help' ;;
        help) _conductor_trio_offer -W '-V --version -h --help' ;;
        esac
        return
    fi
    case $command:$places in
    :0) _conductor_trio_offer_hosts; _conductor_trio_offer -W 'run submit ls stop share setup doctor recipes completion files help' ;;
    :1) _conductor_trio_offer -f ;;
    run:0) _conductor_trio_offer_first_words conductor-trio recipes ;;
    submit:0) _conductor_trio_offer_hosts ;;
    ls:0) _conductor_trio_offer_hosts ;;
    stop:0) _conductor_trio_offer_first_words conductor-trio ls --keys ;;
    stop:1) _conductor_trio_offer_hosts ;;
    share:0) _conductor_trio_offer_first_words conductor-trio ls --keys ;;
    share:1) _conductor_trio_offer_hosts ;;
    setup:0) _conductor_trio_offer_hosts ;;
    doctor:0) _conductor_trio_offer_hosts ;;
    doctor:1) _conductor_trio_offer -f ;;
    recipes:0) _conductor_trio_offer_first_words conductor-trio recipes ;;
    completion:0) _conductor_trio_offer -W 'bash fish zsh' ;;
    help:0) _conductor_trio_offer -W 'run submit ls stop share setup doctor recipes completion files help' ;;
    esac
}

complete -F _conductor_trio conductor-trio
