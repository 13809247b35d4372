#!/bin/sh
# Build the Debian packages of the two files that `make pyz` has left in a directory, into the same directory. Arguments:
# that directory, and what the packages' version ends with (1). Debian's tools do it, without a network.
# DEBFULLNAME and DEBEMAIL say who is the maintainer.
set -eu

dist=$(cd "$1" && pwd)
revision=${2:-1}
root=$(cd "$(dirname "$0")/../.." && pwd)
version=$(python3 "$dist/conductor-trio.pyz" --version | cut -d ' ' -f 2)
maintainer="${DEBFULLNAME:-Local build} <${DEBEMAIL:-root@localhost}>"
moment=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
source=$work/conductor-trio-$version
mkdir "$source"
cp -R "$root/packaging/deb/debian" "$root/packaging/server.toml" "$root/packaging/deb/licences.py" \
    "$root/docs" "$root/CHANGELOG.md" "$dist/conductor-trio.pyz" "$dist/conductor-trio-server.pyz" "$source"
cat >"$source/debian/changelog" <<END
conductor-trio ($version-$revision) unstable; urgency=medium

  * Built from the sources of version $version, whose changes are in changelog.gz.

 -- $maintainer  $(date -R -u -d "@$moment")
END
sed -i "s/@MAINTAINER@/$maintainer/" "$source/debian/control"
copyright=$(sed -n 's/^Copyright (c) //p' "$root/LICENSE")
licence=$(sed -e '1,/^Copyright/d' -e '/./,$!d' "$root/LICENSE" | sed -e 's/^$/./' -e 's/^/ /')
awk -v copyright="$copyright" -v licence="$licence" \
    '{ sub(/@COPYRIGHT@/, copyright) } /@LICENCE@/ { print licence; next } { print }' \
    "$root/packaging/deb/debian/copyright" >"$source/debian/copyright"
log=$work/log
(cd "$source" && SOURCE_DATE_EPOCH=$moment dpkg-buildpackage -b -us -uc) >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
cp "$work"/*.deb "$dist"
(cd "$dist" && ls "$PWD"/*_"$version-$revision"_all.deb)
