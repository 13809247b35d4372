"""The operator's commands: who may give them over ``<runtime>/admin``, and what they do.

`host` serves the socket, `peers` says who may, `messages` are the lines, `service` carries the commands out, with
`description` for what is told of sessions and of users. Whoever else wants to show or do the same, such as a page,
asks `service`. The orders that stand are in `server.orders`; the command line's end is in `server.cli`.

May import `operation`, the planes and what lies below them. Never here: a visitor's request, a way in from the
network.

Begin with the dialogue at the head of `messages`.
"""
