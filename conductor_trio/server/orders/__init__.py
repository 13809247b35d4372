"""The operator's orders that stand, sans-IO: who is blocked, whether new sessions are taken, what is announced.

`orders` holds all of them and tells of their changes, `blocks` are those of users and networks, `ends` those of
single sessions that are not done with, `saved` is how they are left to the next server, `networks` tells in which
of some networks an address is. Whoever acts on them asks here: the control plane before it takes a session, the
data plane before it serves a visitor, the own pages for what is announced.

May import `control`, `access`, `errors` and `limits`. Never here: a clock, sockets, Trio, a session, a request.

Begin with `orders`.
"""
