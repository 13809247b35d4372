"""``conductor-trio doctor``: every hop to a gateway and back, and what to do at the first that fails.

`examination` walks the hops, `probes` are the looks at each, `findings` what is told.

May import `session`, `transport` and what lies below. Never here: anything that changes the host.

Begin with `examination`.
"""
