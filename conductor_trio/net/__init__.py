"""Trio primitives that know no route, session or application.

Byte streams over sockets (`stream`, `unix`, `tls`), listeners and who connects to them (`listeners`,
`peer_credentials`, `socket_activation`), bytes on their way between two streams (`relay`, `shared_buffer`,
`splice_pipe`), child processes (`process`), and what the kernel tells of this host (`procfs`). Foreign exceptions
are translated here, once.

May import `conductor_trio.errors` and `conductor_trio.limits`. Never here: HTTP, the control channel, users,
tokens.

Begin with `stream`: what a stream promises.
"""
