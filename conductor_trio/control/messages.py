r"""The control channel's greeting, registration and reply: one JSON object a line, UTF-8, the same at both ends.

The dialogue::

    server → client   {"directory": "<absolute path>", "status": "ok"}
    client → server   {"auth": "<blake2b-512 hex>", "key": "<key>"}      key may be absent
    server → client   {"status": "ok", "urls": ["<host>", …]}  or  {"status": "error", "reason": "<text>"}
                     and, additive, the key in force: "key": "<key>"; and the two parts of the reason, where the
                     server has advice: "what": "<text>", "advice": "<text>"

Which of them may come when is in the tables of `conductor_trio.control.states`. Between the greeting and the
registration the client has the SSH server listen at ``<directory>/socket``, the relay socket.

Fields that are not named here are ignored by either end, so that the channel can grow. What it has grown by is
announced in the greeting, ``"extensions": ["named", "names", …]``, and used by a client only then, and by the
server only with a client whose registration says the same:

========== =========================== ====================================================================
extension  fields of the registration  what it adds
========== =========================== ====================================================================
resume     takeover: own, any, never   Events follow the reply (`conductor_trio.control.events`); `takeover` says
                                       whether a name in use is taken over (`Takeover`). A channel that ends
                                       without `Leave` was lost: the server keeps the name for a while, and
                                       holds requests for it.
starting   starting: true or false     With true, a client registers before its application listens, so that it
                                       knows its host names and visitors see what they wait for, until `Ready`.
owner      node: its computer's name;  The client can be told to `Stop`. Independent of a registration, owners
           until: when that one's      may give commands in its place: `conductor_trio.control.owner_commands`.
           time is over, or null
probe                                  The client can have the server try the whole way to its end: `Probe`. Needs
                                       `resume`, without which there are no events.
names      application, commandLine    By which name people know it, and, for its owner, how it was started.
output                                 The owner sees what the application says while it starts: `Output`.
notices                                The client is told what the gateway's operator has everybody know:
                                       `Notice`. Needs `resume`.
named                                  Owners can share with people who are named: `owner_commands.ShareSession`.
relay                                  Before it registers, a client can ask how the server finds the relay socket:
                                       `conductor_trio.control.relay_inspection`.
========== =========================== ====================================================================

Times are Unix times in seconds.
"""

from __future__ import annotations

import enum
import json
import re
from typing import TypeGuard

from conductor_trio.access.tokens import TokenHash, is_token_hash
from conductor_trio.errors import RegistrationRefused, RemoteProtocolError, format_contact, format_text
from conductor_trio.limits.constants import (
    MAX_APPLICATION_NAME,
    MAX_COMMAND,
    MAX_HELP_URL,
    MAX_NODE_NAME,
    MAX_SITE_NAME,
    MAX_TIME,
)
from conductor_trio.message import Message
from conductor_trio.printable import escape
from conductor_trio.strict_json import is_number, parse_json

JSONObject = dict[str, object]

#: The extension by which a session outlives its link; see above.
RESUME = "resume"

#: The extension by which an application is registered before it listens; see above.
STARTING = "starting"

#: Those by which owners give commands, and clients are told to stop, and owners share by names; see above.
OWNER_COMMANDS, NAMED_SHARES = "owner", "named"

#: The extension by which a client has the way to its application tried; see above.
PROBE = "probe"

#: The extension by which the server tells how it finds the relay socket; see above.
RELAY = "relay"

#: The extension by which clients hear what the gateway's operator has everybody know; see above.
NOTICES = "notices"

#: Those by which people know a session by a name, and its owner sees what it says while it starts; see above.
NAMES, OUTPUT = "names", "output"

#: All extensions that we know.
EXTENSIONS = frozenset({RESUME, STARTING, OWNER_COMMANDS, PROBE, RELAY, NOTICES, NAMES, OUTPUT, NAMED_SHARES})


class Takeover(enum.Enum):
    """Whether a registration ends an older session of the same user that has the same name."""

    OWN = "own"  #: one with the same token hash, which is the client's own: the link was lost; the default
    ANY = "any"  #: any
    NEVER = "never"  #: none; a client says so that has been replaced, lest two of them take turns


class Banner(Message, hides=("raw",)):
    """The server's greeting: the session's directory, and the extensions that the server speaks and we know.

    `raw` is the object as it came, for the client's `controlConnect` event.
    """

    directory: str
    raw: JSONObject = {}  # noqa: RUF012 - read, never written
    extensions: frozenset[str] = frozenset()
    site_name: str = ""  #: whose gateway it is, and where help is, if that is said
    help_url: str = ""

    @property
    def contact(self) -> str:
        """Whom to ask at the gateway; nobody where that is not said."""
        return format_contact(self.site_name, self.help_url) if self.site_name or self.help_url else ""


class Registration(Message):
    """A client's request for a name: the hash of its token (lower-case hex), and the key that it wants, if any.

    `extensions` are those that it speaks and we know; `takeover` is only sent with `RESUME` among them,
    `is_starting` with `STARTING`, `node` and `until` with `OWNER_COMMANDS`, the last two with `NAMES`.
    """

    auth: TokenHash
    key: str | None
    extensions: frozenset[str] = frozenset()
    takeover: Takeover = Takeover.OWN
    is_starting: bool = False
    node: str = ""
    until: float | None = None  #: when its computer's time is over (Unix time), if known
    application: str = ""
    command: str = ""


class Accepted(Message):
    """The registration stands; `urls` are host names, one for each of the server's patterns.

    `key` is the key in force, so that a client that gave none can ask for the same again; the original's server
    does not tell it.
    """

    urls: tuple[str, ...]
    key: str | None = None


class Refused(Message):
    """The registration does not stand."""

    reason: str
    advice: str | None = None


Reply = Accepted | Refused


def format_object(message: JSONObject) -> bytes:
    """Write a JSON object as a line, newline included."""
    return json.dumps(message).encode() + b"\n"


def parse_object(line: bytes) -> JSONObject:
    """Return the JSON object in a line; raises ValueError with what is wrong."""
    try:
        message = parse_json(line)
    except ValueError:
        raise ValueError("not a line of JSON in UTF-8") from None
    if not isinstance(message, dict):
        raise ValueError("not a JSON object")
    return message


def format_banner(directory: str, site_name: str = "", help_url: str = "") -> bytes:
    """Write the server's greeting."""
    site = {name: text for name, text in (("name", site_name), ("help", help_url)) if text}
    more: JSONObject = {"site": site} if site else {}
    return format_object({"directory": directory, "status": "ok", "extensions": sorted(EXTENSIONS), **more})


def parse_banner(line: bytes) -> Banner:
    """Read the server's greeting; raises `RemoteProtocolError`, with the server's reason where it gave one."""
    message = parse_from_server(line, "greeting")
    directory = message.get("directory")
    if not isinstance(directory, str) or not directory.startswith("/") or not is_system_text(directory):
        raise RemoteProtocolError("the server's greeting names no absolute directory")
    told = site if isinstance(site := message.get("site"), dict) else {}
    return Banner(
        directory=directory,
        raw=message,
        extensions=_parse_extensions(message),
        site_name=_parse_line(told.get("name"), MAX_SITE_NAME),
        help_url=_parse_line(told.get("help"), MAX_HELP_URL),
    )


def format_registration(registration: Registration) -> bytes:
    """Write the client's request."""
    message: JSONObject = {"auth": registration.auth}
    if registration.key is not None:
        message["key"] = registration.key
    if registration.extensions:
        message["extensions"] = sorted(registration.extensions)
    if RESUME in registration.extensions:
        message["takeover"] = registration.takeover.value
    if STARTING in registration.extensions:
        message["starting"] = registration.is_starting
    if OWNER_COMMANDS in registration.extensions:
        message["node"] = registration.node
        message["until"] = registration.until
    if NAMES in registration.extensions:
        message["application"] = registration.application
        message["commandLine"] = registration.command
    return format_object(message)


def parse_request(line: bytes) -> JSONObject:
    """Read the object of a client's request, whatever it asks; raises `RegistrationRefused` where it is none."""
    try:
        return parse_object(line)
    except ValueError as error:
        raise RegistrationRefused(
            f"the registration is {error}", advice="send one object with auth and, if you like, key"
        ) from None


def parse_registration(line: bytes) -> Registration:
    """Read the client's registration; raises `RegistrationRefused` with what is wrong and what to send."""
    return read_registration(parse_request(line))


def read_registration(message: JSONObject) -> Registration:
    """Read a registration from the object in its line; raises as `parse_registration` does."""
    auth = message.get("auth")
    if auth is None:
        raise RegistrationRefused("auth is missing", advice="send the blake2b-512 hex digest of the token")
    if not isinstance(auth, str) or not is_token_hash(auth.lower()):
        raise RegistrationRefused(
            "auth is malformed", advice="send the blake2b-512 hex digest of the token (128 digits)"
        )
    key = message.get("key")
    if key is not None and not isinstance(key, str):
        raise RegistrationRefused("key is not a string")
    try:
        takeover = Takeover(message.get("takeover", Takeover.OWN.value))
    except ValueError:
        raise RegistrationRefused("takeover is none of own, any and never") from None
    return Registration(
        auth=TokenHash(auth.lower()),
        # The original's client leaves an empty key out; one that sends it means the same.
        key=key.lower() if key else None,
        extensions=_parse_extensions(message),
        takeover=takeover,
        is_starting=message.get("starting") is True,
        node=_parse_node(message),
        until=parse_time(message.get("until")),
        application=_parse_line(message.get("application"), MAX_APPLICATION_NAME),
        command=_parse_line(message.get("commandLine"), MAX_COMMAND),
    )


def format_reply(reply: Reply) -> bytes:
    """Write the server's answer to a registration."""
    match reply:
        case Accepted(urls=urls, key=key):
            told: JSONObject = {} if key is None else {"key": key}
            return format_object({"status": "ok", "urls": list(urls), **told})
        case Refused(reason=reason, advice=None):
            return format_object({"status": "error", "reason": reason})
        case Refused(reason=what, advice=advice):
            reason = format_text(what, advice)
            return format_object({"status": "error", "reason": reason, "what": what, "advice": advice})


def parse_reply(line: bytes) -> Accepted:
    """Read the server's answer; raises `RegistrationRefused` with its reason, or `RemoteProtocolError`."""
    message = parse_from_server(line, "answer")
    urls = message.get("urls")
    if not isinstance(urls, list) or not all(map(is_url_host, urls)):
        raise RemoteProtocolError("the server's answer holds no list of host names")
    key = message.get("key") or None
    if key is not None and not is_url_host(key):  # it becomes a part of those, and of an environment
        raise RemoteProtocolError("the server's answer holds a key that is none")
    return Accepted(urls=tuple(urls), key=key)


def parse_time(value: object) -> float | None:
    """Return a Unix time of this century, None for anything else."""
    return float(value) if is_number(value) and 0 < value < MAX_TIME else None


def _parse_node(message: JSONObject) -> str:
    """Return the node's name; what is no name of a computer is none."""
    node = message.get("node")
    return node if isinstance(node, str) and re.fullmatch(rf"[A-Za-z0-9._-]{{0,{MAX_NODE_NAME}}}", node) else ""


def _parse_line(value: object, most: int) -> str:
    """Return so much of a text as people are shown; what is none is an empty one."""
    return escape(value.strip()[:most])[:most] if isinstance(value, str) else ""


def _parse_extensions(message: JSONObject) -> frozenset[str]:
    """Return the extensions that the other end speaks and we do; what is no list of words announces none."""
    told = message.get("extensions")
    words = {word for word in told if isinstance(word, str)} if isinstance(told, list) else set()
    return EXTENSIONS & words


def is_system_text(text: str) -> bool:
    """Whether the operating system takes a text as a path; bytes that are no UTF-8 come as lone surrogates."""
    try:
        return b"\0" not in text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False


def is_url_host(value: object) -> TypeGuard[str]:
    """Whether it may be a host name, with its port if it has one."""
    return isinstance(value, str) and re.fullmatch(r"[!-~]+", value) is not None


def _read_refusal(message: JSONObject) -> RegistrationRefused:
    """Return the server's refusal; the reason that the original's server gives is a bare word or number."""
    match message:
        case {"what": str(what), "advice": str(advice)} if what and advice:
            return RegistrationRefused(what, advice=advice)
        case {"reason": "exists"}:
            return RegistrationRefused(
                "name taken: another session of yours has this key", advice="end that one or choose another key"
            )
        case {"reason": str(reason)} if reason:
            return RegistrationRefused(reason)
        case {"reason": reason} if type(reason) is int:
            # An errno; what the server does with the system then is all with the relay socket.
            return RegistrationRefused(f"the server cannot use the relay socket (error number {reason})")
    return RegistrationRefused("no reason given")


def parse_from_server(line: bytes, what: str) -> JSONObject:
    """Read the object in a line, whose status must be ok.

    Raises `RegistrationRefused` with the reason where it is not, and `RemoteProtocolError` for no object.
    """
    try:
        message = parse_object(line)
    except ValueError as error:
        raise RemoteProtocolError(f"the server's {what} is {error}") from None
    if message.get("status") != "ok":
        raise _read_refusal(message)
    return message
