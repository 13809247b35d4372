"""A front proxy's single sign-on: believed from it alone, and its tokens and cookies reach no application."""

from __future__ import annotations

from pathlib import Path

import pytest

from conductor_trio.access.grants import SingleSignOn
from tests.support.engine import OK, Application, open_engine, request

SSO = SingleSignOn(user_field=b"x-my-user", other_fields=(b"x-forwarded-email", b"oidc_claim_sub"))
OWNER = b"alice"  # whose the session is
FORGED = (
    b"X-My-User: alice\r\nRemote-User: alice\r\nREMOTE_USER: alice\r\nX-Forwarded-User: alice\r\n"
    b"X_Forwarded_Email: a@b\r\nX-Auth-Request-Groups: staff\r\nOIDC_CLAIM_sub: 1\r\n"
    b"X-Authentik-Username: alice\r\n"
    b"X-Webauth-User: alice\r\nx-remote-extra-scopes: all\r\nX-My_User: alice\r\n"
)
SAID = b"X-My-User: alice\r\nX-Forwarded-Email: a@b\r\nOIDC_CLAIM_sub: 1\r\n"
SECRETS = (
    b"Remote-User: s3cret\r\nX_My_User: s3cret\r\nX-Forwarded-Access-Token: s3cret\r\n"
    b"OIDC_id_token: s3cret\r\nX-Authentik-JWT: s3cret\r\n"
)
NAMES = [
    b"my-user",
    b"my_user",
    b"remote-user",
    b"remote_user",
    b"forwarded-user",
    b"forwarded_email",
    b"auth-request",
    b"oidc_",
    b"authentik",
    b"webauth",
    b"remote-extra",
]
REMEMBERED = pytest.mark.parametrize("times", [1, 2])


def without_cookie(fields: bytes) -> bytes:
    return request(fields=fields, auth=b"")


@REMEMBERED
async def test_what_a_visitor_says_of_themselves_reaches_nobody(short_tmp: Path, times: int) -> None:
    application = Application(OK)
    async with open_engine(short_tmp, application, sso=SSO) as engine:
        visitor = engine.connect()
        for _ in range(times):
            await visitor.send(request(fields=FORGED))
            assert (await visitor.receive_response()).status == 200
        for message in application.messages:
            assert not [name for name in NAMES if name in b"\n".join(message.fields).lower()]
        await visitor.send(without_cookie(FORGED))
        assert (await visitor.receive_response()).status == 403


@REMEMBERED
async def test_what_a_front_proxy_is_known_to_say_goes_on_and_nothing_else(short_tmp: Path, times: int) -> None:
    application = Application(OK)
    async with open_engine(short_tmp, application, sso=SSO) as engine:
        front = engine.connect(unix=True)
        for _ in range(times):
            await front.send(request(fields=SAID + SECRETS))
            assert (await front.receive_response()).status == 200
        for message in application.messages:
            assert set(SAID.splitlines()) <= set(message.fields)
            assert b"s3cret" not in b"".join(message.fields)


async def test_owners_enter_by_the_front_proxys_word_and_by_nobody_elses(short_tmp: Path) -> None:
    async with open_engine(short_tmp, Application(OK), sso=SSO) as engine:
        fields = b"X-My-User: " + OWNER + b"\r\n"
        for _ in range(2):
            front = engine.connect(unix=True)
            await front.send(without_cookie(fields))
            assert (await front.receive_response()).status == 200
            visitor = engine.connect()
            await visitor.send(without_cookie(fields))
            assert (await visitor.receive_response()).status == 403


@pytest.mark.parametrize("is_front", [False, True])
async def test_no_trailer_says_who_a_visitor_is_whoever_sends_it(short_tmp: Path, is_front: bool) -> None:
    application = Application(OK)
    cookie = b"Cookie: _oauth2_proxy=s3cret\r\nX-Checksum: 1\r\n"
    body = b"3\r\nabc\r\n0\r\n" + FORGED + cookie + b"\r\n"
    async with open_engine(short_tmp, application, sso=SSO, stripped_cookies=("_oauth2_proxy*",)) as engine:
        visitor = engine.connect(unix=is_front)
        head = request(fields=b"Transfer-Encoding: chunked\r\n", line=b"POST / HTTP/1.1")
        await visitor.send(head + body)
        assert (await visitor.receive_response()).status == 200
        await visitor.send(head + b"3\r\nabc\r\n0\r\nX-A: b\r\n Remote-User: alice\r\n\r\n")
        assert (await visitor.receive_response()).status == 400
    passed = application.messages[0]
    assert passed.trailers == (b"X-Checksum: 1",)


async def test_what_a_response_and_a_change_of_protocol_bring_sets_no_cookie_of_the_fronts(
    short_tmp: Path,
) -> None:
    setting = b"\r\nSet-Cookie: _oauth2_proxy=mine\r\nset-cookie:\t=_oauth2_proxy_1=mine"
    hints = b"HTTP/1.1 103 Early Hints" + setting + b"\r\n\r\n"
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x" + setting + b"\r\n\r\n"
    application = Application(hints + switch)
    fields = b"Upgrade: x\r\nConnection: upgrade\r\nCookie: a=1; _oauth2_proxy_0=s3cret\r\nRemote_User: eve\r\n"
    async with open_engine(short_tmp, application, stripped_cookies=("_oauth2_proxy*",)) as engine:
        visitor = engine.connect()
        await visitor.send(request(fields=fields))
        answer = await visitor.receive_until(b"101 Switching") + await visitor.receive_until(b"\r\n\r\n")
    assert b"mine" not in answer
    [message] = application.messages
    assert b"s3cret" not in b"".join(message.fields) and message.values(b"cookie") == [b"a=1"]
    assert not message.values(b"remote_user")


async def test_a_front_proxys_cookies_reach_no_application_and_none_sets_them(short_tmp: Path) -> None:
    answer = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: _oauth2_proxy=mine\r\nSet-Cookie: a=1\r\n\r\n", 1)
    application = Application(answer)
    async with open_engine(short_tmp, application, stripped_cookies=("_oauth2_proxy*",)) as engine:
        visitor = engine.connect()
        for _ in range(2):
            await visitor.send(
                request(fields=b"Cookie: a=1; _oauth2_proxy=s3cret; _oauth2_proxy_1=s3cret; b=2\r\n")
            )
            response = await visitor.receive_response()
            assert response.values(b"set-cookie") == [b"a=1"]
        for message in application.messages:
            assert message.values(b"cookie") == [b"a=1; b=2"]
