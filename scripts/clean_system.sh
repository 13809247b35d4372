#!/bin/sh
# Take back what `make system`, `make bench` and the tests have made on this machine: the Debian packages and the users
# that stand in their record, the packages' own with them, and the copies of the project. What was here before, or others
# need by now, stays.
# Arguments, for tests: the record, the copies' directory.
set -eu

record=${1:-/var/lib/conductor-trio-tests/made}
copies=${2:-/var/tmp/conductor-trio-tests}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive

recorded() { # kind
    [ ! -e "$record" ] || sed -n "s/^$1 //p" "$record" | sort -u
}
is_group() { getent group "$1" >/dev/null; }
is_user() { getent passwd "$1" >/dev/null; }
is_package() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
still() { # test, names: those of them that are here, one a line
    there=$1
    shift
    for name in "$@"; do ! "$there" "$name" || echo "$name"; done
}

# shellcheck disable=SC2046 # names have no blanks
users=$(still is_user $(recorded user))
# shellcheck disable=SC2046
packages=$(still is_package $(recorded package))
# shellcheck disable=SC2046
service_users=$(still is_user $(recorded service-user)) service_groups=$(still is_group $(recorded service-group))

if [ -n "$users$packages$service_users$service_groups" ] && [ "$(id -u)" != 0 ]; then
    echo 'clean-system: only root can take back users and packages; nothing was removed' >&2
    exit 1
fi
for user in $users; do
    echo "clean-system: removing the user $user"
    userdel "$user" || true
done
if [ -n "$packages" ]; then
    echo "clean-system: removing the packages" $packages
    # Unlike apt-get it takes nothing along that needs one of them.
    # shellcheck disable=SC2086
    dpkg --purge $packages >/dev/null 2>&1 || true
fi
if [ -d "$copies" ] && [ ! -h "$copies" ] && [ -O "$copies" ]; then
    echo "clean-system: removing $copies"
    rm -rf "$copies"
fi

[ -e "$record" ] || exit 0
# shellcheck disable=SC2086
left_users=$(still is_user $users)
# shellcheck disable=SC2086
left_packages=$(still is_package $packages)
if [ -z "$left_packages" ]; then # whose services are gone, too
    for user in $service_users; do userdel "$user" || true; done
    for group in $(still is_group $service_groups); do groupdel "$group" || true; done
fi
# shellcheck disable=SC2086
service_users=$(still is_user $service_users) service_groups=$(still is_group $service_groups)
if [ -z "$left_users$left_packages$service_users$service_groups" ]; then
    rm -f "$record"
    rmdir "$(dirname "$record")" 2>/dev/null || true
    exit 0
fi
# Written beside it, so that a full disk costs no record.
{
    for user in $left_users; do echo "user $user"; done
    for package in $left_packages; do echo "package $package"; done
    for user in $service_users; do echo "service-user $user"; done
    for group in $service_groups; do echo "service-group $group"; done
} >"$record.new"
mv "$record.new" "$record"
[ -z "$left_users" ] || echo "clean-system: these users stay, as userdel says above:" $left_users >&2
if [ -n "$left_packages" ]; then
    # The wish to have them purged would stay, for the next program that carries out such wishes.
    for package in $left_packages; do echo "$package install"; done | dpkg --set-selections
    echo "clean-system: these packages stay (dpkg --purge NAME says why):" $left_packages >&2
fi
exit 1
