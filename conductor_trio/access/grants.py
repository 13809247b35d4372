"""Who gets in at a route: whoever shows the owner's token or that of a share of it, or is named by a share."""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterable, Mapping
from typing import NewType

import attrs

from conductor_trio.access.tokens import TokenHash, hash_token, is_token_hash
from conductor_trio.strict_json import is_number

#: What a visitor is let in by: `OWNER`, or a share's `id`.
Principal = NewType("Principal", str)
OWNER = Principal("owner")
#: What stands before a group's name where users may stand, too.
GROUP_MARK = "@"


@attrs.frozen(kw_only=True)
class Share:
    """A further token of a route, or somebody who needs none, with an end. Times are Unix times.

    The link of a one-time share opens one browser, whose cookie then holds a token of its own: until then,
    `token_hash` is None. A share with a `grantee` has no link and no token: it lets in the user of that name, or
    with `GROUP_MARK` before it the members of that group, as the single sign-on calls them.
    """

    id: str
    label: str
    created: float
    expires: float | None
    link_hash: TokenHash | None
    token_hash: TokenHash | None
    is_once: bool
    grantee: str | None = None

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

    `groups_field` is by which it says of which groups they are, one behind the other; those of one of
    `admin_groups` are operators. `other_fields` are what else it says of them, for applications. `is_needed` tells
    that nothing but this lets anybody in.
    """

    user_field: bytes
    groups_field: bytes | None = None
    groups_separator: str = ","
    other_fields: tuple[bytes, ...] = ()
    domain: str | None = None
    is_needed: bool = False
    admin_groups: tuple[str, ...] = ()

    @property
    def fields(self) -> frozenset[bytes]:
        """The names of all of them."""
        groups = () if self.groups_field is None else (self.groups_field,)
        return frozenset([self.user_field, *groups, *self.other_fields])

    def user_of(self, name: str) -> str:
        """Return the user who is called that by the front proxy, or by people: without the domain."""
        return name.removesuffix(f"@{self.domain}") if self.domain else name

    def groups_of(self, listed: str) -> frozenset[str]:
        """Return the groups that a front proxy lists."""
        parts = (part.strip(" \t") for part in listed.split(self.groups_separator))
        return frozenset(part for part in parts if part)


@attrs.frozen(kw_only=True)
class Identity:
    """Who a visitor is, by the single sign-on, and whether the session that is asked for is theirs.

    `groups` may be left out where no group counts.
    """

    user: str
    is_owner: bool
    groups: frozenset[str] = frozenset()


def describe_saved(share: Share) -> dict[str, object]:
    """Return a share as it is left to another server, in JSON."""
    told = attrs.asdict(share)
    unused = ("grantee",) if share.grantee is None else ("link_hash", "token_hash", "is_once")
    return {name: value for name, value in told.items() if name not in unused}


def parse_saved_grantee(value: object) -> Share:
    """Read what `describe_saved` gave for somebody who is named; raises ValueError for anything else."""
    match value:
        case {
            "id": str() as id_,
            "label": str() as label,
            "created": created,
            "expires": expires,
            "grantee": str() as grantee,
        } if grantee and is_number(created) and (expires is None or is_number(expires)):
            return Share(
                id=id_,
                label=label,
                created=created,
                expires=expires,
                link_hash=None,
                token_hash=None,
                is_once=False,
                grantee=grantee,
            )
    raise ValueError("no share with anybody")


def parse_saved(value: object) -> Share:
    """Read what `describe_saved` gave for a link; raises ValueError for anything else."""
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
    """The tokens of a route, as hashes: the owner's, and those of its shares; and who is let in by name."""

    owner_hash: TokenHash
    shares: tuple[Share, ...] = ()
    _by_token: dict[TokenHash, Share] = attrs.field(init=False, eq=False, repr=False)
    _by_user: Mapping[str, Share] = attrs.field(init=False, eq=False, repr=False)
    _by_group: Mapping[str, Share] = attrs.field(init=False, eq=False, repr=False)

    @_by_token.default
    def _index_shares(self) -> dict[TokenHash, Share]:
        return {share.token_hash: share for share in reversed(self.shares) if share.token_hash is not None}

    @_by_user.default
    def _index_users(self) -> Mapping[str, Share]:
        named = _longest_by_grantee(self.shares)
        return {name: share for name, share in named.items() if not name.startswith(GROUP_MARK)}

    @_by_group.default
    def _index_groups(self) -> Mapping[str, Share]:
        named = _longest_by_grantee(self.shares)
        return {name[len(GROUP_MARK) :]: one for name, one in named.items() if name.startswith(GROUP_MARK)}

    @property
    def names_groups(self) -> bool:
        """Whether it matters of which groups a visitor is."""
        return bool(self._by_group)

    def find_named(self, identity: Identity, now: float) -> Principal | None:
        """Return by which share one of that identity is let in; names are compared exactly."""
        own = self._by_user.get(identity.user)
        if own is not None and not own.is_over(now):
            return own.principal
        shares = (share for group, share in self._by_group.items() if group in identity.groups)
        return next((share.principal for share in shares if not share.is_over(now)), None)

    def find_share(self, principal: Principal) -> Share | None:
        """Return the share by which somebody was let in, None where it was the owner's token, or is gone."""
        if principal == OWNER:
            return None
        return next((share for share in self.shares if share.id == principal), None)

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
            if share.link_hash is None:
                continue
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


def _longest_by_grantee(shares: Iterable[Share]) -> dict[str, Share]:
    """Return of the shares with each who is named the one that lasts longest."""
    lasting = sorted(shares, key=lambda share: math.inf if share.expires is None else share.expires)
    return {share.grantee: share for share in lasting if share.grantee is not None}
