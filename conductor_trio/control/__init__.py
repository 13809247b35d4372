"""The control channel, both ends, sans-IO: one JSON object a line over a UNIX socket.

`states` says in tables which message may come when, and `machine` moves through them; `lines` cuts the bytes into
lines, `messages` are the greeting, the registration and its reply, `events` what follows, `owner_commands` what
owners ask in the place of a registration.

May import `access` and what lies below. Never here: sockets, time, sessions, the application.

Begin with the dialogue at the head of `messages`, and its states at the head of `states`.
"""
