"""The user's program: started, watched, ended.

`launch` is what to start, `application` owns the process group and its output, `readiness` sees when it listens,
`idle` ends it when nobody uses it.

May import `isolation`, `host`, `config`, `output` and what lies below. Never here: the gateway.

Begin with `application`.
"""
