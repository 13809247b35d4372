"""What the operator's commands print for people: tables that fit the terminal, and sentences; in Unix times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from conductor_trio.commandline.columns import GAP, Column, format_table
from conductor_trio.commandline.quantities import format_duration, format_size
from conductor_trio.control.messages import JSONObject
from conductor_trio.limits.constants import MAX_SAVED_TIME
from conductor_trio.printable import escape
from conductor_trio.strict_json import is_number

_SESSION_COLUMNS = (
    Column("HOST", least=16),
    Column("USER", least=8),
    Column("STATE"),
    Column("FOR"),
    Column("NODE", least=6),
    Column("VISITORS", to_right=True),
    Column("IN", to_right=True),
    Column("OUT", to_right=True),
)
_BLOCK_COLUMNS = (Column("BLOCKED"), Column("SINCE"), Column("ENDS"), Column("REASON", least=10))
_LINK_COLUMNS = (Column("USER", least=8), Column("BY"), Column("SINCE"), Column("ENDS"))
_LINK_KINDS = {"link": "link, not used", "browser": "link, in a browser", "sso": "single sign-on"}


def format_sessions(items: Sequence[JSONObject], orders: object, now: float, width: int | None) -> str:
    """Return the table of sessions, those of one user together, how many there are, and the orders that stand."""
    if not items:
        return "There are no sessions.\n" + _format_standing(orders)
    rows = [
        (
            _text(one, "host"),
            _text(one, "user"),
            _text(one, "state"),
            _format_since(one.get("since"), now),
            _text(one, "node"),
            _count(one, "visitors"),
            _size(one, "bytesIn"),
            _size(one, "bytesOut"),
        )
        for one in sorted(items, key=lambda one: (_text(one, "user"), _text(one, "host")))
    ]
    users = len({_text(one, "user") for one in items})
    lost = sum(one.get("state") == "lost" for one in items)
    total = f"{_plural(len(items), 'session')} of {_plural(users, 'user')}" + (
        f", {lost} of them lost" if lost else ""
    )
    return "".join(format_table(_SESSION_COLUMNS, rows, width)) + f"\n{total}.\n" + _format_standing(orders)


def format_session(session: Mapping[str, object], now: float) -> str:
    """Return all that is known of a session, a line for each thing."""
    until, idle_until = session.get("until"), session.get("idleUntil")
    things = [
        ("host", ", ".join(_texts(session.get("hosts")))),
        ("user", _text(session, "user")),
        ("key", _text(session, "key")),
        ("state", f"{_text(session, 'state')} since {format_time(session.get('since'))}"),
        ("for", _format_since(session.get("since"), now)),
        ("node", _text(session, "node")),
        ("node's time ends", format_time(until) if until is not None else "-"),
        ("unused, ends", format_time(idle_until) if idle_until is not None else "-"),
        ("visitors", _count(session, "visitors")),
        ("requests", _count(session, "requests")),
        ("bytes in", _size(session, "bytesIn")),
        ("bytes out", _size(session, "bytesOut")),
        ("relay socket", _text(session, "relay")),
        ("comes back", "yes" if session.get("comesBack") is True else "no, its client does not know how"),
    ]
    width = max(len(name) for name, _ in things)
    text = "".join(f"{name:{width}}{GAP}{value}\n" for name, value in things if value not in ("", "-"))
    shares = [one for one in _list(session.get("shares")) if isinstance(one, dict)]
    text += "".join(f"{'share':{width}}{GAP}{_format_share(one)}\n" for one in shares)
    people = [one for one in _list(session.get("people")) if isinstance(one, dict)]
    text += "".join(f"{'there':{width}}{GAP}{_format_visitor(one)}\n" for one in people)
    events = [one for one in _list(session.get("events")) if isinstance(one, dict)]
    return text + "".join(f"{format_time(one.get('at'))}{GAP}{_format_event(one)}\n" for one in events)


def format_endings(items: Sequence[JSONObject]) -> str:
    """Return what becomes of the sessions that are ended."""
    words = {
        "told": "told; its client ends it",
        "lost": "its link is lost; its client will be told when it is back",
        "ended": "ended; its client could not be told why",
    }
    if not items:
        return "There was no session to end.\n"
    width = max(len(_text(one, "host")) for one in items)
    return "".join(
        f"{_text(one, 'host'):{width}}{GAP}{words.get(str(one.get('ending')), _text(one, 'ending'))}\n"
        for one in items
    )


def format_blocks(orders: object, width: int | None) -> str:
    """Return the table of whoever is blocked."""
    blocks = [one for one in _list(_object(orders).get("blocks")) if isinstance(one, dict)]
    if not blocks:
        return "Nobody is blocked.\n"
    rows = [
        (
            _text(one, "user" if "user" in one else "network"),
            format_time(one.get("since")),
            format_time(one.get("until")) if one.get("until") is not None else "when unblocked",
            _text(one, "reason"),
        )
        for one in blocks
    ]
    return "".join(format_table(_BLOCK_COLUMNS, rows, width))


def format_block(block: object, running: object) -> str:
    """Return a sentence about a new block, and about the sessions that a blocked user has."""
    told = _object(block)
    who = _text(told, "user" if "user" in told else "network")
    until = f"until {format_time(told.get('until'))}" if told.get("until") is not None else "until it is unblocked"
    text = f"{who} is blocked {until}.\n"
    if isinstance(running, int) and running:
        text += f"{_plural(running, 'session')} of theirs {'goes' if running == 1 else 'go'} on; "
        text += f"`end --user {who}` ends {'it' if running == 1 else 'them'}.\n"
    return text


def format_announcement(orders: object, _: int | None = None) -> str:
    """Return what is announced."""
    announcement = _object(_object(orders).get("announcement"))
    if not announcement:
        return "Nothing is announced.\n"
    return f"Announced since {format_time(announcement.get('since'))}: {_text(announcement, 'text')}\n"


def format_links(items: Sequence[JSONObject], width: int | None) -> str:
    """Return the table of links to the dashboard, and of who was let in."""
    if not items:
        return "There are no links to the dashboard, and nobody was let in.\n"
    rows = [
        (
            _text(one, "user"),
            _LINK_KINDS.get(str(one.get("kind")), "-"),
            format_time(one.get("since")),
            format_time(one.get("until")),
        )
        for one in items
    ]
    return "".join(format_table(_LINK_COLUMNS, rows, width))


def format_revoked(told: Mapping[str, object]) -> str:
    """Return a sentence about what was ended."""
    links, entries = (count if isinstance(count := told.get(f), int) else 0 for f in ("links", "entries"))
    return f"Revoked: {_plural(links, 'link')}, {_plural(entries, 'browser')} that had been let in.\n"


def format_link_note(made: Mapping[str, object], now: float) -> str:
    """Return what is to be known of a new link."""
    until, lasts = made.get("until"), made.get("lasts")
    soon = format_duration(until - now) if is_number(until) else "a while"
    long = format_duration(lasts) if is_number(lasts) else "a while"
    return f"It opens the dashboard in one browser, within {soon}, for {long}; `links --revoke` ends that.\n"


def format_time(time: object) -> str:
    """Return a time as people here write it; "-" for none."""
    if not is_number(time) or not 0 <= time < MAX_SAVED_TIME:
        return "-"
    return f"{datetime.fromtimestamp(float(time)):%Y-%m-%d %H:%M:%S}"


def _format_standing(orders: object) -> str:
    """Return a line for each order that stands."""
    told = _object(orders)
    text = ""
    if drain := _object(told.get("drain")):
        because = f": {_text(drain, 'reason')}" if drain.get("reason") else ""
        since = format_time(drain.get("since"))
        text += f"No new sessions are taken since {since}{because}; `drain --end` ends that.\n"
    if blocks := _list(told.get("blocks")):
        text += f"{_plural(len(blocks), 'user or network', 'users or networks')} blocked; `block` shows who.\n"
    return text + (format_announcement(orders) if told.get("announcement") else "")


def _format_share(share: Mapping[str, object]) -> str:
    name = share.get("label") or share.get("id")
    if share.get("with"):
        name = f"{name}, with {share['with']}"
    end = "ends with the session" if share.get("expires") is None else f"ends {format_time(share.get('expires'))}"
    once = ", once" if share.get("once") is True else ""
    return f"{escape(str(name))}, {end}{once}, visitors: {_count(share, 'visitors')}"


def _format_visitor(visitor: Mapping[str, object]) -> str:
    identity, by = _text(visitor, "identity"), _text(visitor, "by")
    who = f"by {by}" if identity == "-" else f"{identity} by {by}"
    since = format_time(visitor.get("since"))
    return f"{who} from {_text(visitor, 'address')} since {since}, visitors: {_count(visitor, 'connections')}"


def _format_event(event: Mapping[str, object]) -> str:
    count = event.get("count")
    return _text(event, "text") + (f" ({count} times)" if isinstance(count, int) and count > 1 else "")


def _format_since(since: object, now: float) -> str:
    return format_duration(now - since) if is_number(since) and 0 <= since < MAX_SAVED_TIME else "-"


def _plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one}" if count == 1 else f"{count} {many or one + 's'}"


def _text(told: Mapping[str, object], field: str) -> str:
    value = told.get(field)
    return escape(value) if isinstance(value, str) and value else "-"


def _texts(value: object) -> Iterable[str]:
    return [escape(one) for one in _list(value) if isinstance(one, str)]


def _count(told: Mapping[str, object], field: str) -> str:
    value = told.get(field)
    return str(value) if isinstance(value, int) else "-"


def _size(told: Mapping[str, object], field: str) -> str:
    value = told.get(field)
    return format_size(value) if isinstance(value, int) else "-"


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
