"""Operators: who gives a command, and by which way it came, as a value."""

from __future__ import annotations

import attrs

from conductor_trio.control.messages import JSONObject


@attrs.frozen(kw_only=True)
class Operator:
    """Who gives a command, as the kernel tells, or the single sign-on, which knows no ids."""

    uid: int | None
    user: str
    address: str | None = None  #: from where, where it came through the dashboard

    def describe(self) -> JSONObject:
        """Return who it is, for both logs."""
        told: JSONObject = {"by": self.user, "by_uid": self.uid}
        return told if self.address is None else told | {"through": "dashboard", "address": self.address}
