"""A place among a server's sessions, for a user of whom this and that is said."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from conductor_trio.server.accounts.quotas import Admission, Allowance, SessionQuotas


@contextlib.contextmanager
def admitted(quotas: SessionQuotas, uid: int, **allowance: Any) -> Iterator[Admission]:
    """Hold a place for a user of whom nothing is said but this."""
    with quotas.admitted(uid) as admission:
        admission.identify(Allowance(**allowance))
        yield admission
