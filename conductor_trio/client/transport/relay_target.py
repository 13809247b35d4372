"""Where ssh takes the relay's connections: to the application, or to a stand-in while that does not listen yet.

The server tries the relay when a client registers. Without an application ssh would fail to connect, and tell the
user of an error where all is well.
"""

from __future__ import annotations

import os
import socket


class RelayTarget:
    """A link to the application's socket, which leads to a socket of ours for a while; to be closed."""

    def __init__(self, link: str) -> None:
        self._link = link
        self._application = os.readlink(link)
        self._place = f"{link}s"
        self._stand_in: socket.socket | None = None

    def stand_in(self) -> None:
        """Have connections wait at a socket of ours, unless there is the application's."""
        if os.path.exists(self._application):
            self.lead_on()
            return
        if self._stand_in is not None:
            return
        self._stand_in = socket.socket(socket.AF_UNIX)
        self._stand_in.bind(self._place)
        self._stand_in.listen()
        self._lead_to(self._place)

    def lead_on(self) -> None:
        """Have connections go to the application; what waits at our socket ends."""
        if self._stand_in is not None:
            self._lead_to(self._application)
            self.close()
            os.unlink(self._place)

    def close(self) -> None:
        """Close our socket."""
        if self._stand_in is not None:
            self._stand_in.close()
            self._stand_in = None

    def _lead_to(self, path: str) -> None:
        other = f"{self._link}n"
        os.symlink(path, other)
        os.replace(other, self._link)  # at once: ssh may follow it at any time
