#!/bin/sh
# Install the programs that the end-to-end tests use, where this is Debian and we are root; otherwise say what is
# missing. Arguments: the Python whose `venv` module has to work; `bench` for the programs that `make bench` compares
# as well, one of which comes from npm and goes to .bench/. What tests have from npm goes to .npm/ and .oidc/.
set -eu

python=${1:-python3}
purpose=${2:-test}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

missing=
without() { # command, package, what it is for
    command -v "$1" >/dev/null || { missing="$missing $2"; echo "system: no $1: $3"; }
}
without sshd openssh-server 'tests over SSH are left out'
without ssh openssh-client 'tests over SSH are left out'
without chromium chromium 'tests in a browser are left out'
without curl curl 'tests with curl are left out'
without openssl openssl 'tests with certificates are left out'
without pasta passt 'tests of the way out of a network namespace are left out'
without slirp4netns slirp4netns 'tests of the way out of a network namespace are left out'
without ip iproute2 'tests of the way out of a network namespace are left out'
without nginx nginx-light 'tests behind a front proxy are left out'
without apache2 apache2 'tests behind Apache are left out'
[ -e /usr/lib/apache2/modules/mod_auth_openidc.so ] || {
    missing="$missing libapache2-mod-auth-openidc"
    echo 'system: no mod_auth_openidc: nobody signs in at an OpenID provider'
}
without caddy caddy 'tests behind Caddy are left out'
without node nodejs 'there is no OpenID provider'
without prometheus prometheus 'nobody scrapes the metrics'
without logrotate logrotate 'no log is rotated'
without systemd-cat systemd 'no log goes to the journal'
without dh debhelper 'no Debian packages are built'
without rpmspec rpm 'the RPM spec is not read'
without jq jq 'no question is put to the audit log'
without groff groff-base 'manual pages are not checked'
without sbatch slurm-wlm 'no job is handed in to Slurm'
without munged munge 'no job is handed in to Slurm'
without zsh zsh 'its completion is not checked'
without fish fish 'its completion is not checked'
without tcsh tcsh 'it is not tried as a login shell'
without npm npm 'pages are not checked by axe-core, and there is no OpenID provider'
command -v "$python" >/dev/null || { missing="$missing python3 python3-venv"; echo "system: no $python"; }
"$python" -c 'import ensurepip' 2>/dev/null || { missing="$missing python3-venv"; echo 'system: no virtual environments'; }
if [ "$purpose" = bench ]; then
    without wrk wrk 'no requests can be measured'
    without haproxy haproxy 'it is left out'
fi

install_missing() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "system: to have them, as root on Debian: apt-get install$missing"
        return
    fi
    # Installed for tests, the services must not start: an SSH server open to the world would be no gift.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    echo "system: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    wait_for_lock='-o DPkg::Lock::Timeout=300'
    # shellcheck disable=SC2086 # lists of words
    if ! { apt-get -qq $wait_for_lock update &&
        apt-get -qq $wait_for_lock install --no-install-recommends $missing >/dev/null; }; then
        echo 'system: that failed; what needs them is left out' >&2
        [ -z "${CI:-}" ]
    fi
}

# Version 5 is the first that can have a UNIX socket behind it; an older Node.js runs only version 4.
install_chp() {
    chp=.bench/node_modules/.bin/configurable-http-proxy
    if [ -e "$chp" ] || ! command -v npm >/dev/null; then
        return
    fi
    mkdir -p .bench
    for version in 5 4; do
        echo "system: installing configurable-http-proxy $version to .bench"
        if npm install --prefix .bench --silent --no-audit --no-fund --ignore-scripts \
            "configurable-http-proxy@$version" >/dev/null && "$chp" --version >/dev/null 2>&1; then
            return
        fi
        rm -rf .bench/node_modules
    done
    echo 'system: that failed; configurable-http-proxy is left out' >&2
}

# The version is a part of what is tested: another one has other rules.
install_axe() {
    version=4.14.1
    if grep -qs "\"version\": \"$version\"" .npm/node_modules/axe-core/package.json || ! command -v npm >/dev/null; then
        return
    fi
    mkdir -p .npm
    echo "system: installing axe-core $version to .npm"
    if ! npm install --prefix .npm --silent --no-audit --no-fund --ignore-scripts "axe-core@$version" >/dev/null; then
        echo 'system: that failed; pages are not checked by axe-core' >&2
        [ -z "${CI:-}" ]
    fi
}

# An OpenID provider for tests, of this version and in a directory of its own.
install_provider() {
    version=8.8.1
    if ! command -v npm >/dev/null || grep -qs "\"version\": \"$version\"" .oidc/node_modules/oidc-provider/package.json; then
        return
    fi
    echo "system: installing oidc-provider $version to .oidc"
    rm -rf .oidc
    mkdir .oidc
    if ! npm install --prefix .oidc --silent --no-audit --no-fund --ignore-scripts "oidc-provider@$version" >/dev/null; then
        echo 'system: that failed; nobody signs in at an OpenID provider' >&2
        [ -z "${CI:-}" ]
    fi
}

[ -z "$missing" ] || install_missing
[ "$purpose" = bench ] || install_axe
install_provider
[ "$purpose" != bench ] || install_chp
