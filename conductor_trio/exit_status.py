"""The exit statuses of both programs; those above 124 are what env(1), timeout(1) and shells use."""

from __future__ import annotations

OK = 0
FAILED = 1
WRONG_USAGE = 2
SOCKET_IN_USE = 2  # the client's contract

RUNNER_FAILED = 125  # what was to start the program failed itself
NOT_EXECUTABLE = 126
NOT_FOUND = 127
SIGNAL = 128  # and the signal's number
INTERRUPTED = 130  # SIGINT
