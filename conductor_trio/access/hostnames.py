"""Host patterns such as ``{key}-{user}.apps.example.org``: checked once, then only ever formatted.

A host name is looked up as a whole and never parsed back, so two owners must never be given the same one. What
makes that so is checked here: in one pattern the key cannot contain the text between its fields, and two
patterns of a server cannot produce the same name.
"""

from __future__ import annotations

import re
from base64 import b32encode
from hashlib import blake2b
from string import Formatter

import attrs

from conductor_trio.errors import ConfigError, RegistrationRefused

MAX_LABEL = 63  # octets in a label, RFC 1035 section 2.3.4
MAX_HOST = 253  # in the textual form of a whole name

_HOST_TEXT = re.compile(r"[a-z0-9._-]*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@attrs.frozen(kw_only=True)
class HostPattern:
    """One domain pattern, taken apart: ``<before><first><between><second><after>[:<port>]``."""

    text: str
    before: str
    key_first: bool
    between: str
    after: str
    port: int | None

    def format_host(self, key: str, label: str) -> str:
        """Return the host name of an owner's key, as it stands in the route table."""
        first, second = (key, label) if self.key_first else (label, key)
        return f"{self.before}{first}{self.between}{second}{self.after}"

    def format_url_host(self, key: str, label: str) -> str:
        """Return the host name with the pattern's port, as the client is told it."""
        host = self.format_host(key, label)
        return host if self.port is None else f"{host}:{self.port}"

    def can_hold(self, key: str) -> bool:
        """Whether the key leaves the border between key and user where it belongs."""
        if self.key_first:
            return (key + self.between).find(self.between) == len(key)
        return (self.between + key).rfind(self.between) == 0


def is_host_name(text: str) -> bool:
    """Whether a text in lower case, without port and trailing dot, is a host's name."""
    return len(text) <= MAX_HOST and all(len(p) <= MAX_LABEL and _LABEL.fullmatch(p) for p in text.split("."))


def parse_pattern(text: str) -> HostPattern:
    """Check a pattern and take it apart; raises `ConfigError`."""

    def wrong(what: str) -> ConfigError:
        return ConfigError(f"domain pattern {text!r}: {what}, as in {{key}}-{{user}}.apps.example.org:8888")

    try:
        parts = list(Formatter().parse(text.lower()))
    except ValueError as error:
        raise wrong(str(error)) from None
    literals = [literal for literal, *_ in parts]
    fields = [field for _, field, spec, conversion in parts if field is not None and not (spec or conversion)]
    if sorted(fields) != ["key", "user"] or len(fields) != sum(part[1] is not None for part in parts):
        raise wrong("it needs {key} and {user}, each once")
    before, between, after = [*literals, ""][:3]
    after, colon, port_text = after.partition(":")
    port = int(port_text) if re.fullmatch(r"[0-9]{1,5}", port_text) else None
    if colon and (port is None or not 0 < port < 65536):
        raise wrong("the port is no port")
    if not between:
        raise wrong("something must stand between {key} and {user}")
    if not all(_HOST_TEXT.fullmatch(part) for part in (before, between, after)):
        raise wrong("only letters, digits, dots and hyphens can stand around the fields")
    pattern = HostPattern(
        text=text,
        before=before,
        key_first=fields[0] == "key",
        between=between,
        after=after.removesuffix("."),
        port=port,
    )
    for label in pattern.format_host("k", "u").split("."):
        if not _LABEL.fullmatch(label):
            raise wrong(f"{label!r} is no part of a host name")
    return pattern


def check_patterns(patterns: tuple[HostPattern, ...]) -> None:
    """Raise `ConfigError` where two patterns could give two owners the same host name."""
    for index, one in enumerate(patterns):
        for other in patterns[:index]:
            if _could_coincide(one, other):
                raise ConfigError(
                    f"domain patterns {other.text!r} and {one.text!r} can give two users the same host name"
                )


def _could_coincide(one: HostPattern, other: HostPattern) -> bool:
    def shape(pattern: HostPattern) -> tuple[str, bool, str, str]:
        return pattern.before, pattern.key_first, pattern.between, pattern.after

    if shape(one) == shape(other):
        return False  # the same owner gets the same name from both: another port, perhaps
    ours, theirs = (p.format_host("*", "*").split(".") for p in (one, other))
    if len(ours) != len(theirs):
        return False  # keys and labels hold no dot
    # Conservatively: a label with a field in it may be anything that the ends around the fields allow.
    return all(_labels_could_coincide(a, b) for a, b in zip(ours, theirs, strict=True))


def _labels_could_coincide(a: str, b: str) -> bool:
    if "*" not in a and "*" not in b:
        return a == b
    if "*" not in a:
        a, b = b, a
    if "*" not in b:
        parts = [re.escape(part) for part in a.split("*")]
        return re.fullmatch(".+".join(parts), b) is not None
    head_a, head_b = a.partition("*")[0], b.partition("*")[0]
    tail_a, tail_b = a.rpartition("*")[2], b.rpartition("*")[2]
    return (head_a.startswith(head_b) or head_b.startswith(head_a)) and (
        tail_a.endswith(tail_b) or tail_b.endswith(tail_a)
    )


def user_label(user: str) -> str:
    """Return the DNS label that stands for a user name, a different one for each name.

    A name that is a label already, in lower case and without ``--``, stands for itself. Any other is made
    readable and ends in ``--`` and 80 bits of its hash, which none of the former can look like.
    """
    if _LABEL.fullmatch(user) and "--" not in user and len(user) <= MAX_LABEL // 2:
        return user
    readable = re.sub(r"[^a-z0-9]+", "-", user.lower()).strip("-")[:12].strip("-")
    if readable in ("", "xn"):  # browsers decode what begins with xn--
        readable = "u"
    digest = b32encode(blake2b(user.encode("utf-8", "surrogateescape"), digest_size=10).digest())
    return f"{readable}--{digest.decode().lower()}"


def check_key(key: str, label: str, patterns: tuple[HostPattern, ...]) -> None:
    """Raise `RegistrationRefused` unless the key gives an unmistakable, valid host name in every pattern."""
    if not _LABEL.fullmatch(key):
        raise RegistrationRefused(
            f"the key {_shown(key)} is not made of a-z, 0-9 and, inside, hyphens", advice="choose another"
        )
    for pattern in patterns:
        if not pattern.can_hold(key):
            raise RegistrationRefused(
                f"the key {_shown(key)} contains {pattern.between!r}, which separates key and user in the "
                "host names here",
                advice="choose one without it",
            )
        host = pattern.format_host(key, label)
        if len(host) > MAX_HOST or any(len(part) > MAX_LABEL for part in host.split(".")):
            raise RegistrationRefused(
                f"the key {_shown(key)} is too long for a host name", advice="choose a shorter one"
            )
        if any(part.startswith("xn--") for part in host.split(".")):
            raise RegistrationRefused(
                f"the key {_shown(key)} makes a host name that browsers decode (xn--)", advice="choose another"
            )


def _shown(key: str) -> str:
    """Return a foreign text for a message: short and printable."""
    return ascii(key if len(key) <= MAX_LABEL else key[:MAX_LABEL] + "…")
