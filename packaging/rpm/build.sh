#!/bin/sh
# Build the RPM packages of the two files that `make pyz` has left in a directory, into the same directory. RPM_PYTHON names
# the interpreter that they are to run on, as its package is called (python3).
set -eu

dist=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/../.." && pwd)
version=$(python3 "$dist/conductor-trio.pyz" --version | cut -d ' ' -f 2)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/SOURCES"
cp "$dist"/conductor-trio.pyz "$dist"/conductor-trio-server.pyz "$root/packaging/server.toml" "$work/SOURCES"
(cd "$root/docs" && tar --owner=root --group=root --mode=644 -cf "$work/SOURCES/docs.tar" ./*.md)
# Beside Debian's own tools the packages that it needs are not known as RPMs.
without=$(command -v dpkg >/dev/null && echo --nodeps || true)
# shellcheck disable=SC2086 # nothing or a word
rpmbuild -bb $without --quiet --define "_topdir $work" --define "pyz_version $version" \
    --define "python ${RPM_PYTHON:-python3}" "$root/contrib/conductor-trio.spec" >"$work/log" 2>&1 \
    || { cat "$work/log" >&2; exit 1; }
cp "$work"/RPMS/noarch/*.rpm "$dist"
ls "$dist"/*.rpm
