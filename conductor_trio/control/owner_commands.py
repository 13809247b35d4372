r"""Owners' commands, given over the control channel in the place of a registration: extension ``owner``.

The dialogue after the greeting::

    client → server   {"command": "list"}
                      {"command": "stop", "key": "<key>"}
                      {"command": "share", "key": "<key>", "auth": "<blake2b-512 hex>", "label": "<text>",
                       "for": <seconds or null>, "once": <bool>}
                      {"command": "share", "key": "<key>", "with": "<user or @group>", "label": "<text>",
                       "for": <seconds or null>}                       extension ``named``
                      {"command": "revoke", "key": "<key>", "id": "<share's id>"}
    server → client   {"status": "ok", …}  or  {"status": "error", "reason": "<text>"}

One answer for each, in order, until the client closes; after an error the server closes. Who asks, the kernel
tells (SO_PEERCRED): a command is about the sessions of that user only.
"""

from __future__ import annotations

import re

from conductor_trio.access.grants import GROUP_MARK, Share
from conductor_trio.access.tokens import TokenHash, is_token_hash
from conductor_trio.control.messages import JSONObject, format_object, parse_from_server, parse_object
from conductor_trio.errors import RegistrationRefused
from conductor_trio.limits.constants import MAX_GRANTEE, MAX_SHARE_LABEL, MAX_SHARE_TIME
from conductor_trio.message import Message
from conductor_trio.strict_json import is_number

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class ListSessions(Message):
    """Asks for all sessions of the user."""


class StopSession(Message):
    """Asks to end a session, its application included."""

    key: str


class ShareSession(Message):
    """Asks for a further token, of which `auth` is the hash, for so many seconds, or for the session's life.

    With a `grantee`, a user or a group after ``@``, it asks to let those in without a token who are called that by
    the single sign-on.
    """

    key: str
    auth: TokenHash | None
    label: str
    seconds: float | None
    is_once: bool
    grantee: str | None = None


class RevokeShare(Message):
    """Asks to end a share."""

    key: str
    id: str


class Answer(Message):
    """What comes of a command that was carried out: further fields beside ``"status": "ok"``.

    `sessions` are those that were asked for, each written by itself, for there may be a thousand.
    """

    fields: JSONObject
    sessions: tuple[bytes, ...] | None = None


Command = ListSessions | StopSession | ShareSession | RevokeShare


def parse_command(line: bytes) -> Command | None:
    """Read a command; None for what is none. Raises `RegistrationRefused` with what is wrong with one."""
    try:
        return read_command(parse_object(line))
    except ValueError:
        return None


def read_command(message: JSONObject) -> Command | None:
    """Read a command from the object in its line; returns and raises as `parse_command` does."""
    match message.get("command"):
        case None:
            return None
        case "list":
            return ListSessions()
        case "stop":
            return StopSession(key=_key(message))
        case "share":
            return _parse_share(message)
        case "revoke":
            share = message.get("id")
            if not isinstance(share, str):
                raise RegistrationRefused("id is missing", advice="`ls` shows the ids of shares")
            return RevokeShare(key=_key(message), id=share)
        case _:
            raise RegistrationRefused("this gateway does not know that command; it may be older than your client")


def _key(message: JSONObject) -> str:
    key = message.get("key")
    if not isinstance(key, str) or not key:
        raise RegistrationRefused("key is missing", advice="`ls` shows the keys of your sessions")
    return key.lower()


def _parse_share(message: JSONObject) -> ShareSession:
    auth, label, seconds = message.get("auth"), message.get("label", ""), message.get("for")
    grantee = message.get("with")
    if grantee is not None:
        if not isinstance(grantee, str):
            raise RegistrationRefused("with is no name")
        check_grantee(grantee)
        if auth is not None or message.get("once") is True:
            raise RegistrationRefused("who is named needs no token: with goes with neither auth nor once")
    elif not isinstance(auth, str) or not is_token_hash(auth):
        raise RegistrationRefused(
            "auth is malformed", advice="send the blake2b-512 hex digest of the token (128 digits)"
        )
    if not isinstance(label, str) or len(label) > MAX_SHARE_LABEL or _UNPRINTABLE.search(label):
        raise RegistrationRefused(f"a label has at most {MAX_SHARE_LABEL} printable characters")
    if seconds is not None and not (is_number(seconds) and 0 < seconds <= MAX_SHARE_TIME):
        raise RegistrationRefused("a share lasts between a second and a year")
    return ShareSession(
        key=_key(message),
        auth=auth,
        label=label,
        seconds=None if seconds is None else float(seconds),
        is_once=message.get("once") is True,
        grantee=grantee,
    )


def check_grantee(name: str) -> None:
    """Raise `RegistrationRefused` unless it can be the name of a user, or of a group after ``@``."""
    plain = name.removeprefix(GROUP_MARK)
    if not plain or plain != plain.strip() or _UNPRINTABLE.search(name) or len(name.encode()) > MAX_GRANTEE:
        raise RegistrationRefused(
            f"{name[:64]!a} is no name of a user or a group",
            advice=f"give a user, or @ and a group, of printable characters, at most {MAX_GRANTEE} bytes",
        )


def format_command(command: Command) -> bytes:
    """Write a command."""
    match command:
        case ListSessions():
            message: JSONObject = {"command": "list"}
        case StopSession(key=key):
            message = {"command": "stop", "key": key}
        case ShareSession():
            message = {
                "command": "share",
                "key": command.key,
                "label": command.label,
                "for": command.seconds,
            }
            message |= (
                {"auth": command.auth, "once": command.is_once}
                if command.grantee is None
                else {"with": command.grantee}
            )
        case RevokeShare(key=key, id=share):
            message = {"command": "revoke", "key": key, "id": share}
    return format_object(message)


def describe_share(share: Share) -> JSONObject:
    """Return what an owner is told of a share; times are Unix times."""
    named = {} if share.grantee is None else {"with": share.grantee}
    return {
        "id": share.id,
        "label": share.label,
        "created": share.created,
        "expires": share.expires,
        "once": share.is_once,
        "used": share.is_once and share.token_hash is not None,
        **named,
    }


def format_answer(answer: Answer) -> bytes:
    """Write the answer to a command that was carried out."""
    line = format_object({"status": "ok", **answer.fields})
    if answer.sessions is None:
        return line
    return line.removesuffix(b"}\n") + b', "sessions": [' + b", ".join(answer.sessions) + b"]}\n"


def format_session(told: JSONObject) -> bytes:
    """Write what is told of a session, for the answer to `ListSessions`."""
    return format_object(told).removesuffix(b"\n")


def parse_answer(line: bytes) -> Answer:
    """Read the answer to a command; raises `RegistrationRefused` with the reason, or `RemoteProtocolError`."""
    return Answer(fields=parse_from_server(line, "answer"))
