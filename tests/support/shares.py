"""Share links at the engine: made, given to its route, and tried by a visitor."""

from __future__ import annotations

from conductor_trio.access.grants import Share
from conductor_trio.access.tokens import hash_token
from tests.support.engine import Engine, Response, Visitor

LINK_TOKEN = b"shared-with-a-friend"


def make_share(
    token: bytes = LINK_TOKEN, *, id: str = "s1", expires: float | None = None, is_once: bool = False
) -> Share:
    digest = hash_token(token)
    return Share(
        id=id,
        label="friend",
        created=0.0,
        expires=expires,
        link_hash=digest,
        token_hash=None if is_once else digest,
        is_once=is_once,
    )


def make_named(grantee: str, *, id: str = "n1", expires: float | None = None) -> Share:
    return Share(
        id=id,
        label="",
        created=0.0,
        expires=expires,
        link_hash=None,
        token_hash=None,
        is_once=False,
        grantee=grantee,
    )


def cookie(token: bytes) -> bytes:
    return b"Cookie: authorization=" + token + b"\r\n"


async def ask(visitor: Visitor, data: bytes, method: bytes = b"GET") -> Response:
    await visitor.send(data)
    return await visitor.receive_response(method)


def give(engine: Engine, share: Share) -> None:
    engine.routes.set_access(engine.route_id, engine.route.access.with_share(share))
