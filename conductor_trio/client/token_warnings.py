"""What is warned of where the token can get about: one that can be guessed, an output that others read."""

from __future__ import annotations

import logging
import os
import stat

from conductor_trio.access.token_strength import estimate_bits
from conductor_trio.client.config.settings import ClientSettings
from conductor_trio.client.output.reporter import Reporter, WarningReporter
from conductor_trio.limits.constants import MIN_TOKEN_BITS

_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH

_GUESSABLE = (
    "the token (CONDUCTOR_TOKEN, --token-file) can be guessed, and whoever does can do whatever you can; leave it "
    "out for one made at random, or choose a longer one"
)

_log = logging.getLogger(__name__)


def warn_of_readers(stdout: int) -> None:
    """Warn where others may read the file that our output, and with it the token, goes to."""
    found = os.fstat(stdout)
    if stat.S_ISREG(found.st_mode) and found.st_mode & _OTHERS_READ:
        _log.warning("others may read the file that standard output goes to, and with it the token: chmod 600")


def warn_of_token(settings: ClientSettings, output: Reporter) -> Reporter:
    """Return where the session reports to, which warns of a token that can be guessed.

    In the contract's form, where a program has chosen it and reads the events, the log does.
    """
    if estimate_bits(settings.token) >= MIN_TOKEN_BITS:
        return output
    if settings.registers_early:
        return WarningReporter(output, _GUESSABLE)
    _log.warning("%s", _GUESSABLE)
    return output
