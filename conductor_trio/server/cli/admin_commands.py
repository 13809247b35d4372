"""The operator's commands carried out: given to the running server, and its answers printed."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pwd
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from conductor_trio import exit_status, interrupt
from conductor_trio.commandline.output import write_output
from conductor_trio.commandline.parser import Invocation
from conductor_trio.errors import ConfigError
from conductor_trio.limits.constants import MAX_ORDER_TEXT, TOP_INTERVAL, TOP_ONCE_INTERVAL
from conductor_trio.server.admin.messages import (
    Announce,
    EndBlock,
    EndSessions,
    ListLinks,
    ListSessions,
    MakeLink,
    RevokeLinks,
    SetBlock,
    SetDrain,
    ShowOrders,
    ShowSession,
    ShowUsage,
)
from conductor_trio.server.admin.usage import compare
from conductor_trio.server.cli import admin_output
from conductor_trio.server.cli.admin_client import AdminClient, Answer
from conductor_trio.server.cli.admin_table import ANNOUNCE, BLOCK, DRAIN, END, LINKS, LS, SHOW, TOP, UNBLOCK
from conductor_trio.server.cli.arguments import guess_runtime_dir
from conductor_trio.server.cli.top import describe_top, format_top
from conductor_trio.server.orders.blocks import Blocked
from conductor_trio.server.orders.networks import parse_network

_CLEAR = "\x1b[H\x1b[J"  # home, and erase what is below (ECMA-48)


def run_admin_command(invocation: Invocation) -> int:
    """Carry an operator's command out and return the exit status; raises `ConductorError`."""
    with contextlib.closing(AdminClient(guess_runtime_dir(vars(invocation.given)))) as client:
        interrupt.raise_within(lambda: _COMMANDS[invocation.command.name](client, invocation.given))
    return exit_status.OK


def _list(client: AdminClient, given: argparse.Namespace) -> None:
    answer = client.command(ListSessions(user=given.user))
    if given.json:
        _write_json(*answer.items)
    else:
        orders = answer.fields.get("orders")
        write_output(admin_output.format_sessions(answer.items, orders, time.time(), _width()))


def _show(client: AdminClient, given: argparse.Namespace) -> None:
    session = client.command(ShowSession(host=parse_host(given.host))).fields.get("session")
    told = session if isinstance(session, dict) else {}
    if given.json:
        _write_json(told)
    else:
        write_output(admin_output.format_session(told, time.time()))


def _end(client: AdminClient, given: argparse.Namespace) -> None:
    if (given.host is not None) + (given.user is not None) + given.all != 1:
        raise ConfigError("say which: a HOST, --user USER, or --all")
    host = None if given.host is None else parse_host(given.host)
    answer = client.command(EndSessions(host=host, user=given.user, reason=_line(given.reason, "--reason")))
    if given.json:
        _write_json(*answer.items)
    else:
        write_output(admin_output.format_endings(answer.items))


def _block(client: AdminClient, given: argparse.Namespace) -> None:
    if given.target is None:
        if given.seconds is not None or given.reason:
            raise ConfigError("--for and --reason need a USER or a NETWORK")
        return _show_orders(client, given, admin_output.format_blocks, "blocks")
    kind, name = parse_target(given.target, must_exist=True)
    reason = _line(given.reason, "--reason")
    fields = client.command(SetBlock(kind=kind, name=name, seconds=given.seconds, reason=reason)).fields
    block, running = fields.get("block"), fields.get("running")
    if given.json:
        return _write_json(block if isinstance(block, dict) else {})
    return write_output(admin_output.format_block(block, running))


def _unblock(client: AdminClient, given: argparse.Namespace) -> None:
    kind, name = parse_target(given.target, must_exist=False)
    client.command(EndBlock(kind=kind, name=name))
    if given.json:
        _write_json({kind.value: name, "blocked": False})
    else:
        write_output(f"{name} is blocked no longer.\n")


def _drain(client: AdminClient, given: argparse.Namespace) -> None:
    if given.end and given.reason:
        raise ConfigError("--end needs no --reason")
    answer = client.command(SetDrain(is_on=not given.end, reason=_line(given.reason, "--reason")))
    running = answer.fields.get("running")
    if given.json:
        _write_json({"drain": _orders(answer).get("drain"), "running": running})
    elif given.end:
        write_output("New sessions are taken again.\n")
    else:
        write_output(f"No new sessions are taken until `drain --end`. Running: {running}.\n")


def _announce(client: AdminClient, given: argparse.Namespace) -> None:
    if given.clear and given.text is not None:
        raise ConfigError("--clear needs no TEXT")
    if given.text is None and not given.clear:
        return _show_orders(
            client, given, lambda orders, _: admin_output.format_announcement(orders), "announcement"
        )
    text = _line(given.text or "", "TEXT")
    if not text and not given.clear:
        raise ConfigError("TEXT is empty", advice="--clear announces nothing any more")
    answer = client.command(Announce(text=text))
    if given.json:
        return _write_json({"announcement": _orders(answer).get("announcement")})
    return write_output("It is announced.\n" if text else "Nothing is announced any more.\n")


def _show_orders(
    client: AdminClient, given: argparse.Namespace, form: Callable[[object, int | None], str], name: str
) -> None:
    orders = _orders(client.command(ShowOrders()))
    if not given.json:
        write_output(form(orders, _width()))
    elif isinstance(told := orders.get(name), list):
        _write_json(*told)
    else:
        _write_json({name: told})


def _top(client: AdminClient, given: argparse.Namespace) -> None:
    """Look again and again; the first look only begins the measuring."""
    is_live = not given.once and not given.json and sys.stdout.isatty()
    pause = TOP_ONCE_INTERVAL if given.once else TOP_INTERVAL
    before = client.command(ShowUsage())
    try:
        while True:
            time.sleep(pause)
            now = client.command(ShowUsage())
            seconds = _seconds_between(before, now) or pause
            rows = compare(before.items, now.items, seconds)
            if given.json:
                _write_json(describe_top(rows, now.fields))
            else:
                most = shutil.get_terminal_size().lines - 5 if is_live else None
                text = format_top(rows, now.fields, _width(), most)
                write_output(f"{_CLEAR}{text}" if is_live else f"{text}\n" if not given.once else text)
            if given.once:
                return
            before = now
    except KeyboardInterrupt:  # which is how it ends
        return


def _links(client: AdminClient, given: argparse.Namespace) -> None:
    if given.list and given.revoke:
        raise ConfigError("give either --list or --revoke")
    if given.user is not None and not given.revoke:
        raise ConfigError("--user needs --revoke")
    if given.list:
        items = client.command(ListLinks()).items
        return _write_json(*items) if given.json else write_output(admin_output.format_links(items, _width()))
    if given.revoke:
        told = client.command(RevokeLinks(user=given.user)).fields
        ended = {name: told.get(name) for name in ("links", "entries")}
        return _write_json(ended) if given.json else write_output(admin_output.format_revoked(ended))
    made = client.command(MakeLink()).fields
    if given.json:
        return _write_json({name: made.get(name) for name in ("link", "until")})
    # The address alone on standard output, where a program takes it.
    write_output(f"{made.get('link')}\n")
    if os.isatty(1):
        sys.stderr.write(admin_output.format_link_note(made, time.time()))
    return None


_COMMANDS: Mapping[str, Callable[[AdminClient, argparse.Namespace], None]] = {
    LS.name: _list,
    SHOW.name: _show,
    END.name: _end,
    BLOCK.name: _block,
    UNBLOCK.name: _unblock,
    DRAIN.name: _drain,
    ANNOUNCE.name: _announce,
    TOP.name: _top,
    LINKS.name: _links,
}


def _seconds_between(before: Answer, now: Answer) -> float:
    """Return how far two looks are apart; 0 where they are of two servers, whose clocks have nothing in common."""
    first, second = before.fields.get("time"), now.fields.get("time")
    if isinstance(first, float) and isinstance(second, float):
        return max(0.0, second - first)
    return 0.0


def _orders(answer: Answer) -> Mapping[str, object]:
    orders = answer.fields.get("orders")
    return orders if isinstance(orders, dict) else {}


def parse_host(text: str) -> str:
    """Return the host name in what may be a whole address, as it is copied from a browser."""
    netloc = urlsplit(text if "//" in text else f"//{text}").netloc.rpartition("@")[2]
    host = netloc.rpartition(":")[0] if ":" in netloc else netloc
    if not host:
        raise ConfigError(f"{text!a} is no host name", advice="`ls` shows those of the sessions")
    return host.lower()


def parse_target(text: str, *, must_exist: bool) -> tuple[Blocked, str]:
    """Return whether a user or a network is meant, and the name by which the server knows it."""
    try:
        return Blocked.NETWORK, parse_network(text)
    except ValueError as error:
        if "/" in text or ":" in text:
            raise ConfigError(f"{error}") from None
    try:
        return Blocked.USER, pwd.getpwnam(text).pw_name
    except (KeyError, ValueError):
        if must_exist:
            raise ConfigError(f"{text!a} is neither a user of this host nor a network") from None
    return Blocked.USER, text


def _line(text: str, what: str) -> str:
    """Return a text that fits a line of everybody's terminal."""
    line = " ".join(text.split())
    if len(line) > MAX_ORDER_TEXT or not line.isprintable():
        raise ConfigError(f"{what} is no text of at most {MAX_ORDER_TEXT} printable characters")
    return line


def _width() -> int | None:
    """Return how wide the terminal is, None where a program reads: it gets everything."""
    return shutil.get_terminal_size().columns if os.isatty(1) else None


def _write_json(*objects: object) -> None:
    write_output("".join(json.dumps(one) + "\n" for one in objects))
