"""Bounds of workers, and of what they and the control process tell each other."""

from __future__ import annotations

from conductor_trio.limits.constants import KIB, MIB

#: The most that there may be: more than any host has cores.
MAX_WORKERS = 256
#: One recv() of what the control process answers to a request that was handed over.
MAX_REPLY_SIZE = 16 * KIB
#: What a worker may add to a head that it hands over: Host.
MAX_ADDED_FIELDS = 1
MAX_ADDED_HEAD = 1 * KIB
#: One line of what a worker tells, in bytes: what was done for a few routes, or who is there at one.
MAX_WORKER_LINE = 1 * MIB
#: One line of what a worker is told: a route, or all of the operator's orders that stand. Those may be a thousand
#: blocks, each with a reason of 500 characters, of which JSON makes up to 12 bytes each.
MAX_FEED_LINE = 16 * MIB
#: Of changes: more than there will ever be.
MAX_FEED_NUMBER = 1 << 62
#: One recv() of such lines.
WORKER_READ_SIZE = 64 * KIB
#: Words to be told that a worker keeps while there is no control process: lines of the audit log, at the highest.
MAX_KEPT_WORDS = 10_000
#: Routes in one line of what a worker has done, and together with these, who was let in by what.
MAX_ROUTES_TOLD = 500

# Leases of limits that hold for all processes together.
#: One in so many of each limit is the processes' from the start, in equal parts; the rest is lent to who asks.
LENT_ON_DEMAND = 2
#: What a process keeps of what was lent to it, as a multiple of what it uses: as much again may come soon.
LEASE_RESERVE = 2
#: Seconds after there was none to be had, for which it is not asked for again, and who comes is refused at once.
LEASE_DENIED_PAUSE = 0.1
#: Keys in one line: with names of the greatest length 200 KiB.
MAX_LEASES_TOLD = 500
#: Of the processor, in one period: who has used less (in seconds) gets in nobody's way, at however many processes.
LEAST_FOLDED_USE = 0.005
