"""The data plane: one task for each connection of a visitor.

`visitor` has a connection from accept() to its last byte, `connection` its requests, one after the other;
`exchange` forwards one of them, `response` brings the answer back, `tunnel` carries what a connection becomes
after an upgrade. `upstream` keeps connections to relay sockets, `disconnect` sees that a visitor has gone,
`parking` has requests wait for a session whose link was lost.

May import `routing`, `accounts` and what lies below. Never here: the control channel, user names, files.

Begin with `connection`.
"""
