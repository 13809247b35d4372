"""What is said of requests that break the protocol, by the status of the answer: words, and fields."""

from __future__ import annotations

TEXTS = {
    400: "The gateway could not read this request without a doubt about its meaning, and did not pass it on.",
    405: "The gateway is no forward proxy.",
    408: "The request did not arrive in time.",
    413: "The form holds more than a token.",
    414: "The request's target is too long.",
    417: "The gateway knows no expectation but 100-continue.",
    426: "The gateway speaks version 13 of WebSocket.",
    431: "The request's header fields are too many or too large.",
    501: "The request uses a transfer coding that the gateway does not know.",
    505: "The gateway speaks HTTP/1.1.",
}


FIELDS = {
    405: ((b"Allow", b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"),),
    426: ((b"Sec-WebSocket-Version", b"13"),),
}
