"""A portal on another origin, which the operator allows: its preflights, what it may read, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.engine import HOST, OK, TOKEN, Application, open_engine, request
from tests.support.shares import ask, cookie

PORTAL = "https://portal.test"
FROM_PORTAL = b"Origin: https://portal.test\r\n"
ALLOWED = b"access-control-allow-origin"
ASKING = b"Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: content-type\r\n"
PREFLIGHT = b"OPTIONS /api HTTP/1.1"


async def test_a_preflight_is_answered_for_the_portal_only(short_tmp: Path) -> None:
    application = Application(OK)
    async with open_engine(short_tmp, application, allowed_origins=(PORTAL,)) as engine:
        visitor = engine.connect()
        answer = await ask(visitor, request(PREFLIGHT, FROM_PORTAL + ASKING, auth=b""), b"OPTIONS")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.values(ALLOWED) == [PORTAL.encode()]
        assert answer.values(b"access-control-allow-methods") == [b"PUT"]
        assert answer.values(b"access-control-allow-headers") == [b"content-type"]
        for fields in (b"Origin: https://evil.test\r\n" + ASKING, ASKING, FROM_PORTAL):
            answer = await ask(visitor, request(PREFLIGHT, fields, auth=b""), b"OPTIONS")
            assert answer.status == 403
            assert answer.values(b"access-control-allow-methods") == []
        # Without a session there is nothing that may be sent, and our own pages are not the portal's.
        answer = await ask(
            visitor, request(PREFLIGHT, FROM_PORTAL + ASKING, auth=b"", host=b"none-alice.test"), b"OPTIONS"
        )
        assert answer.status == 404
        line = b"OPTIONS /_conductor/ HTTP/1.1"
        answer = await ask(visitor, request(line, FROM_PORTAL + ASKING, auth=b""), b"OPTIONS")
        assert (answer.status, answer.values(ALLOWED)) == (403, [])
        assert application.messages == []
        # Whoever shows the token asks the application itself.
        answer = await ask(visitor, request(PREFLIGHT, FROM_PORTAL + ASKING), b"OPTIONS")
        assert answer.status == 200
        assert len(application.messages) == 1


@pytest.mark.parametrize(
    ("fields", "own", "allowed"),
    [
        (FROM_PORTAL, b"", [PORTAL.encode()]),
        (FROM_PORTAL, b"Access-Control-Allow-Origin: *\r\n", [b"*"]),
        (b"Origin: https://evil.test\r\n", b"", []),
        (b"", b"", []),
    ],
)
async def test_who_may_read_an_applications_response(
    short_tmp: Path, fields: bytes, own: bytes, allowed: list[bytes]
) -> None:
    application = Application(OK.replace(b"\r\n\r\n", b"\r\n" + own + b"\r\n", 1))
    async with open_engine(short_tmp, application, allowed_origins=(PORTAL,)) as engine:
        answer = await ask(engine.connect(), request(fields=fields))
        assert answer.values(ALLOWED) == allowed
        assert answer.values(b"vary") == ([] if own else [b"Origin"])
        assert answer.values(b"access-control-allow-credentials") == ([b"true"] if allowed and not own else [])


async def test_the_portal_sees_why_there_is_no_application(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK), allowed_origins=(PORTAL,)) as engine:
        visitor = engine.connect()
        answer = await ask(visitor, request(fields=FROM_PORTAL, auth=b""))
        assert (answer.status, answer.values(ALLOWED)) == (403, [PORTAL.encode()])
        answer = await ask(visitor, request(b"GET /_conductor/ HTTP/1.1", FROM_PORTAL, auth=cookie(TOKEN)))
        assert (answer.status, answer.values(ALLOWED)) == (200, [])


async def test_without_the_option_nothing_is_added(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK)) as engine:
        answer = await ask(engine.connect(), request(fields=FROM_PORTAL, host=HOST))
        assert answer.values(ALLOWED) == answer.values(b"vary") == []
