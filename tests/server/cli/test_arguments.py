"""What the server's command line means."""

from __future__ import annotations

import os

import attrs
import pytest

from conductor_trio.commandline.parser import parse
from conductor_trio.errors import ConfigError
from conductor_trio.limits.constants import DEFAULT_RUNTIME_DIR
from conductor_trio.server.cli.arguments import read_settings
from conductor_trio.server.cli.table import SERVER
from conductor_trio.server.settings import ServerSettings, TlsSettings

TLS = ["--ssl-cert-file", "c.pem", "--ssl-key-file", "k.pem"]


def parse_settings(argv: list[str]) -> ServerSettings:
    return read_settings(parse(SERVER, argv).given)


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
    assert (limits.max_sessions, limits.max_user_sessions, limits.max_user_new_sessions) == (1, 2, 3)
    assert (limits.max_visitors, limits.max_route_connections, limits.max_route_parked) == (4, 5, 6)
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
    ("given", "origin"),
    [
        ("https://Portal.example.org", "https://portal.example.org"),
        ("https://portal.example.org/", "https://portal.example.org"),
        ("https://portal.example.org:443", "https://portal.example.org"),
        ("http://portal.example.org:8080", "http://portal.example.org:8080"),
    ],
)
def test_an_allowed_origin_is_written_as_browsers_write_it(given: str, origin: str) -> None:
    assert parse_settings(["--allow-origin", given]).allowed_origins == (origin,)


@pytest.mark.parametrize(
    "given", ["portal.example.org", "https://portal.example.org/apps", "*", "null", "", "ftp://p", "https://ö"]
)
def test_what_is_no_origin_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="--allow-origin"):
        parse_settings(["--allow-origin", given])


def test_former_and_present_names_of_quotas() -> None:
    for option, value in (("--max-route-held", 3), ("--max-route-parked", 4)):
        assert parse_settings([option, str(value)]).limits.max_route_parked == value
    for option, value in (("--lost-timeout", 3), ("--detached-timeout", 4)):
        assert parse_settings([option, str(value)]).limits.detached_timeout == value


# No option is accepted and ignored: each changes the settings, but those that choose what is done.
@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["-p", "80"], "port"),
        (["-s", "x"], "socket"),
        (["--host", ""], "host"),
        (["-r", "run"], "runtime_dir"),
        (["-d", "{key}-{user}.a"], "patterns"),
        (TLS, "tls"),
        ([*TLS, "--ssl-allowed-clients", "ca.pem"], "tls"),
        (["--trusted-proxy", "10.0.0.0/8"], "trusted_proxies"),
        (["--allow-origin", "https://p"], "allowed_origins"),
        (["--grace", "1"], "limits"),
        (["--take-over"], "take_over"),
        (["-v"], "verbose"),
    ],
)
def test_each_option_says_something(options: list[str], field: str) -> None:
    plain, settings = parse_settings([]), parse_settings(options)
    changed = {
        item.name
        for item in attrs.fields(ServerSettings)
        if getattr(plain, item.name) != getattr(settings, item.name)
    }
    assert field in changed
    assert parse_settings(["check", *options]) == parse_settings([*options, "check"]) == settings


def test_what_is_told_is_taken() -> None:
    logs = ["--access-log", "a.log", "--access-log-format", "combined", "--audit-log", "journal"]
    networks = ["--status-from", "10.0.0.0/8", "--status-from", "::1"]
    settings = parse_settings(["--metrics", "[::1]:9091", *logs, *networks])
    assert settings.metrics == ("::1", 9091)
    assert settings.access_log == os.path.abspath("a.log") and settings.access_log_format == "combined"
    assert settings.audit_log == "journal" and settings.status_from == ("10.0.0.0/8", "::1/128")


def test_nothing_is_told_by_default() -> None:
    settings = parse_settings([])
    assert settings.metrics is settings.access_log is settings.audit_log is None and settings.status_from == ()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9090", ("127.0.0.1", 9090)),
        ("localhost:0", ("localhost", 0)),
        ("127.8.0.1:1", ("127.8.0.1", 1)),
        ("./metrics", os.path.abspath("metrics")),
        ("/run/m", "/run/m"),
    ],
)
def test_where_metrics_are(text: str, address: object) -> None:
    assert parse_settings(["--metrics", text]).metrics == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("9090", "is no address"),
        (":9090", "is no address"),
        ("127.0.0.1", "is no address"),
        ("127.0.0.1:x", "is no address"),
        ("127.0.0.1:65536", "is no address"),
        ("0.0.0.0:9090", "no loopback"),
        ("[::]:9090", "no loopback"),
        ("gw.example.org:9090", "no loopback"),
    ],
)
def test_metrics_elsewhere_are_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_settings(["--metrics", text])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--access-log-format", "xml"], "--access-log-format: 'xml' is none of json, combined"),
        (["--status-from", "everywhere"], "--status-from: "),
        (["--trusted-proxy", "everywhere"], "--trusted-proxy: "),
    ],
)
def test_what_is_wrong_is_named_with_its_option(options: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_settings(options)
