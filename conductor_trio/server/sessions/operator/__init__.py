"""What an operator has clients hear: notices to all of them, and the end of a session.

`notices` tells each client what is announced, and that no new sessions are taken, as soon as it listens and
whenever that changes. `ends` has clients told that their session is to end, ends it for those that do not do so
in time, and refuses for a while those that cannot be told. The orders themselves are in `server.orders`, and who
gives them in `server.admin`.

May import what `server.sessions` may. Never here: who the operator is, and a visitor.

Begin with `ends`.
"""
