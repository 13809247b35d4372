"""The operator's side: what a running server is asked and told, and what it tells of itself.

`admin` answers at the operator's socket, `reload` has successors started, one at a time, and knows what came of
them; `successor` starts one, `succession` is what both ends tell each other of it besides the hand-over.
`announcement` is what the log and the service manager hear when a server begins to serve. The commands themselves
are in `server.cli`.

May import `lifecycle` and what lies below it. Never here: a single request, a single client.

Begin with `reload`.
"""
