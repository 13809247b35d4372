"""What breaks an exchange off, as exceptions that do not leave the data plane."""

from __future__ import annotations


class ClientDisconnected(Exception):
    """The visitor ended or broke its request."""


class VisitorUnreachable(Exception):
    """The visitor's connection is broken, or nobody reads from it: nothing more can be said there."""


class ResponseTruncated(Exception):
    """The response broke off after its head had gone out."""


class RequestAborted(Exception):
    """The rest of the request broke the protocol, or did not come, before a response began.

    `status` is the HTTP status that says so.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
