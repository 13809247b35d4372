"""The control channel, both ends, sans-IO: one JSON object a line over a UNIX socket.

`lines` cuts the bytes into lines, `messages` is the banner, the registration, its reply and the events that
follow, `owner_commands` what owners ask in the place of a registration.

May import `access` and what lies below. Never here: sockets, time, sessions, the application.

Begin with the dialogue at the head of `messages`.
"""
