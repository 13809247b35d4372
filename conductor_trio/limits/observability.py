"""Bounds of what the server tells of itself: metrics, the access log, the audit log."""

from __future__ import annotations

from conductor_trio.limits.constants import KIB

#: Times of requests that are told apart: the least is a kept connection's, the greatest a person's patience.
REQUEST_TIME_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
#: The same of sessions that start: an application takes seconds, one that is downloaded first takes minutes.
READY_TIME_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
#: Of a request's path in the access log, in characters.
MAX_LOGGED_PATH = 2048
#: Seconds without a request after which a visit is over: somebody who reads clicks more often.
VISIT_PAUSE = 900.0
#: Seconds without a request after which somebody is not shown as there any more: pages ask again within a minute.
PRESENCE_PAUSE = 60.0
#: Those who are shown as there at one session though nothing is under way for them, at about 300 bytes each.
MAX_PRESENT = 64
#: Those of whom a session's owner is told in one message.
MAX_TOLD_PRESENT = 200
#: Between two looks for such visits, in seconds.
VISITS_INTERVAL = 60.0
#: Visits that are remembered, at about 1 KiB each; more than a gateway has visitors.
MAX_VISITS = 50_000
#: For each session and address, wrong tokens are told at once, and then so often, in seconds, how many there were.
WRONG_TOKENS_INTERVAL = 60.0
MAX_WRONG_TOKEN_ACCOUNTS = 1000  # that are told apart meanwhile
#: Connections to the listener of the metrics at once: a few collectors, and people who look.
MAX_METRICS_CONNECTIONS = 8
METRICS_TIMEOUT = 10.0  # for one of them, from its first byte to the answer's last
MAX_METRICS_HEAD = 8 * KIB
