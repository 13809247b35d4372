"""conductor-trio-server check: what a gateway lacks is found there, and nothing is changed by looking."""

from __future__ import annotations

import datetime
import os
import socket
import subprocess
from pathlib import Path

import pytest

from conductor_trio.commandline.parser import parse
from conductor_trio.errors import ConfigError
from conductor_trio.findings import Finding, Status
from conductor_trio.server.check.host import check_host
from conductor_trio.server.cli.arguments import read_settings
from conductor_trio.server.cli.table import SERVER
from tests.support.certificates import CertificateAuthority
from tests.support.needs import require_program, require_root
from tests.support.programs import OWN_PYTHON, open_server, run_program

LOCAL = ["-d", "{key}-{user}.localhost"]


def check(directory: Path, *options: str | Path, **environment: str) -> dict[str, Finding]:
    """Return what is found, by its check; the worst, where there is more."""
    words = ["-r", directory / "run", *(LOCAL if "-d" not in options else []), *options]
    found: dict[str, Finding] = {}
    for finding in check_host(read_settings(parse(SERVER, ["check", *map(str, words)]).given), environment):
        known = found.get(finding.check)
        if known is None or known.status is not Status.FAILED:
            found[finding.check] = finding
    return found


async def test_a_gateway_that_serves(short_tmp: Path) -> None:
    async with open_server(short_tmp / "run", "-s", short_tmp / "http") as server:
        found = check(short_tmp, "-s", short_tmp / "http")
        for place in ("runtime directory", "control socket", "host names", "visitors' socket"):
            assert found[place].status is Status.OK, found[place]
        server.control_socket.chmod(0o770)
        assert found["LISTEN_FDS"].status is Status.SKIPPED
        assert "SocketMode=0777" in check(short_tmp)["control socket"].advice
        (short_tmp / "http").chmod(0o666)
        assert "could add headers" in check(short_tmp, "-s", short_tmp / "http")["visitors' socket"].advice


def test_nothing_is_there_yet_and_nothing_is_made(short_tmp: Path) -> None:
    found = check(short_tmp, "-s", short_tmp / "http")
    assert "can be made" in found["runtime directory"].detail
    assert found["control socket"].status is Status.SKIPPED
    assert "can be made" in found["visitors' socket"].detail
    assert list(short_tmp.iterdir()) == []


def test_a_directory_that_users_cannot_enter(short_tmp: Path) -> None:
    (short_tmp / "run").mkdir()
    short_tmp.chmod(0o700)
    found = check(short_tmp)["runtime directory"]
    assert found.status is Status.FAILED and f"`chmod o+x {short_tmp}`" in found.advice


def test_a_directory_that_is_none_or_too_long(short_tmp: Path) -> None:
    (short_tmp / "run").touch()
    assert "no directory" in check(short_tmp)["runtime directory"].detail
    assert "too long" in check(short_tmp / ("x" * 90))["runtime directory"].detail


async def test_the_servers_group_is_its_own(short_tmp: Path) -> None:
    require_root()
    require_program("useradd")
    sockets = short_tmp / "run/sockets"
    sockets.mkdir(parents=True)
    assert "runs as root" in check(short_tmp)["group"].detail
    os.chown(sockets, 1, 100)  # a group of Debian's that users are in, or none
    assert check(short_tmp)["group"].status in (Status.OK, Status.FAILED)
    os.chown(sockets, 54321, 54321)
    assert "has no name" in check(short_tmp)["group"].detail


@pytest.mark.parametrize(
    ("pattern", "status", "said"),
    [
        ("{key}-{user}.localhost:8888", Status.OK, "own host"),
        ("{key}-{user}.apps.invalid", Status.FAILED, "*.apps.invalid"),
        ("{key}.apps.invalid", Status.FAILED, "{key} and {user}"),
    ],
)
def test_patterns(short_tmp: Path, pattern: str, status: Status, said: str) -> None:
    found = check(short_tmp, "-d", pattern)["host names"]
    assert found.status is status
    assert said in found.detail + found.advice


def check_tls(directory: Path, *options: str) -> Finding:
    """Return what is found of the certificate at `server.pem` in a directory."""
    pem = directory / "server.pem"
    where: list[str | Path] = ["-d", "{key}-{user}.apps.test", "--ssl-cert-file", pem, "--ssl-key-file", pem]
    return check(directory, *where, *options)["TLS"]


@pytest.mark.parametrize(
    ("name", "days", "status", "said"),
    [
        ("*.apps.test", 60, Status.OK, "for 60 days more"),
        ("*.apps.test", 3, Status.WARNING, "renew"),
        ("*.apps.test", -2, Status.FAILED, "renew"),
        ("*.other.test", 60, Status.FAILED, "it must be for check-nobody.apps.test"),
    ],
)
def test_certificates(short_tmp: Path, name: str, days: int, status: Status, said: str) -> None:
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days, minutes=1)
    issued = CertificateAuthority().issue(name, end=end)
    (short_tmp / "server.pem").write_bytes(issued.both)
    found = check_tls(short_tmp)
    assert found.status is status
    assert said in found.detail + found.advice


def test_the_certificate_is_for_the_dashboard_too(short_tmp: Path) -> None:
    (short_tmp / "server.pem").write_bytes(CertificateAuthority().issue("*.apps.test").both)
    assert check_tls(short_tmp, "--admin-host", "admin.apps.test").status is Status.OK
    found = check_tls(short_tmp, "--admin-host", "admin.test")
    assert found.status is Status.FAILED and "it must be for admin.test" in found.advice


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["-d", "{key}-{user}.localhost"], Status.SKIPPED, "a front proxy has to speak it"),
        (["-d", "{key}-{user}.apps.invalid"], Status.WARNING, "--trusted-proxy"),
        (["-d", "{key}-{user}.apps.invalid", "--trusted-proxy", "127.0.0.1"], Status.SKIPPED, "front proxy"),
        (["--host", ""], Status.WARNING, "0.0.0.0"),
        (["--host", "no-such-host.invalid"], Status.SKIPPED, "front proxy"),
    ],
)
def test_plain_http(short_tmp: Path, options: list[str], status: Status, said: str) -> None:
    found = check(short_tmp, *options)["TLS"]
    assert found.status is status
    assert said in found.detail + found.advice


def test_a_certificate_that_is_not_there(short_tmp: Path) -> None:
    assert check_tls(short_tmp).status is Status.FAILED


def test_sockets_of_the_parent(short_tmp: Path) -> None:
    command = f"""exec env LISTEN_FDS=1 LISTEN_PID=$$ {OWN_PYTHON.with_name("conductor-trio-server")} --check \
        -r {short_tmp}/run -d '{{key}}-{{user}}.localhost' 3<&0"""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(short_tmp / "http"))
        for is_listening in (False, True):
            if is_listening:
                sock.listen()
            done = subprocess.run(
                ["/bin/sh", "-c", command], stdin=sock.fileno(), capture_output=True, text=True, timeout=20
            )
            [line] = [line for line in done.stdout.splitlines() if "LISTEN_FDS" in line]
            assert line.startswith("ok" if is_listening else "failed"), line
            assert "Traceback" not in done.stderr
    (short_tmp / "http").unlink()


def test_files(short_tmp: Path) -> None:
    assert check(short_tmp, "--max-visitors", "10", "--max-sessions", "10")["open files"].status is Status.OK
    assert "LimitNOFILE=" in check(short_tmp, "--max-visitors", "9999999")["open files"].advice


async def test_for_people(short_tmp: Path) -> None:
    program = OWN_PYTHON.with_name("conductor-trio-server")
    words: list[str | Path] = [program, "--check", "-r", short_tmp / "run"]
    done = await run_program([*words, "-d", "{key}-{user}.apps.invalid"])
    assert done.process.returncode == 1
    assert f"ok       runtime directory   {short_tmp}/run is not there yet, and can be made" in done.out.lines
    assert done.err.text == ""


def test_wrong_usage_stays_wrong(short_tmp: Path) -> None:
    with pytest.raises(ConfigError):
        read_settings(parse(SERVER, ["--check", "-p", "99999"]).given)


def test_the_logo(short_tmp: Path) -> None:
    file = short_tmp / "server.toml"
    file.write_text('[site]\nlogo = "logo.png"\n')
    assert "logo" not in check(short_tmp)
    found = check(short_tmp, "--config", file)["logo"]
    assert found.status is Status.FAILED and str(short_tmp / "logo.png") in found.detail
    (short_tmp / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n....")
    assert check(short_tmp, "--config", file)["logo"].status is Status.OK
