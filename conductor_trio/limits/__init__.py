"""Every timeout, pause, size and count in one place, each with its reason.

What an operator, a user or a test may want otherwise is a field of `ServerLimits` (`server`) or `ClientLimits`
(`client`), or of `LingerLimits` (`linger`), which both have; facts of the kernel or a protocol, and what nobody
tunes, are `constants`. `*_timeout`, `*_interval` and `*_pause` are seconds; `max_*` are bytes or counts, as their
comment says. None stands elsewhere: tests/repo/test_limits.py.

May import nothing of this project. Never here: what follows from a limit.

Begin with `server`.
"""
