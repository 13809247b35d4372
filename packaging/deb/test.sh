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
After=multi-user.target ssh.service
[Service]
Type=oneshot
StandardOutput=tty
StandardError=tty
ExecStart=/bin/sh -c 'sh /debs/test-inside.sh; systemctl exit $?'
END
mkdir -p "$root/etc/systemd/system/default.target.wants"
ln -s ../deb-test.service "$root/etc/systemd/system/default.target.wants/deb-test.service"

echo 'deb-test: starting systemd'
# Without a machine manager on this host.
timeout 300 systemd-nspawn --quiet --directory="$root" --register=no --keep-unit --boot \
    --console=pipe systemd.show_status=0 systemd.log_level=warning </dev/null
