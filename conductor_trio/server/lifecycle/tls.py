"""The TLS context of the public listener, from the operator's files."""

from __future__ import annotations

import ssl

from conductor_trio.errors import ConfigError
from conductor_trio.server.settings import TlsSettings


def make_tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context of the public listener; raises `ConfigError` naming the file that is wrong."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for path in (settings.cert_file, settings.key_file, settings.allowed_clients):
        if path is not None:
            try:
                with open(path, "rb"):
                    pass
            except OSError as error:
                raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    try:
        # Never ask for a pass phrase on a terminal; there is none at boot.
        context.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"{settings.cert_file} and {settings.key_file} are no certificate and its unencrypted key: {error}"
        ) from error
    if settings.allowed_clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(cafile=settings.allowed_clients)
        except ssl.SSLError as error:
            raise ConfigError(f"{settings.allowed_clients} holds no certificate: {error}") from error
    return context
