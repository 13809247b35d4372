"""Clear-Site-Data of a response, without what reaches beyond its own origin (Clear Site Data section 3.1).

Cookies are cleared for the whole registrable domain, in which neighbours live, and the institution's other sites.
"""

from __future__ import annotations

#: What a browser clears for the response's own origin alone.
_OF_ORIGIN = (
    b'"cache"',
    b'"clientHints"',
    b'"executionContexts"',
    b'"prefetchCache"',
    b'"prerenderCache"',
    b'"storage"',
)


def keep_own_site_data(value: bytes) -> bytes:
    """Return a Clear-Site-Data field's value without what is not the origin's own, b"" where nothing is left.

    What we do not know may reach as far as cookies do, and goes; ``"*"`` becomes all that may stay.
    """
    named = [part.strip(b" \t") for part in value.split(b",")]
    return b", ".join(_OF_ORIGIN if b'"*"' in named else [name for name in named if name in _OF_ORIGIN])
