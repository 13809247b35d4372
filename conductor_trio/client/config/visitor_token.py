"""The visitors' token: from a file, from the environment, or made at random."""

from __future__ import annotations

import os
import stat

from conductor_trio.errors import ConfigError
from conductor_trio.limits.constants import MAX_TOKEN_FILE

TOKEN_VARIABLE = "CONDUCTOR_TOKEN"  # noqa: S105

_TOKEN_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"  # noqa: S105
_OPEN_TO_OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH
_TOKEN_LENGTH = 32  # 165 bits; fits a cookie and a URL without quoting


def take_token(path: str | None) -> str:
    """Return the token of the file, or of the environment, which has none any more; or else one made at random."""
    token = os.environ.pop(TOKEN_VARIABLE, "")
    if path is not None:
        return _read_token(path)
    try:
        token.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"${TOKEN_VARIABLE} is not UTF-8") from None
    return token or make_token()


def _read_token(path: str) -> str:
    """Return the one line of a file that nobody else may read."""
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            line, _, rest = file.read(MAX_TOKEN_FILE + 1).partition(b"\n")
    except OSError as error:
        raise ConfigError(f"cannot read --token-file {path}: {error.strerror}") from error
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"--token-file {path} is another user's, who knows the token", advice="make one of yours"
        )
    if found.st_mode & _OPEN_TO_OTHERS and stat.S_ISREG(found.st_mode):
        raise ConfigError(
            f"others may read or write the token in --token-file {path}",
            advice=f"take that from them: chmod 600 {path}",
        )
    try:
        token = line.removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise ConfigError(f"--token-file {path} is not UTF-8") from None
    if not token or len(line) > MAX_TOKEN_FILE or rest.strip():
        raise ConfigError(f"--token-file {path} has to hold the token, as its one line")
    return token


def make_token() -> str:
    """Return a token that cannot be guessed."""
    import secrets  # 5 ms that most who script the client do not need

    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(_TOKEN_LENGTH))
