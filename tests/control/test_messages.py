"""The control channel: messages read back as they were meant; arbitrary bytes give a documented error."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conductor_trio.access.tokens import hash_token
from conductor_trio.client.output import events
from conductor_trio.control.messages import (
    EXTENSIONS,
    NAMES,
    OWNER_COMMANDS,
    RESUME,
    STARTING,
    Accepted,
    Refused,
    Registration,
    Takeover,
    format_banner,
    format_registration,
    format_reply,
    parse_banner,
    parse_registration,
    parse_reply,
)
from conductor_trio.errors import RegistrationRefused, RemoteProtocolError
from conductor_trio.limits.constants import MAX_APPLICATION_NAME, MAX_COMMAND, MAX_CONTROL_LINE

DIGEST = hash_token(b"test")

#: Lines that have broken parsers of JSON.
NASTY = [
    b"",
    b"\xff",
    b"\xef\xbb\xbf{}",
    b"\x00",
    b"{}{}",
    b"[]",
    b"null",
    b'"status"',
    b"1",
    b"NaN",
    b"1e999",
    b"9" * 5000,
    b"-" * 5000,
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b'{"auth": ' + b"9" * 5000 + b"}",
    b'{"auth": NaN}',
    b'{"auth": "' + DIGEST.encode() + b'", "key": Infinity}',
    b'{"auth": 1, "auth": "x"}',
    b'{"\\ud800": "\\ud800"}',
    b'{"status": "ok", "directory": "/\\ud800"}',
    b'{"status": "ok", "directory": "/\\u0000"}',
    b'{"status": "ok", "directory": "/x", "more": NaN}',
    b'{"status": "ok", "directory": "/x", "more": 1e999}',
    b'{"status": "ok", "directory": "/x", "more": -1e999}',
    b'{"status": "ok", "urls": ["\\ud800"]}',
    b'{"status": "error", "reason": "\\ud800"}',
    b'{"status": "error", "reason": ["x"]}',
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(["auth", "key", "status", "directory", "urls", "reason", "other"])
messages = st.dictionaries(fields, json_values | st.sampled_from(["ok", "/x", DIGEST]), max_size=5)
lines = (
    st.binary(max_size=80) | messages.map(lambda message: json.dumps(message).encode()) | st.sampled_from(NASTY)
)
#: What a program can be given as a path: bytes that need not be UTF-8, in the form that Python gives them.
paths = st.binary(max_size=40).map(lambda tail: "/" + os.fsdecode(tail.replace(b"\0", b"")))


def strict_json(line: bytes) -> object:
    """Read a line as a program in another language would, which knows no NaN and no Infinity."""

    def refuse(constant: str) -> object:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(line.decode("ascii"), parse_constant=refuse)


def test_the_contract_to_the_letter() -> None:
    greeting = {
        "directory": "/run/c/sockets/a-1",
        "status": "ok",
        "extensions": ["named", "names", "notices", "output", "owner", "probe", "relay", "resume", "starting"],
    }
    assert format_banner("/run/c/sockets/a-1") == json.dumps(greeting).encode() + b"\n"
    assert json.loads(format_registration(Registration(auth=DIGEST, key=None))) == {"auth": DIGEST}
    assert json.loads(format_registration(Registration(auth=DIGEST, key="k"))) == {"auth": DIGEST, "key": "k"}
    assert json.loads(format_reply(Accepted(urls=("a", "b")))) == {"status": "ok", "urls": ["a", "b"]}
    assert json.loads(format_reply(Refused(reason="no"))) == {"status": "error", "reason": "no"}
    told = {"status": "error", "reason": "no; ask", "what": "no", "advice": "ask"}
    assert json.loads(format_reply(Refused(reason="no", advice="ask"))) == told


@pytest.mark.parametrize(
    ("line", "registration"),
    [
        ({"auth": DIGEST}, Registration(auth=DIGEST, key=None)),
        ({"auth": DIGEST, "key": None}, Registration(auth=DIGEST, key=None)),
        ({"auth": DIGEST, "key": ""}, Registration(auth=DIGEST, key=None)),
        ({"auth": DIGEST.upper(), "key": "Lab"}, Registration(auth=DIGEST, key="lab")),
        ({"auth": DIGEST, "key": "k", "later": [1]}, Registration(auth=DIGEST, key="k")),
        (
            {"auth": DIGEST, "extensions": ["resume", "later"], "takeover": "any"},
            Registration(auth=DIGEST, key=None, extensions=frozenset({RESUME}), takeover=Takeover.ANY),
        ),
        (
            {"auth": DIGEST, "extensions": ["starting"], "starting": True},
            Registration(auth=DIGEST, key=None, extensions=frozenset({STARTING}), is_starting=True),
        ),
        (
            {"auth": DIGEST, "extensions": ["owner"], "node": "node-7.cluster"},
            Registration(auth=DIGEST, key=None, extensions=frozenset({OWNER_COMMANDS}), node="node-7.cluster"),
        ),
        (
            {"auth": DIGEST, "extensions": ["names"], "application": " JupyterLab ", "commandLine": "jupyter lab"},
            Registration(
                auth=DIGEST,
                key=None,
                extensions=frozenset({NAMES}),
                application="JupyterLab",
                command="jupyter lab",
            ),
        ),
        (
            {"auth": DIGEST, "application": "\x1b\u202e" + "x" * 99, "commandLine": "y" * 999},
            Registration(
                auth=DIGEST,
                key=None,
                application=("\\x1b\\u202e" + "x" * 99)[:MAX_APPLICATION_NAME],
                command="y" * MAX_COMMAND,
            ),
        ),
        ({"auth": DIGEST, "application": 7, "commandLine": ["a"]}, Registration(auth=DIGEST, key=None)),
        *(({"auth": DIGEST, "node": node}, Registration(auth=DIGEST, key=None)) for node in ("a b", "x" * 65, 7)),
        ({"auth": DIGEST, "extensions": "resume"}, Registration(auth=DIGEST, key=None)),
        ({"auth": DIGEST, "extensions": [["resume"], None]}, Registration(auth=DIGEST, key=None)),
    ],
)
def test_registrations(line: dict[str, object], registration: Registration) -> None:
    assert parse_registration(json.dumps(line).encode()) == registration


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "JSON"),
        (b"hello", "JSON"),
        (b'{"auth": "\xff"}', "UTF-8"),
        (b"[]", "object"),
        (b"{}", "auth is missing"),
        (b'{"auth": null}', "auth is missing"),
        (b'{"auth": 5}', "auth is malformed"),
        (b'{"auth": ["x"]}', "auth is malformed"),
        (b'{"auth": ""}', "auth is malformed"),
        (b'{"auth": "%s"}' % DIGEST[:-1].encode(), "auth is malformed"),
        (b'{"auth": "%s\\n"}' % DIGEST.encode(), "auth is malformed"),
        (b'{"auth": "%s"}' % ("g" * 128).encode(), "auth is malformed"),
        (b'{"auth": "%s", "key": 5}' % DIGEST.encode(), "key is not a string"),
        (b'{"auth": "%s", "key": ["k"]}' % DIGEST.encode(), "key is not a string"),
    ],
)
def test_bad_registrations_say_what_is_wrong(line: bytes, reason: str) -> None:
    with pytest.raises(RegistrationRefused, match=reason):
        parse_registration(line)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"status": "ok"}',
        b'{"status": "ok", "directory": 5}',
        b'{"status": "ok", "directory": "relative"}',
        b'{"status": "ok", "directory": "/a\\u0000b"}',
        b'{"status": "ok", "directory": "/a\\ud800b"}',
    ],
)
def test_bad_banners(line: bytes) -> None:
    with pytest.raises((RemoteProtocolError, RegistrationRefused)):
        parse_banner(line)


@pytest.mark.parametrize(
    "urls", [None, "a.example", {"a": 1}, [1], ["a b"], [""], ["a\n"], ["\u2028"], ["a\x1b[0m"]]
)
def test_urls_that_are_no_host_names_are_refused(urls: object) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_reply(json.dumps({"status": "ok", "urls": urls}).encode())


@given(paths)
def test_banners_read_back(directory: str) -> None:
    line = format_banner(directory)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert parse_banner(line[:-1]).directory == directory
    assert parse_banner(line[:-1]).extensions == EXTENSIONS
    assert parse_banner(line[:-1]).raw == json.loads(line)


@given(
    st.binary(),
    st.none() | st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True),
    st.none() | st.sampled_from(Takeover),
)
def test_registrations_read_back(token: bytes, key: str | None, takeover: Takeover | None) -> None:
    registration = Registration(auth=hash_token(token), key=key)
    if takeover is not None:
        registration = Registration(
            auth=registration.auth, key=key, extensions=frozenset({RESUME}), takeover=takeover
        )
    line = format_registration(registration)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert parse_registration(line[:-1]) == registration


@pytest.mark.parametrize("takeover", ["all", "", None, 1, [], {}])
def test_an_unknown_takeover_is_refused(takeover: object) -> None:
    with pytest.raises(RegistrationRefused, match="takeover"):
        parse_registration(json.dumps({"auth": DIGEST, "takeover": takeover}).encode())


@given(st.lists(st.from_regex(r"[!-~]{1,30}", fullmatch=True), max_size=4))
def test_acceptances_read_back(urls: list[str]) -> None:
    accepted = Accepted(urls=tuple(urls))
    assert parse_reply(format_reply(accepted)[:-1]) == accepted


# Lone surrogates, too, but not the original's bare word, which is explained instead.
@given(
    st.text(st.characters(), min_size=1).filter(lambda reason: reason != "exists"),
    st.none() | st.text(st.characters(), min_size=1),
)
def test_refusals_read_back(reason: str, advice: str | None) -> None:
    line = format_reply(Refused(reason=reason, advice=advice))
    assert line.isascii() and line.endswith(b"\n") and line.count(b"\n") == 1
    with pytest.raises(RegistrationRefused) as refused:
        parse_reply(line[:-1])
    assert (refused.value.what, refused.value.advice) == (reason, advice)


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("exists", "name taken"),
        (13, "relay socket .*13"),
        (True, "no reason"),
        ("", "no reason"),
        (None, "no reason"),
    ],
)
def test_bare_reasons_become_lines_for_people(reason: object, says: str) -> None:
    with pytest.raises(RegistrationRefused, match=says):
        parse_reply(json.dumps({"status": "error", "reason": reason}).encode())


@given(lines)
def test_any_registration_gives_a_value_or_the_documented_error(line: bytes) -> None:
    try:
        registration = parse_registration(line)
    except RegistrationRefused as refused:
        # What refuses it can be sent, and fits.
        assert len(format_reply(Refused(reason=str(refused)))) < MAX_CONTROL_LINE
    else:
        assert format_registration(registration).isascii()


@given(lines)
def test_any_banner_gives_a_value_or_the_documented_error(line: bytes) -> None:
    try:
        banner = parse_banner(line)
    except (RegistrationRefused, RemoteProtocolError) as error:
        strict_json(events.format_event(events.make_failed(error)))
    else:
        os.fsencode(banner.directory)  # it can be used as a path
        strict_json(
            events.format_event(events.ControlConnect(path="/run/c/client", banner=banner.raw))
        )  # and shown to programs


@given(lines)
@example(b'{"status": "ok", "urls": [' + b'"a",' * 9000 + b'"a"]}')
def test_any_reply_gives_a_value_or_the_documented_error(line: bytes) -> None:
    try:
        accepted = parse_reply(line)
    except (RegistrationRefused, RemoteProtocolError) as error:
        strict_json(events.format_event(events.make_failed(error)))
    else:
        strict_json(events.format_event(events.Live(token="token", key=None, urls=accepted.urls)))
        assert all(url.isascii() and url.isprintable() for url in accepted.urls)


@pytest.mark.parametrize("line", NASTY)
def test_nasty_lines(line: bytes) -> None:
    with pytest.raises((RegistrationRefused, RemoteProtocolError)):
        parse_registration(line)
    with pytest.raises((RegistrationRefused, RemoteProtocolError)):
        parse_banner(line)
    with pytest.raises((RegistrationRefused, RemoteProtocolError)):
        parse_reply(line)


def test_the_last_of_two_fields_of_one_name_counts() -> None:
    # As in every reader that keeps one of them; what matters is that only one is checked and used.
    line = b'{"auth": "x", "auth": "%s"}' % DIGEST.encode()
    assert parse_registration(line) == Registration(auth=DIGEST, key=None)


def test_a_greeting_nested_as_deep_as_can_be_read_can_be_shown() -> None:
    deepest_failed = False
    for depth in range(1, 20_000, 7):
        nested = b'{"status": "ok", "directory": "/x", "more": ' + b"[" * depth + b"]" * depth + b"}"
        try:
            banner = parse_banner(nested)
        except RemoteProtocolError:
            deepest_failed = True
            break
        events.format_event(events.ControlConnect(path="/run/c/client", banner=banner.raw))
    assert deepest_failed


@pytest.mark.parametrize("key", ["a\0b", "\ud800", "a b", 1, ["a"], True])
def test_a_key_that_is_none_is_the_servers_fault(key: object) -> None:
    with pytest.raises(RemoteProtocolError, match="key"):
        parse_reply(json.dumps({"status": "ok", "urls": ["a"], "key": key}).encode())


def test_a_greeting_may_say_whose_gateway_it_is() -> None:
    line = format_banner("/d", "HPC", "https://hpc.test")
    assert json.loads(line)["site"] == {"name": "HPC", "help": "https://hpc.test"}
    banner = parse_banner(line[:-1])
    assert (banner.site_name, banner.help_url, banner.contact) == (
        "HPC",
        "https://hpc.test",
        "HPC (https://hpc.test)",
    )
    assert "site" not in json.loads(format_banner("/d")) and parse_banner(format_banner("/d")[:-1]).contact == ""


@pytest.mark.parametrize("site", [None, "HPC", [], {"name": 7, "help": ["x"]}])
def test_what_is_no_house_is_none(site: object) -> None:
    banner = parse_banner(json.dumps({"directory": "/d", "status": "ok", "site": site}).encode())
    assert banner.contact == ""


def test_the_house_does_not_move_the_cursor() -> None:
    site = {"name": "\x1b[2J" + "x" * 999, "help": "https://\n"}
    banner = parse_banner(json.dumps({"directory": "/d", "status": "ok", "site": site}).encode())
    assert banner.contact.isprintable() and len(banner.contact) < 700
