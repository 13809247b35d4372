"""The TLS of the public listener, from the operator's files: its context, and when its certificate ends."""

from __future__ import annotations

import contextlib
import ssl

from conductor_trio.errors import ConfigError
from conductor_trio.server.settings import TlsSettings

#: X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which `ssl` has no name for.
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)


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


def read_expiry(tls: TlsSettings, host: str | None) -> float:
    """Return when (Unix time) the certificate ends, shaking hands with ourselves; raises `ssl.SSLError`.

    We trust it here, whoever has signed it. It has to be `host`'s and not to have ended, where one is given.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tls.cert_file, tls.key_file)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(tls.cert_file)
    client.check_hostname = host is not None and not host.endswith(
        ".localhost"
    )  # of which no certificate authority knows anything
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if host is None:
        client.verify_flags |= _NO_CHECK_TIME
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    ours = client.wrap_bio(to_client, to_server, server_hostname=host)
    for shake_hands in (ours.do_handshake, theirs.do_handshake, ours.do_handshake):
        with contextlib.suppress(ssl.SSLWantReadError):
            shake_hands()
    certificate = ours.getpeercert()
    return ssl.cert_time_to_seconds(str((certificate or {})["notAfter"]))
