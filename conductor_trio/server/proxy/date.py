"""The Date field's value, made once a second."""

from __future__ import annotations

import time
from email.utils import formatdate


class DateMemo:
    """Remembers the value for the second that it was made for."""

    def __init__(self) -> None:
        self._second = 0
        self._value = b""

    def now(self) -> bytes:
        """Return the time as a Date field has it (RFC 9110 section 5.6.7)."""
        second = int(time.time())
        if second != self._second:
            self._second, self._value = second, formatdate(second, usegmt=True).encode()
        return self._value
