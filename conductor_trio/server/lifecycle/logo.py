"""The house's logo, from the operator's file."""

from __future__ import annotations

import os
import stat

import attrs

from conductor_trio.errors import ConfigError
from conductor_trio.limits.constants import MAX_LOGO
from conductor_trio.pages.house import House, read_logo
from conductor_trio.server.settings import ServerSettings


def load_house(settings: ServerSettings) -> House:
    """Return the house with its logo, if it has one; raises `ConfigError` naming the file that is wrong."""
    path = settings.logo_file
    if path is None:
        return settings.site
    try:
        # Whatever it is, nothing of it is waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConfigError(f"{path} is no file; site.logo is that of a picture")
            data = os.read(descriptor, MAX_LOGO + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    try:
        return attrs.evolve(settings.site, logo=read_logo(data))
    except ValueError as error:
        raise ConfigError(f"{path} cannot be the logo: {error}") from error
