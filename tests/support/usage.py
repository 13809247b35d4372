"""What a server tells of who uses what."""

from __future__ import annotations

from conductor_trio.control.messages import JSONObject


def look(user: str = "alice", **changed: object) -> JSONObject:
    """Return a look at a user; `changed` is what is told otherwise."""
    told: JSONObject = {
        "kind": "user",
        "user": user,
        "sessions": 2,
        "lost": 0,
        "visitors": 3,
        "requests": 10,
        "bytesIn": 1000,
        "bytesOut": 2000,
        "held": 4096,
        "processor": 1.0,
        "throttled": False,
    }
    return told | changed


STRANGERS: JSONObject = {"kind": "strangers", "user": None, "processor": 0.5, "throttled": True}
