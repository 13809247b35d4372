"""Reloads, and what a running server tells of itself.

`reload` has successors started, one at a time, and knows what came of them; `successor` starts one, `succession`
is what both ends tell each other of it besides the hand-over. `announcement` is what the log and the service
manager hear when a server begins to serve, `descriptors` how many connections there can be. Where the operator
wishes for a reload is in `server.admin`.

May import `lifecycle` and what lies below it. Never here: a single request, a single client.

Begin with `reload`.
"""
