"""Metrics for Prometheus: what the server has counted, as text, on a listener of its own.

`figures` reads the numbers of this moment from both planes, `families` makes metric families of them and of the
measures that the planes have kept, with prometheus-client, and `endpoint` serves them to whoever asks: ``GET
/metrics`` and nothing else. How long that takes does not depend on the number of sessions, and other tasks have
their turn between two families.

May import every plane; `families` is imported only where metrics are asked for. Never here: a label whose values
users could invent.

Begin with `endpoint`.
"""
