# Completion of conductor-trio-server for bash, made by `conductor-trio-server completion bash`. Source it from ~/.bashrc, or keep it as
# ~/.local/share/bash-completion/completions/conductor-trio-server

_conductor_trio_server_offer() {
    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen "$@" -- "$cur")
}

_conductor_trio_server_offer_hosts() {
    if declare -F _known_hosts_real >/dev/null; then # of bash-completion
        _known_hosts_real -- "$cur"
    else
        _conductor_trio_server_offer -A hostname
    fi
}

_conductor_trio_server_offer_first_words() { # of the lines that a command prints; where all are listed, with what stands behind them
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

_conductor_trio_server_offer_command() { # the completion of the command that begins at this word
    if declare -F _command_offset >/dev/null; then # of bash-completion
        _command_offset "$1"
    else
        _conductor_trio_server_offer -c -f
    fi
}

_conductor_trio_server() {
    local cur=${COMP_WORDS[COMP_CWORD]} word option= command= places=0 index tail=
    COMPREPLY=()
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        case $word in
        --config | -p | --port | -s | --socket | --sock | --host | -r | --runtime-dir | -d | --domain | --ssl-cert-file | --ssl-key-file | --ssl-allowed-clients | --trusted-proxy | --allow-origin | --sso-user-header | --sso-groups-header | --sso-groups-separator | --sso-admin-group | --sso-header | --sso-domain | --strip-cookie | --status-from | --metrics | --access-log | --access-log-format | --audit-log | --admin-group | --admin-host | --admin-network | --grace | --workers | --max-sessions | --max-user-sessions | --max-user-new-sessions | --max-visitors | --max-address-visitors | --max-route-connections | --max-route-held | --max-route-parked | --lost-timeout | --detached-timeout | --user | --reason | --for | --install | --program)
            if ((++index == COMP_CWORD)); then
                option=$word
            fi
            ;;
        -*) ;;
        ls | show | end | block | unblock | drain | announce | top | links | check | config | reload | completion | files | help)
            if [[ -z $command ]] && ((places == 0)); then
                command=$word
            else
                ((++places))
            fi
            ;;
        *) ((++places)) ;;
        esac
    done
    case $option in
    '') ;;
    --config | -s | --socket | --sock | --ssl-cert-file | --ssl-key-file | --ssl-allowed-clients | --access-log | --audit-log | --program)
        _conductor_trio_server_offer -f
        return
        ;;
    -p | --port | --host | -d | --domain | --trusted-proxy | --allow-origin | --sso-user-header | --sso-groups-header | --sso-groups-separator | --sso-admin-group | --sso-header | --sso-domain | --strip-cookie | --status-from | --metrics | --access-log-format | --admin-group | --admin-host | --admin-network | --grace | --workers | --max-sessions | --max-user-sessions | --max-user-new-sessions | --max-visitors | --max-address-visitors | --max-route-connections | --max-route-held | --max-route-parked | --lost-timeout | --detached-timeout | --user | --reason | --for)
        return
        ;;
    -r | --runtime-dir | --install)
        _conductor_trio_server_offer -d
        return
        ;;
    esac
    if [[ $cur == -* ]]; then
        case $command in
        '') _conductor_trio_server_offer -W '--config -p --port -s --socket --sock --host -r --runtime-dir -d --domain --ssl-cert-file --ssl-key-file --ssl-allowed-clients --trusted-proxy --allow-origin --sso-user-header --sso-groups-header --sso-groups-separator --sso-admin-group --sso-header --sso-domain --require-sso --no-require-sso --strip-cookie --status-from --metrics --access-log --access-log-format --audit-log --admin-group --admin-host --admin-network --grace --workers -v --verbose --no-verbose --take-over --check --max-sessions --max-user-sessions --max-user-new-sessions --max-visitors --max-address-visitors --max-route-connections --max-route-held --max-route-parked --lost-timeout --detached-timeout -V --version -h --help' ;;
        ls) _conductor_trio_server_offer -W '--user --json --config -r --runtime-dir -V --version -h --help' ;;
        show) _conductor_trio_server_offer -W '--json --config -r --runtime-dir -V --version -h --help' ;;
        end) _conductor_trio_server_offer -W '--user --all --reason --json --config -r --runtime-dir -V --version -h --help' ;;
        block) _conductor_trio_server_offer -W '--for --reason --json --config -r --runtime-dir -V --version -h --help' ;;
        unblock) _conductor_trio_server_offer -W '--json --config -r --runtime-dir -V --version -h --help' ;;
        drain) _conductor_trio_server_offer -W '--end --reason --json --config -r --runtime-dir -V --version -h --help' ;;
        announce) _conductor_trio_server_offer -W '--clear --json --config -r --runtime-dir -V --version -h --help' ;;
        top) _conductor_trio_server_offer -W '--once --json --config -r --runtime-dir -V --version -h --help' ;;
        links) _conductor_trio_server_offer -W '--list --revoke --user --json --config -r --runtime-dir -V --version -h --help' ;;
        check) _conductor_trio_server_offer -W '--config -p --port -s --socket --sock --host -r --runtime-dir -d --domain --ssl-cert-file --ssl-key-file --ssl-allowed-clients --trusted-proxy --allow-origin --sso-user-header --sso-groups-header --sso-groups-separator --sso-admin-group --sso-header --sso-domain --require-sso --no-require-sso --strip-cookie --status-from --metrics --access-log --access-log-format --audit-log --admin-group --admin-host --admin-network --grace --workers -v --verbose --no-verbose --take-over --max-sessions --max-user-sessions --max-user-new-sessions --max-visitors --max-address-visitors --max-route-connections --max-route-held --max-route-parked --lost-timeout --detached-timeout -V --version -h --help' ;;
        config) _conductor_trio_server_offer -W '--json --config -p --port -s --socket --sock --host -r --runtime-dir -d --domain --ssl-cert-file --ssl-key-file --ssl-allowed-clients --trusted-proxy --allow-origin --sso-user-header --sso-groups-header --sso-groups-separator --sso-admin-group --sso-header --sso-domain --require-sso --no-require-sso --strip-cookie --status-from --metrics --access-log --access-log-format --audit-log --admin-group --admin-host --admin-network --grace --workers -v --verbose --no-verbose --max-sessions --max-user-sessions --max-user-new-sessions --max-visitors --max-address-visitors --max-route-connections --max-route-held --max-route-parked --lost-timeout --detached-timeout -V --version -h --help' ;;
        reload) _conductor_trio_server_offer -W '--config -r --runtime-dir -V --version -h --help' ;;
        completion) _conductor_trio_server_offer -W '-V --version -h --help' ;;
        files) _conductor_trio_server_offer -W '--install --program -V --version -h --help' ;;
        help) _conductor_trio_server_offer -W '-V --version -h --help' ;;
        esac
        return
    fi
    case $command:$places in
    :0) _conductor_trio_server_offer -W 'ls show end block unblock drain announce top links check config reload completion files help' ;;
    completion:0) _conductor_trio_server_offer -W 'bash fish zsh' ;;
    help:0) _conductor_trio_server_offer -W 'ls show end block unblock drain announce top links check config reload completion files help' ;;
    esac
}

complete -F _conductor_trio_server conductor-trio-server
