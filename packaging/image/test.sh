#!/bin/sh
# Run the image by podman as docs/install.md says, read-only and without privileges, and serve a session by it. Arguments:
# the directory of `make image`. As root. PODMAN_RUN has further options of `podman run`.
set -eu

dist=$(cd "$1" && pwd)
version=$(python3 "$dist/conductor-trio-server.pyz" --version | cut -d ' ' -f 2)
image=localhost/conductor-trio-server:$version
work=$(mktemp -d)
chmod 755 "$work"
name=conductor-trio-test-$$
client=
finish() {
    [ -z "$client" ] || kill "$client" 2>/dev/null || true
    podman rm --force --time 5 "$name" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
failed() { echo "image-test: FAILED: $1"; podman logs "$name" 2>&1 | tail -n 20; tail -n 5 "$work/events" 2>/dev/null; exit 1; }
wait_for() { n=0; until "$@" >/dev/null 2>&1; do n=$((n + 1)); [ "$n" -lt 150 ] || failed "waited in vain for: $*"; sleep 0.2; done; }

podman load --quiet --input "$dist/conductor-trio-server-$version-image.tar" >/dev/null
mkdir -m 755 "$work/run" "$work/etc"
# Clients are told its path, which has to be the same on both sides.
chown 980:980 "$work/run"
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'domain = ["{key}-{user}.localhost"]\nport = %s\n' "$port" >"$work/etc/server.toml"
# shellcheck disable=SC2086 # a list of words
podman run --detach --name "$name" --read-only --tmpfs /tmp --cap-drop all --network host ${PODMAN_RUN:-} \
    --volume "$work/run:$work/run" --volume "$work/etc:/etc/conductor-trio:ro" \
    "$image" --host 127.0.0.1 --runtime-dir "$work/run" >/dev/null || failed 'podman run'
wait_for test -S "$work/run/client"
podman exec "$name" sh -c '! touch /usr/x 2>/dev/null && [ "$(id -u)" = 980 ] && grep -q "^CapEff:.0*$" /proc/1/status' || failed 'privileges'
CONDUCTOR_TOKEN=secret python3 "$dist/conductor-trio.pyz" --json -k lab --tcp 0 --tcp-shared "$work/run/client" -- \
    python3 -m http.server --directory "$work/etc" --bind 127.0.0.1 '{port}' >"$work/events" 2>&1 & client=$!
wait_for grep -q '"live"' "$work/events"
host=lab-$(id -un).localhost
status=$(curl -s -o /dev/null -w '%{http_code}' -H "Host: $host" -H 'Authorization: Bearer secret' "http://127.0.0.1:$port/server.toml")
[ "$status" = 200 ] || failed "a request: $status"
podman exec "$name" conductor-trio-server ls --runtime-dir "$work/run"
podman inspect --format '{{.Config.Healthcheck.Test}}' "$name" | grep -q _conductor/status || failed 'no health check'
[ "$port" != 8888 ] || podman healthcheck run "$name" || failed 'the health check'
echo 'image-test: all is well'
