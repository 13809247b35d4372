"""Who is let in: by what a single sign-on says of them, and by tokens where that is not all that counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor_trio.access.admission import read_groups, read_identity
from conductor_trio.access.decide import decide
from conductor_trio.access.decisions import Decision, Forward, Respond, SessionPage, StatusPage
from conductor_trio.access.grants import Access, Identity, Principal, SingleSignOn
from conductor_trio.access.origins import Policy
from conductor_trio.access.reasons import IdentityNeeded, Redirect, Refusal
from conductor_trio.access.tokens import hash_token
from conductor_trio.http1.fields import FieldRules
from conductor_trio.http1.request import RequestHead, match_request_line, read_request_head
from conductor_trio.http1.request_parser import RequestParser
from tests.support.guards import OpenGuard
from tests.support.shares import make_named

SSO = SingleSignOn(user_field=b"x-forwarded-user", domain="uni.example")
ALONE = SingleSignOn(user_field=b"x-forwarded-user", is_needed=True)
ACCESS = Access(owner_hash=hash_token(b"t0ken"))
ALICE = Identity(user="alice", is_owner=True)
BOB = Identity(user="bob", is_owner=False)
COOKIE = b"Cookie: authorization=t0ken\r\n"


def read(fields: bytes, line: bytes = b"GET / HTTP/1.1", rules: FieldRules | None = None) -> RequestHead:
    head = line + b"\r\nHost: x.test\r\n" + fields + b"\r\n"
    block = head[match_request_line(head).end() :]
    return read_request_head(
        head, block, RequestParser(len(head)), max_fields=100, rules=rules or FieldRules(identity=SSO.fields)
    )


@pytest.mark.parametrize(
    ("fields", "identity"),
    [
        (b"X-Forwarded-User: alice\r\n", ALICE),
        (b"x-forwarded-user:  alice@uni.example \r\n", ALICE),
        (b"X-Forwarded-User: alice@other.example\r\n", Identity(user="alice@other.example", is_owner=False)),
        (b"X-Forwarded-User: Alice\r\n", Identity(user="Alice", is_owner=False)),
        (b"X-Forwarded-User: bob\r\n", BOB),
        (b"X-Forwarded-User: bob\r\nX-Forwarded-User: alice\r\n", None),
        (b"X-Forwarded-User: \r\n", None),
        (b"X-Forwarded-User: @uni.example\r\n", None),
        (b"X-Forwarded-User: \xff\r\n", None),
        (b"X-Forwarded-User: " + 200 * b"b" + b"\r\n", Identity(user=200 * "b", is_owner=False)),
        (b"X-Forwarded-User: " + 201 * b"b" + b"\r\n", None),
        (b"X-Forwarded-User: " + 60_000 * b"b" + b"\r\n", None),
        (b"X_Forwarded_User: alice\r\n", None),
        (b"Remote-User: alice\r\n", None),
        (b"", None),
    ],
)
def test_one_name_is_read_and_no_other(fields: bytes, identity: Identity | None) -> None:
    assert read_identity(read(fields), SSO, "alice") == identity


GROUPS = SingleSignOn(user_field=b"x-forwarded-user", groups_field=b"x-forwarded-groups")


@pytest.mark.parametrize(
    ("fields", "groups"),
    [
        (b"X-Forwarded-Groups: staff, dev\r\n", {"staff", "dev"}),
        (b"x-forwarded-groups: gr\xc3\xbcn\r\n", {"gr\u00fcn"}),
        (b"X-Forwarded-Groups: \r\n", set()),
        (b"", set()),
        (b"X-Forwarded-Groups: staff\r\nX-Forwarded-Groups: dev\r\n", set()),
        (b"X-Forwarded-Groups: staff,\xff\r\n", set()),
        (b"X_Forwarded_Groups: staff\r\n", set()),
        (b"Remote-Groups: staff\r\n", set()),
        (b"X-Forwarded-Groups: " + b"g," * 4000 + b"staff\r\n", {"g", "staff"}),
    ],
)
def test_groups_are_read_from_one_field_alone(fields: bytes, groups: set[str]) -> None:
    head = read(b"X-Forwarded-User: bob\r\n" + fields, rules=FieldRules(identity=GROUPS.fields))
    identity = read_identity(head, GROUPS, "alice")
    assert identity is not None and identity.groups == groups
    assert read_identity(head, GROUPS, "alice", needs_groups=False) == BOB


@given(st.binary(max_size=40).filter(lambda value: not set(value) & set(b"\r\n")))
def test_whatever_the_name_is_it_is_read_or_not(value: bytes) -> None:
    head = read(b"X-Forwarded-User: " + bytes(byte for byte in value if byte >= 32 and byte != 127) + b"\r\n")
    identity = read_identity(head, SSO, "alice")
    assert identity is None or identity.user


def test_nobody_owns_a_session_of_whom_that_is_not_known() -> None:
    assert read_identity(read(b"X-Forwarded-User: alice\r\n"), SSO, None) == Identity(user="alice", is_owner=False)


def decided(
    sso: SingleSignOn, identity: Identity | None, fields: bytes = b"", line: bytes = b"GET / HTTP/1.1"
) -> Decision:
    policy = Policy(sso=sso)
    return decide(read(fields, line), ACCESS, policy, OpenGuard(), identity=identity, https=False, now=1.0)


def test_owners_enter_without_a_token_and_others_as_before() -> None:
    assert decided(SSO, ALICE) == Forward(drop_authorization=False)
    assert decided(SSO, ALICE, b"Cookie: authorization=old\r\n") == Forward(drop_authorization=False)
    assert decided(SSO, BOB) == Respond(reason=Refusal.NO_TOKEN)
    assert decided(SSO, BOB, COOKIE) == Forward(drop_authorization=False)
    assert decided(SSO, None, COOKIE) == Forward(drop_authorization=False)
    assert isinstance(decided(SSO, ALICE, line=b"GET /_conductor/ HTTP/1.1"), SessionPage)


@pytest.mark.parametrize(
    "fields",
    [
        b"Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\n",
        b"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
        b"Upgrade: x\r\nConnection: upgrade\r\nOrigin: http://neighbour.test\r\n",
    ],
)
def test_a_neighbours_page_gains_nothing_by_who_its_reader_is(fields: bytes) -> None:
    assert decided(SSO, ALICE, fields) == Respond(reason=Refusal.CROSS_SITE)


@pytest.mark.parametrize("identity", [None, BOB])
@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"GET / HTTP/1.1", b""),
        (b"GET / HTTP/1.1", COOKIE),
        (b"GET / HTTP/1.1", b"Authorization: Bearer t0ken\r\n"),
        (b"GET /_conductor/ HTTP/1.1", COOKIE),
        (b"GET /_conductor/auth/t0ken HTTP/1.1", b""),
        (b"GET /_conductor/login HTTP/1.1", b""),
        (b"POST /_conductor/login HTTP/1.1", b"Content-Length: 0\r\n"),
    ],
)
def test_where_it_is_all_that_counts_no_token_opens_anything(
    identity: Identity | None, line: bytes, fields: bytes
) -> None:
    user = None if identity is None else identity.user
    assert decided(ALONE, identity, fields, line) == Respond(reason=IdentityNeeded(user=user))


def test_there_owners_enter_and_their_links_lead_on() -> None:
    assert decided(ALONE, ALICE) == Forward(drop_authorization=False)
    linked = decided(ALONE, ALICE, line=b"GET /_conductor/auth/t0ken HTTP/1.1")
    assert linked == Respond(reason=Redirect(where="/", set_cookies=()))
    assert isinstance(decided(ALONE, None, line=b"GET /_conductor/status HTTP/1.1"), StatusPage)


NAMED = ACCESS.with_share(make_named("bob")).with_share(make_named("@staff", id="n2"))
STAFF = Identity(user="carol", is_owner=False, groups=frozenset(["staff"]))


def decided_named(
    sso: SingleSignOn, identity: Identity | None, fields: bytes = b"", line: bytes = b"GET / HTTP/1.1"
) -> Decision:
    policy = Policy(sso=sso)
    return decide(read(fields, line), NAMED, policy, OpenGuard(), identity=identity, https=False, now=1.0)


@pytest.mark.parametrize("sso", [SSO, ALONE])
def test_who_is_named_enters_without_a_token(sso: SingleSignOn) -> None:
    assert decided_named(sso, BOB) == Forward(principal=Principal("n1"), drop_authorization=False)
    assert decided_named(sso, STAFF) == Forward(principal=Principal("n2"), drop_authorization=False)
    wrong = b"Cookie: authorization=old\r\n"
    assert decided_named(sso, BOB, wrong) == Forward(principal=Principal("n1"), drop_authorization=False)
    page = decided_named(sso, BOB, line=b"GET /_conductor/ HTTP/1.1")
    assert page == SessionPage(principal=Principal("n1"), may_command=False)
    stranger = Identity(user="eve", is_owner=False)
    assert isinstance(decided_named(sso, stranger), Respond) and isinstance(decided_named(sso, None), Respond)


def test_who_is_named_and_shows_the_owners_token_is_let_in_as_the_owner_is() -> None:
    assert decided_named(SSO, BOB, COOKIE) == Forward(drop_authorization=False)
    assert decided_named(ALONE, BOB, COOKIE) == Forward(principal=Principal("n1"), drop_authorization=False)


def test_where_names_are_all_that_counts_a_link_leads_those_on_who_are_named() -> None:
    linked = decided_named(ALONE, STAFF, line=b"GET /_conductor/auth/t0ken?next=/lab HTTP/1.1")
    assert linked == Respond(reason=Redirect(where="/lab", set_cookies=()))


def test_a_neighbours_page_gains_nothing_by_who_is_named() -> None:
    fields = b"Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\n"
    assert decided_named(SSO, BOB, fields) == Respond(reason=Refusal.CROSS_SITE)


def test_who_the_owner_was_is_not_remembered_for_others_who_send_the_same() -> None:
    head = read(b"X-Forwarded-User: alice\r\n")
    policy = Policy(sso=SSO)
    assert isinstance(decide(head, ACCESS, policy, OpenGuard(), identity=ALICE, https=False, now=1.0), Forward)
    assert isinstance(decide(head, ACCESS, policy, OpenGuard(), identity=None, https=False, now=1.0), Respond)


@pytest.mark.parametrize(
    ("fields", "groups"),
    [
        (b"X-Groups: staff, hpc admins ,,\r\n", {"staff", "hpc admins"}),
        (b"X-Groups: a\r\nX-Groups: b\r\n", set()),  # one of them is not the proxy's
        (b"X-Groups: \xff\r\n", set()),
        (b"X-Groups: \r\n", set()),
        (b"X_Groups: a\r\n", set()),
        (b"", set()),
    ],
)
def test_groups_are_read_from_one_field(fields: bytes, groups: set[str]) -> None:
    sso = SingleSignOn(user_field=b"x-user", groups_field=b"x-groups")
    assert read_groups(read(fields, rules=FieldRules(identity=sso.fields)), sso) == groups
