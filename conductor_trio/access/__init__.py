"""Who gets in, sans-IO: tokens, shares, host names, and what becomes of a request.

A route has tokens, the owner's and those of its shares, known by their hashes only (`tokens`, `grants`). A host
name leads to a route (`hostnames`), a login link lets a browser in (`login_link`), and `decide` says who gets in
with a request, or for which of the `reasons` it is answered by us.
What neighbours and an application's own scripts do to that is kept in check by `origins`, `planted_cookies` and
`service_worker`.

May import `http1` and what lies below. Never here: words for people (`pages`), sockets, time (the time is an
argument), logging, randomness.

Begin with `decide`.
"""
