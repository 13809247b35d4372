#!/bin/sh
# Install the programs that the end-to-end tests use, where this is Debian and we are root; otherwise say what is
# missing. Argument: the Python whose `venv` module has to work.
set -eu

python=${1:-python3}
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
without nginx nginx-light 'tests behind a front proxy are left out'
command -v "$python" >/dev/null || { missing="$missing python3 python3-venv"; echo "system: no $python"; }
"$python" -c 'import ensurepip' 2>/dev/null || { missing="$missing python3-venv"; echo 'system: no virtual environments'; }
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "system: to have them, as root on Debian: apt-get install$missing"
    exit 0
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
