"""The data plane: one task for each connection of a visitor.

`visitor` has a connection from accept() to its last byte, `connection` its requests, one after the other;
`dispatch` carries out what `routing.ruling` rules on each, the package `exchange` forwards one and brings the
response back. `answering` writes answers of our own, `ports` is how the server's own pages are reached.

`route_runtime` is what is kept for a route beside it, `upstream` its connections to the relay socket, `parking`
has requests wait for a session whose link was lost, `disconnect` sees that a visitor has gone, `cancellation` says
why a connection ends, `context` is what all of them share.

May import `routing`, `accounts` and what lies below. Never here: the control channel, user names, files.

Begin with `connection`.
"""
