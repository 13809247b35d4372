"""The server's command line: what it means, and what is refused in one line."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
import trustme

from conductor_trio import __version__
from conductor_trio.errors import ConfigError
from conductor_trio.limits import DEFAULT_RUNTIME_DIR
from conductor_trio.server.cli import parse_settings
from conductor_trio.server.settings import TlsSettings
from tests.support.needs import require_program
from tests.support.programs import OWN_PYTHON

TLS = ["--ssl-cert-file", "c.pem", "--ssl-key-file", "k.pem"]


def run_server(*options: str) -> subprocess.CompletedProcess[str]:
    command = [str(OWN_PYTHON.with_name("conductor-trio-server")), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def assert_one_line(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    """Check that the server said in one line what is wrong, and ended with that status."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("conductor-trio-server: ")
    for word in words:
        assert word in line


def test_nothing_said_means_the_contracts_defaults() -> None:
    settings = parse_settings([])
    assert (settings.host, settings.port, settings.socket) == ("127.0.0.1", 8888, None)
    assert settings.runtime_dir == DEFAULT_RUNTIME_DIR == "/var/run/conductor"
    assert settings.patterns == ("{key}-{user}.localhost:8888",)
    assert settings.tls is None
    assert not settings.verbose
    assert settings.limits.grace_timeout == 10


def test_each_option_is_taken() -> None:
    where = ["-p", "80", "--host", "", "-r", "run", "-d", "{key}-{user}.a", "-d", "{key}.{user}.b"]
    who = [*TLS, "--ssl-allowed-clients", "ca.pem", "--trusted-proxy", "10.0.0.0/8", "--allow-origin", "https://p"]
    settings = parse_settings([*where, *who, "-v", "--grace", "0"])
    assert (settings.host, settings.port) == ("", 80)
    assert settings.runtime_dir == os.path.abspath("run")
    assert settings.patterns == ("{key}-{user}.a", "{key}.{user}.b")
    assert settings.tls == TlsSettings(cert_file="c.pem", key_file="k.pem", allowed_clients="ca.pem")
    assert settings.trusted_proxies == ("10.0.0.0/8",)
    assert settings.allowed_origins == ("https://p",)
    assert settings.verbose
    assert settings.limits.grace_timeout == 0
    assert not settings.take_over


def test_each_quota_is_taken() -> None:
    options = [
        "--max-sessions",
        "--max-user-sessions",
        "--max-user-new-sessions",
        "--max-visitors",
        "--max-route-connections",
        "--max-route-held",
        "--lost-timeout",
    ]
    limits = parse_settings([f"{option}={number}" for number, option in enumerate(options, 1)]).limits
    assert (limits.max_sessions, limits.max_sessions_per_user, limits.max_new_sessions) == (1, 2, 3)
    assert (limits.max_visitors, limits.max_route_connections, limits.max_parked_per_route) == (4, 5, 6)
    assert limits.detached_timeout == 7
    assert parse_settings(["--max-route-held=0", "--take-over"]).take_over


@pytest.mark.parametrize("option", ["-s", "--sock", "--socket"])
def test_a_unix_socket_instead_of_a_port(option: str) -> None:
    settings = parse_settings([option, "public"])
    assert (settings.port, settings.socket) == (None, os.path.abspath("public"))
    assert settings.patterns == ("{key}-{user}.localhost",)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["-p", "80", "-s", "x"], "give one of them"),
        (["--host", "h", "-s", "x"], "give one of them"),
        (["-p", "65536"], "65536"),
        (["-p", "-1"], "no TCP port"),
        (["--grace", "-1"], "--grace"),
        (["--grace", "nan"], "--grace"),
        (["--lost-timeout", "-1"], "--lost-timeout"),
        (["--max-sessions", "0"], "--max-sessions"),
        (["--max-user-sessions", "0"], "--max-user-sessions"),
        (["--max-user-new-sessions", "0"], "--max-user-new-sessions"),
        (["--max-visitors", "0"], "--max-visitors"),
        (["--max-route-connections", "-1"], "--max-route-connections"),
        (["--max-route-held", "-1"], "--max-route-held"),
        (["--trusted-proxy", "10.0.0.1/8"], "--trusted-proxy"),
        (TLS[:2], "--ssl-cert-file needs --ssl-key-file"),
        (TLS[2:], "--ssl-key-file needs --ssl-cert-file"),
        (["--ssl-allowed-clients", "ca.pem"], "needs --ssl-cert-file and --ssl-key-file"),
    ],
)
def test_what_does_not_go_together_is_refused(argv: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_settings(argv)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-p", "80", "-s", "x"], ["-s", "-p"]),
        (["-d", "{key}.localhost"], ["{key}.localhost", "{user}"]),
        (["-d", "localhost"], ["{key} and {user}"]),
        (["-d", "{key}{user}.localhost"], ["between"]),
        (["-d", "{key}-{user}.a", "-d", "{user}-{key}.a"], ["same host name"]),
        (["--ssl-cert-file", "c.pem"], ["--ssl-key-file"]),
        ([*TLS], ["cannot read c.pem", "No such file"]),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(short_tmp: Path, options: list[str], words: list[str]) -> None:
    assert_one_line(run_server("-r", str(short_tmp / "run"), *options), 2, *words)
    assert list(short_tmp.iterdir()) == []


@pytest.mark.parametrize("options", [["-p", "http"], ["--no-such-option"], ["extra"], ["--grace", "soon"]])
def test_what_is_no_option_shows_the_usage(options: list[str]) -> None:
    done = run_server(*options)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: conductor-trio-server")
    assert "Traceback" not in done.stderr


def test_version_and_help() -> None:
    assert run_server("--version").stdout == f"conductor-trio-server {__version__}\n"
    shown = run_server("--help").stdout
    for option in ("-p", "-s", "-r", "-d", "-v", "--ssl-cert-file", "--ssl-key-file", "--ssl-allowed-clients"):
        assert option in shown


def test_ctrl_c_while_it_starts_is_no_traceback(short_tmp: Path) -> None:
    # A module that stands in the way of what is slow to import, for as long as a person needs.
    (short_tmp / "trio.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    command = [str(OWN_PYTHON), "-c", "import sys; from conductor_trio.server.cli import main; sys.exit(main([]))"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PYTHONPATH": str(short_tmp)}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0


def test_as_many_files_as_allowed_may_be_open(short_tmp: Path) -> None:
    (short_tmp / "trio.py").write_text("import resource\nprint(resource.getrlimit(resource.RLIMIT_NOFILE))\n")
    code = "from conductor_trio.server import cli; cli._allow_many_files(); import trio"
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -Sn 50; ulimit -Hn 77; exec "$@"', "sh", str(OWN_PYTHON), "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(short_tmp)},
        timeout=20,
        check=True,
    )
    assert done.stdout == "(77, 77)\n"


# Certificates.


@pytest.fixture
def papers(short_tmp: Path) -> Path:
    """Write a certificate, its key, the same key encrypted, and another's key."""
    authority = trustme.CA()
    one, other = authority.issue_cert("a.localhost"), authority.issue_cert("b.localhost")
    one.cert_chain_pems[0].write_to_path(short_tmp / "cert.pem")
    one.private_key_pem.write_to_path(short_tmp / "key.pem")
    other.private_key_pem.write_to_path(short_tmp / "other.pem")
    (short_tmp / "text.pem").write_text("no certificate")
    return short_tmp


@pytest.mark.parametrize(
    ("cert", "key", "clients", "words"),
    [
        ("cert.pem", "other.pem", None, ["cert.pem", "other.pem"]),
        ("text.pem", "key.pem", None, ["text.pem"]),
        ("cert.pem", "text.pem", None, ["text.pem"]),
        ("cert.pem", "none.pem", None, ["cannot read", "none.pem"]),
        ("cert.pem", "key.pem", "text.pem", ["text.pem", "no certificate"]),
        ("cert.pem", "key.pem", "none.pem", ["cannot read", "none.pem"]),
        (".", "key.pem", None, ["cannot read", "Is a directory"]),
    ],
)
def test_bad_certificates_are_named(
    papers: Path, cert: str, key: str, clients: str | None, words: list[str]
) -> None:
    options = ["--ssl-cert-file", str(papers / cert), "--ssl-key-file", str(papers / key)]
    if clients is not None:
        options += ["--ssl-allowed-clients", str(papers / clients)]
    assert_one_line(run_server("-r", str(papers / "run"), *options), 2, *words)
    assert not (papers / "run").exists()


def test_an_encrypted_key_is_never_asked_about(papers: Path) -> None:
    encrypted = papers / "encrypted.pem"
    key, words = str(papers / "key.pem"), ["-aes128", "-passout", "pass:secret", "-out", str(encrypted)]
    subprocess.run([require_program("openssl"), "pkey", "-in", key, *words], capture_output=True, check=True)
    files = ["--ssl-cert-file", str(papers / "cert.pem"), "--ssl-key-file", str(encrypted)]
    assert_one_line(run_server("-r", str(papers / "run"), *files), 2, "encrypted.pem", "unencrypted")
