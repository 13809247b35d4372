#!/bin/sh
# Build the wheel and the sdist, and try both: the wheel installed in an environment of its own, the tests of what needs
# no program from the unpacked sdist. Arguments: a Python with the tools for development, the directory for both.
set -eu

python=$1
mkdir -p "$2"
dist=$(cd "$2" && pwd)
cd "$(dirname "$0")/../.."
python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python")
version=$("$python" -m conductor_trio --version | cut -d ' ' -f 2)
"$python" -m build --outdir "$dist" . >/dev/null

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --disable-pip-version-check "$dist/conductor_trio-$version-py3-none-any.whl"
cd "$work"
for program in conductor-trio conductor-trio-server; do
    "$work/venv/bin/$program" --version
    "$work/venv/bin/$program" files --install "$work/files" >/dev/null
done
for place in share/man/man1/conductor-trio.1 share/man/man8/conductor-trio-server.8 lib/systemd/system/conductor-trio-server.service; do
    [ -s "$work/venv/$place" ] && [ -s "$work/files/$place" ] || { echo "dist: no $place" >&2; exit 1; }
done
tar -xf "$dist/conductor_trio-$version.tar.gz"
cd "conductor_trio-$version"
"$python" -m pytest -q -p no:cacheprovider tests/access tests/http1 tests/control tests/repo/test_mirror.py \
    tests/repo/test_architecture.py
ls "$dist"/conductor_trio-"$version"*
