"""What the server's command line means."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.grants import SingleSignOn
from conductor_trio.commandline.parser import parse
from conductor_trio.errors import ConfigError
from conductor_trio.limits.constants import DEFAULT_PORT, DEFAULT_RUNTIME_DIR
from conductor_trio.server.cli.arguments import (
    guess_runtime_dir,
    keep_lasting,
    make_settings,
    read_configuration,
    read_settings,
)
from conductor_trio.server.cli.settings_table import SECTIONS
from conductor_trio.server.cli.table import SERVER
from conductor_trio.server.settings import OwnLimits, ServerSettings, TlsSettings, UserRules

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


def test_a_single_sign_on() -> None:
    options = ["-s", "x", "--sso-user-header", "X-Forwarded-User", "--sso-header", "X-Forwarded-Email"]
    settings = parse_settings([*options, "--sso-domain", "@uni.example", "--strip-cookie", "_oauth2_proxy*"])
    assert settings.sso == SingleSignOn(
        user_field=b"x-forwarded-user", other_fields=(b"x-forwarded-email",), domain="uni.example"
    )
    assert settings.stripped_cookies == ("_oauth2_proxy*",)
    sso = parse_settings([*options, "--require-sso"]).sso
    assert sso is not None
    assert sso.is_needed
    assert parse_settings([]).sso is None


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
        (["--sso-domain", "uni.example"], "needs --sso-user-header"),
        (["--require-sso"], "needs --sso-user-header"),
        (["--sso-header", "X-Forwarded-Email"], "needs --sso-user-header"),
        (["--sso-user-header", "X-Forwarded-User"], "trusted front proxies only"),
        (["-s", "x", "--sso-user-header", "X Y"], "no name of a field"),
        (["-s", "x", "--sso-user-header", "Cookie"], "no name of a field"),
        (["-s", "x", "--sso-user-header", "X-U", "--sso-header", "X-Forwarded-For"], "no name of a field"),
        (["--strip-cookie", "a*b"], "no name of a cookie"),
        (["--strip-cookie", ""], "no name of a cookie"),
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


# The file.


def read(file: Path, text: str, *options: str) -> ServerSettings:
    file.write_text(text)
    return parse_settings(["--config", str(file), *options])


@pytest.fixture
def file(short_tmp: Path) -> Path:
    """Give the path of a file."""
    return short_tmp / "server.toml"


def test_a_file_says_what_options_say(file: Path) -> None:
    text = """
        port = 80
        host = ""
        runtime_dir = "run"
        domain = ["{key}-{user}.a", "{key}.{user}.b"]
        ssl_cert_file = "c.pem"
        ssl_key_file = "/k.pem"
        ssl_allowed_clients = "ca.pem"
        trusted_proxy = ["10.0.0.0/8"]
        allow_origin = "https://P/"
        grace = "1m"
        verbose = true
        max_sessions = 1
        max_user_sessions = 2
        max_user_new_sessions = 3
        max_visitors = 4
        max_address_visitors = 5
        max_route_connections = 6
        max_route_held = 7
        lost_timeout = 8
        allow = ["@staff", "alice"]
        deny = ["@students"]
        users.alice.max_sessions = 9
        groups.staff.max_new_sessions = 10
    """
    options = [
        "-p",
        "80",
        "--host",
        "",
        "-r",
        str(file.parent / "run"),
        "-d",
        "{key}-{user}.a",
        "-d",
        "{key}.{user}.b",
    ]
    options += ["--ssl-cert-file", str(file.parent / "c.pem"), "--ssl-key-file", "/k.pem", "-v", "--grace", "60"]
    options += ["--ssl-allowed-clients", str(file.parent / "ca.pem"), "--trusted-proxy", "10.0.0.0/8"]
    options += [
        "--allow-origin",
        "https://p",
        "--max-sessions=1",
        "--max-user-sessions=2",
        "--max-user-new-sessions=3",
    ]
    options += ["--max-visitors=4", "--max-address-visitors=5", "--max-route-connections=6", "--max-route-held=7"]
    rules = UserRules(
        allow=("@staff", "alice"),
        deny=("@students",),
        users={"alice": OwnLimits(max_sessions=9)},
        groups={"staff": OwnLimits(max_new_sessions=10)},
    )
    assert read(file, text) == attrs.evolve(parse_settings([*options, "--lost-timeout=8"]), rules=rules)


def test_options_win_over_the_file(file: Path) -> None:
    text = 'port = 80\nverbose = true\ndomain = "{key}-{user}.a"\ngrace = 3\n'
    settings = read(file, text, "-p", "81", "--no-verbose", "-d", "{key}-{user}.b")
    assert (settings.port, settings.verbose, settings.patterns) == (81, False, ("{key}-{user}.b",))
    assert settings.limits.grace_timeout == 3


def test_where_to_listen_is_said_by_the_command_line_or_by_the_file(file: Path) -> None:
    assert read(file, 'socket = "x"\n', "-p", "80").socket is None
    assert read(file, 'socket = "x"\n', "--host", "").port == DEFAULT_PORT
    settings = read(file, 'port = 80\nhost = ""\n', "-s", "/y")
    assert (settings.port, settings.socket, settings.host) == (None, "/y", "127.0.0.1")
    settings = read(file, 'socket = "x"\n')
    assert (settings.port, settings.socket) == (None, str(file.parent / "x"))
    assert settings.patterns == ("{key}-{user}.localhost",)
    assert read(file, "port = 0\n").patterns == ("{key}-{user}.localhost",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '\nsocket = "x"\nport = 1',
            ":2: socket listens on a UNIX socket, and port on a TCP port; leave one of them",
        ),
        ('ssl_key_file = "k"', ":1: ssl_key_file needs ssl_cert_file"),
        ('ssl_allowed_clients = "k"', ":1: ssl_allowed_clients needs ssl_cert_file and ssl_key_file"),
        ('\ndomain = ["{key}.a"]', ":2: domain: domain pattern '{key}.a': it needs {key} and {user}"),
        ('domain = ["{key}-{user}.a", "{user}-{key}.a"]', ":1: domain: .* same host name"),
        ('trusted_proxy = ["10.0.0.1/8"]', ":1: trusted_proxy: 10.0.0.1/8 has host bits set"),
        ('allow_origin = "p"', ":1: allow_origin: 'p' is no origin"),
        ('allow = ["a", "b"]\ndeny = "b"', ":2: deny: b is in allow, too"),
        ('allow = ["@"]', ":1: allow: '@' names nobody"),
        ("[users.a]\nmax_sessions = 0", ":2: users.a.max_sessions: has to be a number from 1"),
        ("[users.a]\nallow = true", ":2: users.a.allow: there is no such setting; there is: max_new_sessions"),
        ('config = "x"', ":1: config: there is no such setting"),
        ("take_over = true", ":1: take_over: there is no such setting"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_line(file: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"^{file}{words}"):
        read(file, text)


def test_a_contradiction_between_file_and_command_line_is_told_where_it_is_said(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--ssl-allowed-clients needs --ssl-key-file$"):
        read(file, 'ssl_cert_file = "c"\n', "--ssl-allowed-clients", "x")


def test_a_file_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(ConfigError, match=f"cannot read {file}: No such file"):
        parse_settings(["--config", str(file)])
    os.mkfifo(file)
    with pytest.raises(ConfigError, match=f"cannot read {file}: it is no file"):
        parse_settings(["--config", str(file)])


def test_where_a_server_runs_whose_file_is_wrong(file: Path) -> None:
    options = {"config": str(file)}
    assert guess_runtime_dir(options) == DEFAULT_RUNTIME_DIR
    file.write_text('runtime_dir = "run"\nprot = 1')
    assert guess_runtime_dir(options) == str(file.parent / "run")
    assert guess_runtime_dir({**options, "runtime_dir": "/x"}) == "/x"
    file.write_text("[[[")
    assert guess_runtime_dir(options) == DEFAULT_RUNTIME_DIR


def test_what_no_reload_changes_is_kept_and_told(file: Path) -> None:
    file.write_text('runtime_dir = "b"\nport = 9\n')
    said = read_configuration({"config": str(file)})
    kept, notes = keep_lasting(said, {"runtime_dir": "/a", "port": 9, "unknown": 1})
    assert make_settings(kept).runtime_dir == "/a"
    assert notes == [f"runtime_dir needs a restart: it stays /a, and is not yet {file.parent}/b ({file}:1)"]
    assert keep_lasting(said, {}) == (said, [])


def test_a_socket_of_the_service_manager_s_needs_no_restart_where_nothing_else_is_said(file: Path) -> None:
    (file.parent / "link").symlink_to(file.parent)
    for text in ("", f'socket = "{file.parent}/link/http"'):
        file.write_text(text)
        said = read_configuration({"config": str(file)})
        assert keep_lasting(said, {"socket": f"{file.parent}/http"}) == (said, [])
    file.write_text('socket = "other"')
    kept, notes = keep_lasting(read_configuration({"config": str(file)}), {"socket": "/http"})
    assert make_settings(kept).socket == "/http"
    assert notes == [f"socket needs a restart: it stays /http, and is not yet {file.parent}/other ({file}:1)"]


def test_metrics_and_a_required_sign_on_have_second_names(file: Path) -> None:
    file.write_text(
        'socket = "x"\n[metrics]\nlisten = "127.0.0.1:9091"\n[sso]\nuser_header = "X-User"\nrequire_sso = true'
    )
    settings = make_settings(read_configuration({"config": str(file)}))
    assert settings.metrics == ("127.0.0.1", 9091) and settings.sso is not None and settings.sso.is_needed
    for text, wrong in {
        "[metrics]\nlisten = 1": ":2: metrics.listen: has to be text",
        "[metrics]\nlissen = 1": ":2: metrics.lissen: there is no such setting; did you mean listen?",
        "[sso]\nrequired = true\nrequire_sso = true": ":3: sso.require_sso: is the same setting as required",
    }.items():
        file.write_text(text)
        with pytest.raises(ConfigError, match=re.escape(f"{file}{wrong}")):
            read_configuration({"config": str(file)})


def test_who_inherits_sockets_may_be_told_of_a_front_proxy_by_them_alone(file: Path) -> None:
    file.write_text('[sso]\nuser_header = "X-Forwarded-User"')
    said = read_configuration({"config": str(file)})
    assert make_settings(said, inherits=True).sso is not None
    with pytest.raises(ConfigError, match=r":2: sso.user_header: .*there is none; .* by `socket`, or name it by"):
        make_settings(said)


_KEYS = [key for section in SECTIONS for setting in section.settings for key in setting.keys]
_keys = st.sampled_from([*_KEYS, "users", "groups", "users.a", '"\\u0000"', "x"])
_values = st.recursive(
    st.sampled_from(
        ["1", "0", "-1", "true", "nan", '"x"', '"@"', '""', '"1h"', "1e400", "{}", "[]", "1979-05-27"]
    ),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda one: f"[{', '.join(one)}]")
        | st.tuples(_keys, inner).map(lambda one: f"{{ {one[0]} = {one[1]} }}")
    ),
    max_leaves=3,
)
_lines = st.one_of(
    st.builds("{} = {}".format, _keys, _values), st.builds("[{}]".format, _keys), st.builds("[[{}]]".format, _keys)
)


@given(st.lists(_lines, max_size=6).map("\n".join) | st.text(st.characters(codec="utf-8"), max_size=20))
def test_any_file_is_settings_or_a_mistake_with_its_place(text: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        try:
            make_settings(read_configuration({"config": file.name}))
        except ConfigError as error:
            assert str(error).startswith(f"{file.name}:")
