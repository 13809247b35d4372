"""Workers: with `--workers` several processes forward requests, and one, the control process, does all the rest.

What a worker cannot answer goes, whole, to who can: over an internal socket to the control process, which rules on
it as on any request, and answers, or says that the worker may forward it (`handing`, `internal`, `words`). The
control process starts the workers and looks after them (`crew`, `start`), tells them by the feed what they need to
know (`routing.feed`), and hears what they did (`usage`). `process` is a worker from its start to its end.

May import `proxy`, `sessions` and what lies below. Never here: a decision of its own about a request.

Begin with `crew`, then `process`.
"""
