"""A user's sessions as the gateway tells of them, and as text for people. Sans-IO; times are Unix times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard

import attrs
from rich.cells import cell_len, set_cell_size

from conductor_trio.access.login_link import guess_scheme
from conductor_trio.commandline.columns import GAP, Column, format_table
from conductor_trio.commandline.quantities import format_duration, format_size
from conductor_trio.control.messages import JSONObject, is_url_host
from conductor_trio.errors import RemoteProtocolError
from conductor_trio.limits.constants import MAX_COUNT, MAX_SAVED_TIME
from conductor_trio.strict_json import is_count, is_number

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


@attrs.frozen(kw_only=True)
class Share:
    """A further token of a session, or who gets in without one, `grantee`. `raw` is what the gateway told."""

    id: str
    label: str
    created: float
    expires: float | None
    is_once: bool
    is_used: bool
    visitors: int | None
    grantee: str = ""
    raw: JSONObject = attrs.field(repr=False)

    @property
    def title(self) -> str:
        """What people know it by, if anything."""
        if not self.grantee:
            return self.label
        return f"with {self.grantee}" + (f" ({self.label})" if self.label else "")


@attrs.frozen(kw_only=True)
class Session:
    """One session; `visitors` and the bytes are None while its link is lost. `raw` is what the gateway told."""

    key: str
    urls: tuple[str, ...]
    state: str
    since: float
    node: str
    application: str
    command: str
    until: float | None
    idle_until: float | None
    visitors: int | None
    traffic: int | None
    shares: tuple[Share, ...]
    raw: JSONObject = attrs.field(repr=False)


def parse_sessions(answer: JSONObject) -> tuple[Session, ...]:
    """Return the sessions in the gateway's answer, by their keys; raises `RemoteProtocolError`."""
    told = answer.get("sessions")
    if not isinstance(told, list):
        raise RemoteProtocolError("the gateway's answer holds no list of sessions")
    return tuple(sorted((_parse_session(one) for one in told), key=lambda session: session.key))


def parse_share(value: object) -> Share:
    """Return one share in the gateway's answer; raises `RemoteProtocolError`."""
    told = _as_object(value)
    match told:
        case {"id": str() as id_, "label": str() as label, "created": created} if _is_time(created):
            return Share(
                id=_clean(id_),
                label=_clean(label),
                created=created,
                expires=_parse_time(told.get("expires")),
                is_once=told.get("once") is True,
                is_used=told.get("used") is True,
                visitors=_count(told.get("visitors")),
                grantee=_clean(grantee) if isinstance(grantee := told.get("with"), str) else "",
                raw=told,
            )
    raise RemoteProtocolError("the gateway's answer holds something else than a share")


def format_sessions(sessions: Sequence[Session], now: float, jobs: Mapping[str, str] | None = None) -> str:
    """Return the table of sessions, and below each its address and what is to be known besides.

    `jobs` tells by key of the batch job that a session is in.
    """
    if not sessions:
        return "You have no sessions there.\n"
    rows = [
        (
            session.key,
            session.state,
            format_duration(now - session.since),
            session.node or "-",
            "-" if session.visitors is None else str(session.visitors),
            "-" if session.traffic is None else format_size(session.traffic),
        )
        for session in sessions
    ]
    columns = (
        Column("KEY", widest=21),
        Column("STATE", widest=8),
        Column("FOR", widest=10),
        Column("NODE", widest=14),
        Column("VISITORS", widest=8, to_right=True),
        Column("TRAFFIC", widest=9, to_right=True),
    )
    head, *lines = format_table(columns, rows)
    text = head
    for session, line in zip(sessions, lines, strict=True):
        job = (jobs or {}).get(session.key)
        details = [*_details(session, now), *([] if job is None else [job])]
        text += line + "".join(f"{GAP}{detail}\n" for detail in details)
    return text


def format_keys(sessions: Sequence[Session]) -> str:
    """Return a line for each session, for shells: its key, and behind that what people know it by."""
    width = max((len(session.key) for session in sessions), default=0)
    lines = []
    for session in sessions:
        where = f" on {session.node}" if session.node else f", {session.state}"
        lines.append(f"{session.key:{width}}  {session.application or session.command or session.state}{where}\n")
    return "".join(lines)


def format_shares(shares: Sequence[Share], now: float) -> str:
    """Return the table of a session's shares."""
    if not shares:
        return "That session has no shares.\n"
    columns = (
        Column("ID", widest=8),
        Column("LABEL", widest=20),
        Column("MADE", widest=14),
        Column("ENDS", widest=13),
        Column("ONCE", widest=6),
        Column("VISITORS", widest=8, to_right=True),
    )
    rows = [
        (
            share.id,
            share.title or "-",
            f"{format_duration(now - share.created)} ago",
            _format_end(share, now),
            _format_use(share),
            "-" if share.visitors is None else str(share.visitors),
        )
        for share in shares
    ]
    return "".join(format_table(columns, rows))


def describe_share(share: Share, key: str) -> str:
    """Return a sentence about a new share."""
    who = "the first browser that opens it" if share.is_once else "whoever has it"
    long = "until it ends" if share.expires is None else f"for {format_duration(share.expires - share.created)}"
    if share.grantee:
        return (
            f"{share.grantee} gets in to {key} by the single sign-on, {long}; "
            f"`share {key} --revoke {share.id}` ends that."
        )
    return f"This link opens {key} to {who}, {long}; `share {key} --revoke {share.id}` ends that."


def format_url(host: str) -> str:
    """Return the address of a host as the gateway tells it."""
    return f"{guess_scheme(host)}://{host}"


def _details(session: Session, now: float) -> Iterable[str]:
    if session.application or session.command:
        yield ": ".join(filter(None, (session.application, session.command)))
    yield from (format_url(host) for host in session.urls)
    if session.until is not None:
        yield f"its computer's time ends in {format_duration(session.until - now)}"
    if session.idle_until is not None:
        yield f"nobody uses it; it ends in {format_duration(session.idle_until - now)} unless somebody does"
    for share in session.shares:
        title = share.title
        name = set_cell_size(title, min(cell_len(title), 40)) if title else share.id
        once = f", once, {_format_use(share)}" if share.is_once else ""
        yield f"shared: {name}, ends {_format_end(share, now)}{once}"


def _format_end(share: Share, now: float) -> str:
    return "with session" if share.expires is None else f"in {format_duration(share.expires - now)}"


def _format_use(share: Share) -> str:
    return "-" if not share.is_once else "used" if share.is_used else "unused"


def _parse_session(value: object) -> Session:
    told = _as_object(value)
    match told:
        case {
            "key": str() as key,
            "urls": [*urls],
            "state": str() as state,
            "since": since,
            "shares": [*shares],
        } if _is_time(since):
            received, sent = _count(told.get("bytesIn")), _count(told.get("bytesOut"))
            node = told.get("node")
            return Session(
                key=_clean(key),
                urls=_parse_urls(urls),
                state=_clean(state),
                since=since,
                node=_clean(node) if isinstance(node, str) else "",
                application=_parse_text(told.get("application")),
                command=_parse_text(told.get("command")),
                until=_parse_time(told.get("until")),
                idle_until=_parse_time(told.get("idleUntil")),
                visitors=_count(told.get("visitors")),
                traffic=None if received is None or sent is None else received + sent,
                shares=tuple(parse_share(share) for share in shares),
                raw=told,
            )
    raise RemoteProtocolError("the gateway's answer holds something else than a session")


def _parse_text(value: object) -> str:
    return _clean(value) if isinstance(value, str) else ""


def _parse_urls(urls: list[object]) -> tuple[str, ...]:
    """Return host names; raises `RemoteProtocolError` where one is none."""
    hosts = tuple(url for url in urls if is_url_host(url))
    if len(hosts) < len(urls):
        raise RemoteProtocolError("the gateway's answer holds something else than host names")
    return hosts


def _as_object(value: object) -> JSONObject:
    """Return a JSON object; of anything else, an empty one."""
    return value if isinstance(value, dict) else {}


def _clean(text: str) -> str:
    """Return a text that does not move the cursor of the user's terminal."""
    return _UNPRINTABLE.sub(" ", text)


def _is_time(value: object) -> TypeGuard[int | float]:
    return is_number(value) and 0 <= value < MAX_SAVED_TIME


def _parse_time(value: object) -> float | None:
    return float(value) if _is_time(value) else None


def _count(value: object) -> int | None:
    return value if is_count(value, MAX_COUNT) else None
