#!/bin/sh
# What `test.sh` does in its Debian, as root under systemd.
set -eu

failed() {
    echo "deb-test: FAILED: $1"
    systemctl --no-pager status 'conductor-trio*' alice || true
    journalctl --no-pager -n 60 -u conductor-trio-server -u alice -u ssh || true
    exit 1
}
step() { echo "deb-test: $1"; }
wait_for() { n=0; until "$@" 2>/dev/null; do n=$((n + 1)); [ "$n" -lt 150 ] || failed "waited in vain for: $*"; sleep 0.2; done; }
main_pid() { systemctl show --property MainPID --value conductor-trio-server; }
install_packages() { dpkg --install /debs/*_"$1"_all.deb >/dev/null || failed "dpkg --install $1"; }
# What may change besides: dpkg's own books, logs, caches, and what systemd notes of units.
list_files() {
    find / -xdev \( -path /debs -o -path /proc -o -path /sys -o -path /dev -o -path /run/systemd -o -path /tmp -o -path /var/tmp \
        -o -path '/var/lib/dpkg' -o -path /var/log/journal -o -path /var/cache -o -path '/run/user' -o -path /root \
        -o -path '/home' \) -prune -o -print | sort
    find /run -path /run/systemd -prune -o -path /run/user -prune -o -print | sort
}
ask() { curl -s -m 20 -o /dev/null -w '%{http_code}\n' --unix-socket /run/conductor-front/http \
    -H 'Host: lab-alice.apps.test' -H 'Authorization: Bearer secret-of-alice' http://x/; }
answers() { [ "$(ask)" = 200 ]; }

list_files >/debs/before
version=$(basename /debs/conductor-trio_*-1_all.deb _all.deb)
version=${version#conductor-trio_}; version=${version%-1}

step 'installed: it runs, as its own user, with its directories'
install_packages "$version-1"
for unit in conductor-trio-server.service conductor-trio-server.socket conductor-trio-control.socket; do
    systemctl --quiet is-active "$unit" || failed "$unit is not active"
    systemctl --quiet is-enabled "$unit" || failed "$unit is not enabled"
done
[ "$(ps -o user= -p "$(main_pid)")" = conductor ] || failed 'the user'
[ "$(stat -c '%U %a' /run/conductor /var/log/conductor-trio | tr '\n' ' ')" = 'conductor 755 conductor 750 ' ] || failed 'directories'
verified=$(systemd-analyze verify /lib/systemd/system/conductor-trio-*.service /lib/systemd/system/conductor-trio-*.socket 2>&1) || failed "$verified"
[ -z "$verified" ] || failed "systemd-analyze verify: $verified"
systemd-analyze --no-pager security conductor-trio-server.service | tail -1
[ -e /usr/share/man/man8/conductor-trio-server.8.gz ] && [ -e /usr/share/man/man1/conductor-trio.1.gz ] || failed 'manual pages'
[ -e /usr/share/bash-completion/completions/conductor-trio ] || failed 'completion'

step 'a domain in its file, applied by a reload'
former=$(main_pid)
echo 'domain = ["{key}-{user}.apps.test"]' >>/etc/conductor-trio/server.toml
systemctl reload conductor-trio-server || failed 'reload'
[ "$(main_pid)" != "$former" ] || failed 'nobody took over'
conductor-trio-server check >/debs/check || true
[ "$(grep -c ^failed /debs/check)" = 1 ] && grep -q '^failed *host names' /debs/check || { cat /debs/check; failed 'check'; } # there is no DNS

step 'a session over SSH'
useradd --create-home --shell /bin/sh alice
cp /usr/share/doc/conductor-trio-server/examples/sshd_config.d/conductor-trio.conf /etc/ssh/sshd_config.d/
systemctl restart ssh
runuser -u alice -- sh -c 'mkdir -m 700 ~/.ssh && ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/id_ed25519 && cp ~/.ssh/id_ed25519.pub ~/.ssh/authorized_keys && echo "StrictHostKeyChecking accept-new" >~/.ssh/config'
cat >/etc/systemd/system/alice.service <<'END'
[Service]
User=alice
Environment=CONDUCTOR_TOKEN=secret-of-alice HOME=/home/alice
WorkingDirectory=/home/alice
ExecStart=/usr/bin/conductor-trio --json -k lab --tcp 0 --tcp-shared 127.0.0.1:22/run/conductor/client -- python3 -m http.server --bind 127.0.0.1 {port}
END
systemctl daemon-reload
systemctl start alice
wait_for answers
conductor-trio-server ls

step 'under load: a wrong file changes nothing, a right one is applied, an upgrade takes over'
(while [ ! -e /debs/stop ]; do ask >>/debs/answers; done) & load=$!
echo 'domian = "mistyped"' >>/etc/conductor-trio/server.toml
former=$(main_pid)
if systemctl reload conductor-trio-server 2>/dev/null; then failed 'a wrong file was applied'; fi
[ "$(main_pid)" = "$former" ] || failed 'the server changed'
systemctl status --no-pager conductor-trio-server | grep -q domian || failed 'the status does not say why'
install_packages "$version-2" # whose reload finds the same mistake
[ "$(main_pid)" = "$former" ] || failed 'the server changed by an upgrade beside a wrong file'
sed -i /domian/d /etc/conductor-trio/server.toml
install_packages "$version-1"
[ "$(main_pid)" != "$former" ] || failed 'nobody took over at an upgrade'
former=$(main_pid)
install_packages "$version-2"
[ "$(main_pid)" != "$former" ] || failed 'nobody took over at an upgrade'
systemctl reload conductor-trio-server || failed 'reload'
sleep 2
touch /debs/stop
wait "$load"
sort /debs/answers | uniq -c
[ "$(sort -u /debs/answers)" = 200 ] || failed 'a request failed'
systemctl --quiet is-active alice || failed 'the session ended'
systemctl --quiet is-active conductor-trio-server || failed 'the server ended'

step 'restarted: the session comes back by itself'
systemctl restart conductor-trio-server
wait_for answers

step 'removed and purged: nothing is left but the user'
systemctl stop alice
dpkg --remove conductor-trio-server >/dev/null
[ -e /etc/conductor-trio/server.toml ] || failed 'its file went before the purge'
if pgrep -u conductor >/dev/null; then failed 'a process is left'; fi
dpkg --purge conductor-trio-server conductor-trio >/dev/null
rm -f /etc/systemd/system/alice.service /etc/ssh/sshd_config.d/conductor-trio.conf
userdel alice
systemctl daemon-reload
list_files >/debs/after
diff /debs/before /debs/after | grep '^>' >/debs/left || true
grep -v -e '/etc/passwd-$' -e '/etc/group-$' -e '/etc/shadow-$' -e '/etc/gshadow-$' -e '/etc/subuid-$' -e '/etc/subgid-$' \
    -e ' /var/log/' -e ' /var/mail' -e ' /run/' -e ' /var/lib/systemd/deb-systemd' -e ' /var/lib/private' /debs/left && failed 'files are left'
grep ' /run/' /debs/left | grep -i conductor && failed 'runtime files are left'
systemctl list-unit-files --no-legend 'conductor*' | grep . && failed 'units are left'
step 'all is well'
