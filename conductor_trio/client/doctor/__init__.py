"""``conductor-trio doctor``: every hop to a gateway and back, and what to do at the first that fails.

`examination` runs the checks in the order of the hops, `probes` are the single steps of these, `findings` the
checks and how they fail, for people and for programs.

May import `session`, `transport` and what lies below. Never here: anything that changes the host.

Begin with `examination`.
"""
