"""The route table, shared by the planes, sans-IO: what is known of a host name, and in which state it is.

`routes` are frozen values, `states` the states of a session and what turns one into another, as one table, and
`table` finds routes and changes them; every change is published (`feed`). `ruling` decides what becomes of a
request, and `hostnaming` which names a key gets. `snapshot` is the one format in which routes are left to another
server, `ports` the calls by which the planes reach each other.

May import the sans-IO rooms (`access`, `control`, `http1`). Never here: sockets, Trio, a clock of its own, files,
randomness, logging; what a plane keeps for a route stands with that plane.

Begin with `states`, then `table`.
"""
