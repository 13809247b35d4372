"""Who made us do what: what is counted, and who has to wait or is refused for it.

`ledger` has the accounts: of users, their sessions and control channels, and of visitors that no session let in.
An `account` has those wait that are over their share of the processor. `fairness` charges each step of each task
to one of them; a `turnstile` has few tasks go on in a turn, first those of who has used least; `loop_delay` sees
for how long all wait; `gradual` does for a few at a time what is done for many.
`quotas` bounds the sessions of a user, `throttle` bounds guessing of tokens, which the guard of a connection in
`guessing` asks, `addresses` says which of them count as one visitor, `traffic` counts what goes through a route,
`counters` what ``/_conductor/status`` shows, `presence` who is there at a session. `places` counts connections by
address, and `holdings` the bytes that they have us keep in memory by user or address.

May import the sans-IO rooms and `net`. Never here: what is done with what is counted.

Begin with `ledger`.
"""
