"""The control plane: one nursery for each client.

`host` accepts control connections and owns a session from the banner to the end, `channel` is the lines of one and
`liveness` whether anybody is there, `directory` and `inotify` look after its directory, `owner_service` carries
out what owners ask, `event_log` keeps what happened.

May import `routing`, `accounts` and what lies below. Never here: HTTP, visitors, the other planes.

Begin with `host`.
"""
