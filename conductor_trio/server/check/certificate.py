"""What the server's own certificate says."""

from __future__ import annotations

import contextlib
import ssl

from conductor_trio.server.settings import TlsSettings


def read_expiry(tls: TlsSettings, host: str) -> float:
    """Return when (Unix time) the certificate ends, shaking hands with ourselves; raises `ssl.SSLError`.

    We trust it here, whoever has signed it.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tls.cert_file, tls.key_file)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(tls.cert_file)
    client.check_hostname = not host.endswith(".localhost")  # of which no certificate authority knows anything
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    ours = client.wrap_bio(to_client, to_server, server_hostname=host)
    for shake_hands in (ours.do_handshake, theirs.do_handshake, ours.do_handshake):
        with contextlib.suppress(ssl.SSLWantReadError):
            shake_hands()
    certificate = ours.getpeercert()
    return ssl.cert_time_to_seconds(str((certificate or {})["notAfter"]))
