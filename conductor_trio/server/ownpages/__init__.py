"""The server's own pages that do more than to say something.

`login` is the form for a token and the one-time link, `session_socket` what the session's page shows live and what
its owner does there, `session_updates` what is told of a session, made once for all pages of it, `pages` all of
them as the data plane reaches them (`proxy.ports.OwnPages`, without importing it).

May import `routing`, `accounts` and what lies below. Never here: the application's bytes.

Begin with `login`.
"""
