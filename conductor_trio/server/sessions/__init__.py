"""The control plane: one nursery for each client.

`host` accepts control connections and admits their users, `session` is one of them from the banner to the end,
`channel` its lines and `liveness` whether anybody is there. `directory`, `access_list` and `inotify` look after
its directory, `leftovers` after what stays of that; `records` is what is kept for a route beside it, among it the
`event_log`. `owner_service` executes what owners and the own pages ask, `context` is what all sessions share.

May import `routing`, `accounts` and what lies below. Never here: HTTP, visitors' connections, the other planes.

Begin with `session`.
"""
