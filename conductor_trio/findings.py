"""The findings of a diagnosis (``doctor``, ``check``), in lines for people."""

from __future__ import annotations

import enum

import attrs

from conductor_trio.printable import escape

_WIDEST_CHECK = 18


class Status(enum.Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


_WIDEST_STATUS = max(len(status.value) for status in Status)
_INDENT = " " * (_WIDEST_STATUS + _WIDEST_CHECK + 4)


@attrs.frozen(kw_only=True)
class Finding:
    """How the check of that name ended; `advice` says what to do about it, and `contact` whom to ask."""

    check: str
    status: Status
    detail: str = ""
    advice: str = ""
    contact: str = ""


def format_finding(finding: Finding) -> str:
    """Return the lines for people."""
    head = f"{finding.status.value:{_WIDEST_STATUS}}  {finding.check:{_WIDEST_CHECK}}  {escape(finding.detail)}"
    text = head.rstrip() + "\n"
    if finding.advice:
        text += f"{_INDENT}What to do: {escape(finding.advice)}\n"
    if finding.contact:
        text += f"{_INDENT}Whom to ask: {finding.contact}\n"
    return text
