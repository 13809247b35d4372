"""Admission: whom a request lets in, by a token that it shows, or by what a single sign-on says of its sender."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from conductor_trio.access.decisions import Forward, Respond
from conductor_trio.access.grants import OWNER, Access, Identity, Principal, Share, SingleSignOn
from conductor_trio.access.guard import Guess, TokenGuard, shown_guesses
from conductor_trio.access.origins import Policy, is_own_part, names_own_site
from conductor_trio.access.planted_cookies import is_crowded
from conductor_trio.access.reasons import IdentityNeeded, Refusal, TooManyGuesses
from conductor_trio.http1.request import SAFE_METHODS, RequestHead
from conductor_trio.limits.constants import MAX_GRANTEE


@attrs.frozen(kw_only=True)
class OwnerShown:
    """The conclusion that a block of fields shows the owner's token, as long as `access` is the route's.

    `is_from_here` tells that, by the browser, no other origin's page sent it, whatever the request line says.
    """

    access: Access
    forward: Forward
    is_from_here: bool

    def may_forward(self, head: RequestHead) -> bool:
        """Whether that alone lets the request through to the application; otherwise more has to be asked."""
        return self.forward.drop_authorization or (
            self.is_from_here and head.method in SAFE_METHODS and not head.upgrades
        )


def read_identity(
    head: RequestHead, sso: SingleSignOn, owner: str | None, *, needs_groups: bool = True
) -> Identity | None:
    """Return who a trusted front proxy says the visitor is; None where it names nobody, or not just one.

    A name that is too long to be one names nobody, either: it is kept for as long as they are there.

    `owner` is the name of the user whose session is asked for, if that is known.
    """
    user = sso.user_of(_one_text(head, sso.user_field) or "")
    if not user or len(user) > MAX_GRANTEE:
        return None
    groups = read_groups(head, sso) if needs_groups else frozenset[str]()
    return Identity(user=user, is_owner=owner is not None and user == owner, groups=groups)


def read_groups(head: RequestHead, sso: SingleSignOn) -> frozenset[str]:
    """Return of which groups a trusted front proxy says the visitor is.

    Those that are told in several fields are none: one of them may have come from the visitor.
    """
    listed = None if sso.groups_field is None else _one_text(head, sso.groups_field)
    return frozenset() if listed is None else sso.groups_of(listed)


def _one_text(head: RequestHead, lower: bytes) -> str | None:
    """Return what a front proxy says by that field, None where it says nothing, or more than one thing."""
    try:
        [text] = [field.value.decode("utf-8") for field in head.parsed.identity if field.lower == lower]
    except ValueError:
        return None
    return text


_FORWARD_BY_COOKIE = Forward(drop_authorization=False)
_FORWARD_BY_BEARER = Forward(drop_authorization=True)


def find_principal(
    head: RequestHead, access: Access, policy: Policy, guard: TokenGuard, identity: Identity | None, now: float
) -> tuple[bool, Principal] | Respond:
    """Return whether a bearer token lets the request in, and whom it lets in, or the answer if nobody.

    One whom the owner has named needs no token, and one that is right counts all the same: it may be the owner's.

    A browser shows the same from request to request, so that it was the owner's is concluded once: any change of
    who gets in makes another `Access`, and other principals have an end in time.
    """
    memo = head.parsed.reading.memo
    known = memo.conclusion
    if isinstance(known, OwnerShown) and known.access is access:
        return known.forward.drop_authorization, OWNER
    if identity is not None and identity.is_owner:
        return False, OWNER  # not remembered: who else sends the same fields is not believed
    named = None if identity is None else access.find_named(identity, now)
    if policy.needs_identity:
        return ask_for_identity(identity) if named is None else (False, named)
    if not (guesses := shown_guesses(head.parsed)):
        return ask_for_token(head) if named is None else (False, named)
    screened = guard.screen(head, guesses, access)
    if isinstance(screened, TooManyGuesses):
        return Respond(reason=screened) if named is None or screened.is_unknown else (False, named)
    by_bearer, principal = _compare(screened, head.parsed.bearer, access, now)
    if principal is None:
        if screened:
            guard.note_wrong(head, screened, access)
        if named is not None:
            return False, named
        return Respond(reason=_no_token(head), failed_token=bool(screened))
    guard.note_right(head, access)
    if principal == OWNER:
        memo.conclusion = OwnerShown(
            access=access,
            forward=_FORWARD_BY_BEARER if by_bearer else _FORWARD_BY_COOKIE,
            is_from_here=names_own_site(head.parsed),
        )
    return by_bearer, principal


def _compare(
    guesses: Sequence[Guess], bearer: bytes | None, access: Access, now: float
) -> tuple[bool, Principal | None]:
    """Return whether the bearer token is right, and whom what was shown lets in, if anybody."""
    if (
        bearer is not None
        and Guess((bearer,)) in guesses
        and (principal := access.find([bearer], now)) is not None
    ):
        return True, principal
    return False, access.find((token for guess in guesses for token in guess.tokens), now)


def ask_for_token(head: RequestHead) -> Respond:
    """Return the answer to a request that shows no token, or a wrong one."""
    if is_own_part(head) and not (head.parsed.tokens or head.parsed.bearer):
        return Respond(reason=Refusal.NO_CREDENTIALS)
    return Respond(reason=_no_token(head))


def _no_token(head: RequestHead) -> Refusal:
    return Refusal.CROWDED_OUT if is_crowded(head) else Refusal.NO_TOKEN


def ask_for_identity(identity: Identity | None) -> Respond:
    """Return the answer where tokens count for nothing, and the session is not that visitor's."""
    return Respond(reason=IdentityNeeded(user=None if identity is None else identity.user))


def find_link(
    head: RequestHead, token: bytes, access: Access, guard: TokenGuard, refusal: Refusal, now: float
) -> Principal | Share | Respond:
    """Return whom a link's token lets in, or its share where that is for one browser, or the answer if nobody."""
    screened = guard.screen(head, [Guess((token,), in_link=True)], access)
    if isinstance(screened, TooManyGuesses):
        return Respond(reason=screened)
    found = access.find_link(token, now) if screened else None
    if found is not None:
        guard.note_right(head, access)
        return found
    if screened:
        guard.note_wrong(head, screened, access)
    return Respond(reason=refusal, failed_token=bool(screened))
