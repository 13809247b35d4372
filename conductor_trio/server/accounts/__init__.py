"""Who made us do what: what is counted, and who has to wait or is refused for it.

`fairness` shares the processor between routes, `quotas` bounds the sessions of a user, `throttle` bounds guessing
of tokens, which the guard of a connection in `guessing` asks, `addresses` says which of them count as one visitor,
`traffic` counts what goes through a route, `counters` what ``/_conductor/status`` shows.

May import the sans-IO rooms and `net`. Never here: what is done with what is counted.

Begin with `fairness`.
"""
