#!/bin/sh
# Try the Debian packages as an administrator would, on a Debian of their own under systemd: installed, started, used
# over SSH, reloaded with a wrong file and a right one, upgraded with a session alive and under load, and purged.
# Arguments: the directory of `make pyz`. As root, with mmdebstrap and systemd-nspawn (Debian's systemd-container).
set -eu

dist=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
release=${RELEASE:-bookworm}
tar=$here/../../build/$release.tar
for program in mmdebstrap systemd-nspawn dpkg-buildpackage; do
    command -v "$program" >/dev/null || { echo "deb-test: no $program: apt-get install mmdebstrap systemd-container debhelper" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
root=$work/root
mkdir "$root" "$work/first" "$work/second"
if [ ! -e "$tar" ]; then
    echo "deb-test: making a Debian $release"
    mkdir -p "$(dirname "$tar")"
    packages=systemd,systemd-sysv,dbus,python3,openssh-server,openssh-client,curl,procps,adduser,logrotate
    mmdebstrap --quiet --variant=minbase --include="$packages" "$release" "$tar.new"
    mv "$tar.new" "$tar"
fi
tar -C "$root" -xf "$tar" --exclude './dev/*'

echo 'deb-test: building the packages, and those of a later version'
for version in first second; do
    cp "$dist"/conductor-trio*.pyz "$work/$version"
done
sh "$here/build.sh" "$work/first" 1 >/dev/null
sh "$here/build.sh" "$work/second" 2 >/dev/null
mkdir "$root/debs"
cp "$work"/first/*.deb "$work"/second/*.deb "$here/test-inside.sh" "$root/debs"
cat >"$root/etc/systemd/system/deb-test.service" <<'END'
[Unit]
After=ssh.service systemd-user-sessions.service
[Service]
StandardOutput=append:/debs/log
StandardError=append:/debs/log
ExecStart=/bin/sh -c 'sh /debs/test-inside.sh; systemctl exit $?'
END
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../deb-test.service "$root/etc/systemd/system/multi-user.target.wants/deb-test.service"

echo 'deb-test: starting systemd'
: >"$root/debs/log"
# Without a machine manager on this host, and with a network of its own: its SSH server is on port 22.
timeout 400 systemd-nspawn --quiet --directory="$root" --register=no --keep-unit --private-network --boot \
    --console=pipe </dev/null >"$work/console" 2>&1 & systemd=$!
tail --pid=$systemd -n +1 -f "$root/debs/log"
wait "$systemd" || { tail -n 20 "$work/console"; exit 1; }
