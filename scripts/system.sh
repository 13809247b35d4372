#!/bin/sh
# Install the programs that the end-to-end tests use, where this is Debian and we are root; otherwise say what is
# missing. Arguments: the Python whose `venv` module has to work; `bench` for the programs that `make bench` compares
# as well, one of which comes from npm and goes to .bench/; `apps` for what applications of `make apps` need that no
# environment of their own can hold; `say` to say only what would be done. What tests have from
# npm goes to .npm/ and .oidc/. What was installed is recorded, one a line, for scripts/clean_system.sh.
set -eu

python=${1:-python3}
purpose=${2:-test}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
record=/var/lib/conductor-trio-tests/made # tests/support/users.py writes users into it
users='ct-gateway ct-alice ct-bob ct-bash' # which tests make, as root (the same module)
axe=4.14.1                                 # a part of what is tested: another version has other rules
provider=8.8.1                            # an OpenID provider for tests
chp=.bench/node_modules/.bin/configurable-http-proxy

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
if [ "$purpose" = apps ]; then
    without Xvnc tigervnc-standalone-server 'no desktop is tried'
    without mcookie util-linux 'no desktop is tried'
    without xauth xauth 'no desktop is tried'
    without xterm xterm 'no desktop is tried'
    [ -e /usr/share/novnc/vnc.html ] || { missing="$missing novnc"; echo 'system: no noVNC: no desktop is tried'; }
fi
if [ "$purpose" = bench ]; then
    without wrk wrk 'no requests can be measured'
    without haproxy haproxy 'it is left out'
fi

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
has_axe() { grep -qs "\"version\": \"$axe\"" .npm/node_modules/axe-core/package.json; }

has_provider() { grep -qs "\"version\": \"$provider\"" .oidc/node_modules/oidc-provider/package.json; }

# Before anything is done, since some of it is the whole machine's.
say_plan() {
    new=
    for user in $users; do getent passwd "$user" >/dev/null || new="$new $user"; done
    made=
    if [ -n "$missing" ] && can_install; then
        made=1
        echo "system: will install these Debian packages, and what they need:$missing"
    elif [ -n "$missing" ]; then
        echo "system: to have them, as root on Debian: apt-get install$missing"
    fi
    if command -v npm >/dev/null || { [ -n "$made" ] && [ "${missing% npm*}" != "$missing" ]; }; then
        if [ "$purpose" = bench ]; then
            [ -e "$chp" ] || { made=1; echo 'system: will install from npm, to .bench: configurable-http-proxy'; }
        elif ! has_axe; then
            made=1
            echo "system: will install from npm, to .npm: axe-core $axe"
        fi
        if ! has_provider; then
            made=1
            echo "system: will install from npm, to .oidc: oidc-provider $provider"
        fi
    fi
    if [ "$(id -u)" = 0 ] && [ -n "$new" ]; then
        made=1
        echo "system: tests will make these users, who own nothing:$new"
    fi
    if [ "$(id -u)" = 0 ] && [ ! -d /var/tmp/conductor-trio-tests ]; then
        made=1
        echo 'system: tests will make /var/tmp/conductor-trio-tests, for copies of the project that every user can run'
    fi
    [ -z "$made" ] || echo 'system: `make clean-system` takes all of this back; `make quick` needs none of it'
}

# Packages leave the users and groups that they make for their services.
present() {
    dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | sed -n 's/^installed /package /p'
    getent passwd | sed 's/^\([^:]*\):.*/service-user \1/'
    getent group | sed 's/^\([^:]*\):.*/service-group \1/'
}

finish_install() {
    [ -z "$is_policy_ours" ] || rm -f "$policy"
    # Whatever came of it, and what they need, too.
    mkdir -p "$(dirname "$record")"
    present | sort | comm -13 "$before" - >>"$record"
    rm -f "$before"
}

install_missing() {
    before=$(mktemp)
    present | sort >"$before"
    is_policy_ours=
    trap finish_install EXIT
    trap 'exit 1' HUP INT TERM
    # Installed for tests, the services must not start: an SSH server open to the world would be no gift.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        is_policy_ours=1
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    echo "system: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    wait_for_lock='-o DPkg::Lock::Timeout=300'
    # shellcheck disable=SC2086 # lists of words
    if ! { apt-get -qq $wait_for_lock update &&
        echo "system: packages in all: $(apt-get -qq -s install --no-install-recommends $missing | grep -c '^Inst ')" &&
        apt-get -qq $wait_for_lock install --no-install-recommends $missing >/dev/null; }; then
        echo 'system: that failed; what needs them is left out' >&2
        [ -z "${CI:-}" ] || exit 1
    fi
    trap - EXIT HUP INT TERM
    finish_install
}

# Version 5 is the first that can have a UNIX socket behind it; an older Node.js runs only version 4.
install_chp() {
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

install_axe() {
    if has_axe || ! command -v npm >/dev/null; then
        return
    fi
    mkdir -p .npm
    echo "system: installing axe-core $axe to .npm"
    if ! npm install --prefix .npm --silent --no-audit --no-fund --ignore-scripts "axe-core@$axe" >/dev/null; then
        echo 'system: that failed; pages are not checked by axe-core' >&2
        [ -z "${CI:-}" ]
    fi
}

# An OpenID provider for tests in a directory of its own.
install_provider() {
    if ! command -v npm >/dev/null || has_provider; then
        return
    fi
    echo "system: installing oidc-provider $provider to .oidc"
    rm -rf .oidc
    mkdir .oidc
    if ! npm install --prefix .oidc --silent --no-audit --no-fund --ignore-scripts "oidc-provider@$provider" >/dev/null; then
        echo 'system: that failed; nobody signs in at an OpenID provider' >&2
        [ -z "${CI:-}" ]
    fi
}

say_plan
[ "$purpose" != say ] || exit 0
[ -z "$missing" ] || ! can_install || install_missing
[ "$purpose" = bench ] || install_axe
install_provider
[ "$purpose" != bench ] || install_chp
