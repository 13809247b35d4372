"""What an examination finds, in lines for people."""

from __future__ import annotations

import enum

import attrs

_WIDEST_PLACE = 18


class Status(enum.Enum):
    """How something was found."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


_WIDEST_STATUS = max(len(status.value) for status in Status)
_INDENT = " " * (_WIDEST_STATUS + _WIDEST_PLACE + 4)


@attrs.frozen(kw_only=True)
class Finding:
    """How something was found at a place; `advice` says what to do about it, and `whom` to ask."""

    place: str
    status: Status
    detail: str = ""
    advice: str = ""
    whom: str = ""


def format_finding(finding: Finding) -> str:
    """Return the lines for people."""
    head = f"{finding.status.value:{_WIDEST_STATUS}}  {finding.place:{_WIDEST_PLACE}}  {finding.detail}"
    text = head.rstrip() + "\n"
    if finding.advice:
        text += f"{_INDENT}What to do: {finding.advice}\n"
    if finding.whom:
        text += f"{_INDENT}Whom to ask: {finding.whom}\n"
    return text
