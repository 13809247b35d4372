"""Request heads for those who are asked about one: read as the gateway reads the first of a connection."""

from __future__ import annotations

from conductor_trio.http1.request import RequestHead, match_request_line, read_request_head
from conductor_trio.http1.request_parser import RequestParser


def parse_request_head(head: bytes, *, max_fields: int) -> RequestHead:
    """Read a request head, its empty line included; raises `RemoteProtocolError`."""
    block = head[match_request_line(head).end() :]
    return read_request_head(head, block, RequestParser(len(head)), max_fields=max_fields)
