"""What the server has seen: measures of requests and sessions, the access log, the audit log.

`observer` is the one object that both planes have; `measures` are plain counters and histograms, which cost next
to nothing; `request_watch` follows the requests of one visitor's connection; `session_watch` hears of every
session by the feed of the route table; `access_log`, `audit_log` and `visits` write to a `sink`, a file or the
journal, if the operator wants that.

May import `server.routing` and `server.accounts`, and what stands below. Never here: a decision, a wait, a secret
(no token, no query), or a look at all sessions.

Begin with `observer`.
"""
