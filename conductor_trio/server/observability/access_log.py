"""The access log: a line for each request, without its query, and without any token that a path could hold."""

from __future__ import annotations

import itertools
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import unquote

import attrs

from conductor_trio.access.grants import OWNER, Principal
from conductor_trio.access.login_link import OWN_PREFIX, is_own
from conductor_trio.http1.forwarded import Peer
from conductor_trio.http1.request import RequestHead
from conductor_trio.limits.constants import MAX_ADDRESS_TEXT
from conductor_trio.limits.observability import MAX_LOGGED_PATH
from conductor_trio.server.observability.audit_log import name_grant
from conductor_trio.server.observability.sink import Sink, format_time
from conductor_trio.server.routing.routes import Route

#: What stands for a visitor who went before an answer had begun: nginx's word for it, which log readers know.
_GONE = 499

_PARAMETERS = re.compile("[?;]")
#: A request id that a front proxy has given: what cannot be mistaken for anything else in any log.
_REQUEST_ID = re.compile(rb"[-A-Za-z0-9._~+/=:@]{1,128}")
#: A login link that leads nowhere, as with a path before it, or that was encoded twice.
_LINK = re.compile(r"_conductor[/\\]+auth[/\\]", re.IGNORECASE)
_UNSAFE = re.compile(r'["\\]|[^\x20-\x7e]')
_HIDDEN = "[...]"
#: The words that may stand after `OWN_PREFIX`; any other could be a token in the wrong place.
_OWN_PAGES = frozenset(["", "auth", "cookies", "leave", "live", "login", "status"])


@attrs.define(eq=False, kw_only=True)
class AccessEntry:
    """One request, as it is told."""

    at: float  #: Unix time of its beginning
    address: str
    host: str
    method: str
    path: str
    version: str
    agent: str
    request_id: bytes
    user: str | None = None  #: whose session it was for
    session: str | None = None  #: the session's id
    grant: str | None = None  #: by what the visitor was let in: `owner`, `share`, or `identity`
    share: str | None = None  #: the share's id, if it was by one
    identity: str | None = None  #: who the visitor is, where the single sign-on says so
    status: int = 0
    sent: int = 0  #: bytes
    took: float = 0.0  #: seconds
    queued: float = 0.0  #: seconds
    first_byte: float | None = None  #: seconds until the application's response began
    is_cut: bool = False

    def name_session(self, route: Route) -> None:
        """Note whose session it is for."""
        self.user, self.session = route.user, route.id

    def admit(self, route: Route, principal: Principal, identity: str | None = None) -> None:
        """Note by what the visitor was let in, and who that is, if it is known."""
        self.name_session(route)
        self.grant = name_grant(route.access, principal)
        self.share = None if principal == OWNER else principal
        self.identity = identity


class AccessLog:
    """Writes entries to a sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        # No two servers' ids are the same, nor those of a server that was started anew.
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    def open_entry(self, request: RequestHead, peer: Peer) -> AccessEntry:
        """Return the entry of a request that has just come."""
        parsed = request.parsed
        return AccessEntry(
            at=time.time(),
            address=peer.visitor_address(request)[:MAX_ADDRESS_TEXT],
            host=request.authority.host if request.authority else "",
            method=request.method.decode("ascii"),
            path=safe_path(request.target),
            version="HTTP/1.1" if request.is_http11 else "HTTP/1.0",
            agent=b" ".join(parsed.values(b"user-agent")).decode("latin-1"),
            request_id=self._given_id(request, peer) or f"{self._prefix}-{next(self._numbers):x}".encode(),
        )

    @staticmethod
    def _given_id(request: RequestHead, peer: Peer) -> bytes | None:
        """Return what a front proxy calls the request, None where that is nobody's word that counts."""
        if not peer.is_trusted:
            return None
        given = request.values(b"x-request-id")
        return given[0] if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]) else None

    def write(self, entry: AccessEntry) -> None:
        """Write an entry whose request is over."""
        self._sink.write(describe(entry))


def describe(entry: AccessEntry) -> dict[str, object]:
    """Return an entry's fields, all of which are there in every line."""
    return {
        "time": format_time(entry.at),
        "request": entry.request_id.decode("ascii"),
        "address": entry.address,
        "host": entry.host,
        "method": entry.method,
        "path": entry.path,
        "protocol": entry.version,
        "status": entry.status or _GONE,
        "bytes": entry.sent,
        "cut": entry.is_cut,
        "seconds": round(entry.took, 6),
        "queued": round(entry.queued, 6),
        "first_byte": None if entry.first_byte is None else round(entry.first_byte, 6),
        "user": entry.user,
        "session": entry.session,
        "grant": entry.grant,
        "share": entry.share,
        "identity": entry.identity,
        "agent": entry.agent,
    }


def safe_path(target: bytes) -> str:
    """Return a target without its query, its parameters, and the token of a login link in whatever spelling."""
    path = _PARAMETERS.split(target.decode("ascii"), maxsplit=1)[0]
    if "%" not in path and "_conductor" not in path.lower():
        return path[:MAX_LOGGED_PATH]
    if is_own(path):
        page, slash, _ = path.removeprefix(OWN_PREFIX).removeprefix("/").partition("/")
        is_known = path.startswith(OWN_PREFIX) and page in _OWN_PAGES
        return f"{OWN_PREFIX}/{page}{slash and '/' + _HIDDEN}" if is_known else f"{OWN_PREFIX}/{_HIDDEN}"
    plain = path
    while (decoded := unquote(plain, errors="replace")) != plain:
        plain = decoded
    return _HIDDEN if _LINK.search(plain) else path[:MAX_LOGGED_PATH]


def format_json(fields: Mapping[str, object]) -> str:
    """Write fields as a line of JSON, in ASCII, so that nothing in them can look like another line."""
    return json.dumps(fields, separators=(",", ":")) + "\n"


def format_combined(fields: Mapping[str, object]) -> str:
    """Write an entry as Apache and nginx do, and after that its host, request, session and seconds."""
    at = datetime.fromisoformat(str(fields["time"])).astimezone(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    who = fields["grant"] and f"{fields['user'] or '-'}:{fields['share'] or fields['grant']}"
    if fields["identity"]:
        who = f"{who}:{fields['identity']}"
    line = _quoted(f"{fields['method']} {fields['path']} {fields['protocol']}")
    words = [
        f"{_word(fields['address'])} - {_word(who)} [{at}] {line} {fields['status']} {fields['bytes'] or '-'}",
        f'"-" {_quoted(fields["agent"])} {_quoted(fields["host"])}',
        f"{_word(fields['request'])} {_word(fields['session'])} {fields['seconds']}",
    ]
    return " ".join(words) + "\n"


def _quoted(value: object) -> str:
    return f'"{_escaped(value)}"' if value else '"-"'


def _word(value: object) -> str:
    """Write what stands without quotes, and so without spaces."""
    return _escaped(value).replace(" ", "\\x20") if value else "-"


def _escaped(value: object) -> str:
    """Write what could end a quoted text or a line as Apache does."""
    return _UNSAFE.sub(_escape_one, str(value))


def _escape_one(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in found[0].encode("utf-8", "surrogatepass"))


FORMATS: Mapping[str, Callable[[Mapping[str, object]], str]] = {"json": format_json, "combined": format_combined}
