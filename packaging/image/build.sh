#!/bin/sh
# Make an image of the server on PyPy: a Debian by mmdebstrap, the server of `make pyz` in it, and what buildah says of it.
# Arguments: the directory of `make pyz`, where the image's archive goes, too. As root, with mmdebstrap and buildah.
# It is in Docker's form of an image, which every container engine reads: that of OCI has no place for a health check.
set -eu

dist=$(cd "$1" && pwd)
for program in mmdebstrap buildah; do
    command -v "$program" >/dev/null || { echo "image: no $program: apt-get install mmdebstrap buildah" >&2; exit 1; }
done
version=$(python3 "$dist/conductor-trio-server.pyz" --version | cut -d ' ' -f 2)
moment=${SOURCE_DATE_EPOCH:-$(git -C "$(dirname "$0")" log -1 --format=%ct 2>/dev/null || date +%s)}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/opt/conductor-trio"
python3 - "$dist/conductor-trio-server.pyz" "$work/opt/conductor-trio" <<'END'
import io, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as file:
    zipfile.ZipFile(io.BytesIO(file.read("source.zip"))).extractall(sys.argv[2])
    file.extractall(sys.argv[2], [name for name in file.namelist() if name.startswith("licences/")])
END
cat >"$work/conductor-trio-server" <<'END'
#!/usr/bin/pypy3 -I
import sys

sys.path.insert(0, "/opt/conductor-trio")
from conductor_trio.server.__main__ import main

sys.exit(main())
END
# The first PyPy for Python 3.11 is in Debian 13.
SOURCE_DATE_EPOCH=$moment mmdebstrap --quiet --variant=minbase --include=pypy3,ca-certificates \
    --aptopt='Acquire::Languages "none"' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook="cp -R $work/opt/conductor-trio \"\$1/opt/conductor-trio\"" \
    --customize-hook="install -m 755 $work/conductor-trio-server \"\$1/usr/bin/conductor-trio-server\"" \
    --customize-hook='chroot "$1" pypy3 -m compileall -q /opt/conductor-trio' \
    --customize-hook='chroot "$1" useradd --system --user-group --uid 980 --home-dir /nonexistent --shell /usr/sbin/nologin conductor' \
    --customize-hook='install -d -m 755 -o 980 -g 980 "$1/run/conductor"; mkdir "$1/etc/conductor-trio"' \
    trixie "$work/root.tar"

container=$(buildah from --format docker scratch)
trap 'buildah rm "$container" >/dev/null; rm -rf "$work"' EXIT
buildah add --quiet "$container" "$work/root.tar" / >/dev/null
buildah config --user conductor --port 8888 --volume /run/conductor --stop-signal SIGTERM \
    --env PYTHONDONTWRITEBYTECODE=1 --entrypoint '["conductor-trio-server"]' \
    --cmd '--host 0.0.0.0 --runtime-dir /run/conductor' \
    --healthcheck "CMD bash -c 'exec 3<>/dev/tcp/127.0.0.1/8888 && printf \"GET /_conductor/status HTTP/1.1\\r\\nHost: health\\r\\nConnection: close\\r\\n\\r\\n\" >&3 && head -n 1 <&3 | grep -q \" 200 \"'" \
    --healthcheck-interval 30s --healthcheck-timeout 5s --healthcheck-start-period 15s \
    --label org.opencontainers.image.title=conductor-trio-server \
    --label "org.opencontainers.image.version=$version" --label org.opencontainers.image.licenses=MIT "$container"
archive=$dist/conductor-trio-server-$version-image.tar
rm -f "$archive"
buildah commit --quiet --format docker --timestamp "$moment" "$container" \
    "docker-archive:$archive:localhost/conductor-trio-server:$version" >/dev/null
echo "$archive"
