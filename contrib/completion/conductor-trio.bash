# Completion of conductor-trio and conductor-trio-server for bash. Source it from ~/.bashrc, or put it where
# bash-completion looks: ~/.local/share/bash-completion/completions/conductor-trio

_conductor_trio_offer() {
    mapfile -t COMPREPLY < <(compgen "$@" -- "$cur")
}

_conductor_trio_offer_hosts() {
    if declare -F _known_hosts_real >/dev/null; then # of bash-completion
        _known_hosts_real -- "$cur"
    else
        _conductor_trio_offer -A hostname
    fi
}

_conductor_trio() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} word index places=0 first=
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        case $word in
        --) # the command and its arguments
            if declare -F _command_offset >/dev/null; then
                _command_offset $((index + 1))
            else
                _conductor_trio_offer -c -f
            fi
            return
            ;;
        -k | --key | --tcp | -s | --server | --idle | --busy | --for | --label | --revoke) ((index++)) ;;
        -*) ;;
        *)
            : "${first:=$word}"
            ((++places))
            ;;
        esac
    done
    case $prev in
    -k | --key | --tcp | --idle | --for | --label | --revoke) return ;;
    --busy)
        _conductor_trio_offer -c
        return
        ;;
    -s | --server)
        _conductor_trio_offer_hosts
        return
        ;;
    esac
    if [[ $cur == -* ]]; then
        local options='-k --key -r --replace --json --no-json --open --no-open --qr --no-qr --tcp --tcp-shared
            --no-tcp-shared --no-recipe --idle --busy -v --verbose -V --version -h --help'
        case $first in
        recipes) options='-h --help' ;;
        ls | stop | doctor) options='--json -v --verbose -h --help' ;;
        share) options='--for --label --once --list --revoke --json -v --verbose -h --help' ;;
        run) options+=' -s --server' ;;
        esac
        _conductor_trio_offer -W "$options"
    elif [[ $first == run || $first == recipes ]] && ((places == 1)); then
        _conductor_trio_offer -W "$(conductor-trio recipes 2>/dev/null | cut -d' ' -f1)"
    elif ((places == 0)); then
        _conductor_trio_offer_hosts
        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W 'run recipes ls stop share doctor' -- "$cur")
    elif [[ $first == ls || $first == doctor ]] && ((places == 1)) || [[ $first == @(stop|share) ]] && ((places == 2)); then
        _conductor_trio_offer_hosts
    elif [[ $first == @(stop|share) ]]; then
        return # a session's key, which only the gateway knows
    else
        _conductor_trio_offer -f
    fi
}

_conductor_trio_server() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    case $prev in
    -s | --sock | --socket | --ssl-cert-file | --ssl-key-file | --ssl-allowed-clients) _conductor_trio_offer -f ;;
    -r | --runtime-dir) _conductor_trio_offer -d ;;
    -p | --port | -d | --domain | --host | --trusted-proxy | --allow-origin | --grace | --lost-timeout | --max-*) ;;
    *)
        _conductor_trio_offer -W '-p --port -s --sock --socket --host -r --runtime-dir -d --domain --ssl-cert-file
            --ssl-key-file --ssl-allowed-clients --trusted-proxy --allow-origin --grace --take-over --check --max-sessions
            --max-user-sessions --max-user-new-sessions --max-visitors --max-route-connections --max-route-held
            --lost-timeout -v --verbose -V --version -h --help'
        ;;
    esac
}

complete -F _conductor_trio conductor-trio
complete -F _conductor_trio_server conductor-trio-server
