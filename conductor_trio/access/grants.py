"""Who gets in at a route: whoever shows the owner's token, or that of a share of it."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import NewType

import attrs

from conductor_trio.access.tokens import TokenHash, hash_token, is_token_hash
from conductor_trio.strict_json import is_number

#: What a visitor is let in by: `OWNER`, or a share's `id`.
Principal = NewType("Principal", str)
OWNER = Principal("owner")


@attrs.frozen(kw_only=True)
class Share:
    """A further token of a route, with an end. Times are Unix times.

    The link of a one-time share opens one browser, whose cookie then holds a token of its own: until then,
    `token_hash` is None.
    """

    id: str
    label: str
    created: float
    expires: float | None
    link_hash: TokenHash
    token_hash: TokenHash | None
    is_once: bool

    @property
    def principal(self) -> Principal:
        """What those are called whom it lets in."""
        return Principal(self.id)

    def is_over(self, now: float) -> bool:
        """Whether it has come to its end."""
        return self.expires is not None and self.expires <= now


@attrs.frozen(kw_only=True)
class SingleSignOn:
    """How a front proxy says who a visitor is: by a field of that name, in lower case, perhaps with ``@domain``.

    `groups_field` says in which groups they are, of whom those in one of `admin_groups` are operators;
    `other_fields` are what else it says of them, for applications. `is_needed` tells that nothing but this lets
    anybody in.
    """

    user_field: bytes
    other_fields: tuple[bytes, ...] = ()
    domain: str | None = None
    is_needed: bool = False
    groups_field: bytes | None = None
    admin_groups: tuple[str, ...] = ()

    @property
    def fields(self) -> frozenset[bytes]:
        """The names of all of them."""
        groups = () if self.groups_field is None else (self.groups_field,)
        return frozenset([self.user_field, *groups, *self.other_fields])


@attrs.frozen(kw_only=True)
class Identity:
    """Who a visitor is, by the single sign-on, and whether the session that is asked for is theirs."""

    user: str
    is_owner: bool


def describe_saved(share: Share) -> dict[str, object]:
    """Return a share as it is left to another server, in JSON."""
    return attrs.asdict(share)


def parse_saved(value: object) -> Share:
    """Read what `describe_saved` gave; raises ValueError for anything else."""
    match value:
        case {
            "id": str() as id_,
            "label": str() as label,
            "created": created,
            "expires": expires,
            "link_hash": str() as link_hash,
            "token_hash": str() | None as token_hash,
            "is_once": bool() as is_once,
        } if (
            is_token_hash(link_hash)
            and (token_hash is None or is_token_hash(token_hash))
            and is_number(created)
            and (expires is None or is_number(expires))
        ):
            return Share(
                id=id_,
                label=label,
                created=created,
                expires=expires,
                link_hash=link_hash,
                token_hash=token_hash,
                is_once=is_once,
            )
    raise ValueError("no share")


@attrs.frozen(kw_only=True)
class Access:
    """The tokens of a route, as hashes: the owner's, and those of its shares."""

    owner_hash: TokenHash
    shares: tuple[Share, ...] = ()
    _by_token: dict[TokenHash, Share] = attrs.field(init=False, eq=False, repr=False)

    @_by_token.default
    def _index_shares(self) -> dict[TokenHash, Share]:
        return {share.token_hash: share for share in reversed(self.shares) if share.token_hash is not None}

    def find(self, tokens: Iterable[bytes], now: float) -> Principal | None:
        """Return whom the first right one of the tokens shown lets in.

        Digests are compared in constant time, or found by their hash, which is keyed: nothing of a digest shows in
        the time that it takes, and 200 tokens do not take 20,000 comparisons.
        """
        found: Principal | None = None
        for token in tokens:
            digest = hash_token(token)
            if hmac.compare_digest(digest, self.owner_hash):
                found = OWNER
            elif found is None and (share := self._by_token.get(digest)) is not None and not share.is_over(now):
                found = share.principal
        return found

    def find_link(self, token: bytes, now: float) -> Principal | Share | None:
        """Return whom a login link lets in; for a one-time link its share, whether or not it has been used."""
        digest = hash_token(token)
        found: Principal | Share | None = None
        for share in self.shares:
            if hmac.compare_digest(digest, share.link_hash) and not share.is_over(now):
                found = share if share.is_once else share.principal
        return OWNER if hmac.compare_digest(digest, self.owner_hash) else found

    def admits(self, principal: Principal, owner_hash: TokenHash) -> bool:
        """Whether one who was let in by this, when the owner's token was that, would still be."""
        if owner_hash is not self.owner_hash and not hmac.compare_digest(owner_hash, self.owner_hash):
            return False
        return principal == OWNER or any(share.id == principal for share in self.shares)

    def with_share(self, share: Share) -> Access:
        """Return the same with this share, in the place of one of the same id."""
        others = tuple(one for one in self.shares if one.id != share.id)
        return attrs.evolve(self, shares=(*others, share))

    def without(self, ids: Iterable[str]) -> Access:
        """Return the same without these shares."""
        gone = set(ids)
        return attrs.evolve(self, shares=tuple(share for share in self.shares if share.id not in gone))
