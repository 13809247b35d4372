"""Throw-away certificates for real TLS, made by OpenSSL's own program, which any interpreter can start.

::

    authority = CertificateAuthority()
    authority.issue("*.apps.test").configure(server_context)
    authority.configure_trust(client_context)
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import subprocess
import tempfile
from pathlib import Path

import attrs

from tests.support.needs import require_program

_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
_PATIENCE = 20.0
_LIFE = datetime.timedelta(days=365)
# With all that RFC 5280 asks for: from 3.13 on, Python takes nothing less.
_CONFIGURATION = """
[req]
distinguished_name = name
x509_extensions = own
[name]
[own]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[ca]
default_ca = authority
[authority]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
x509_extensions = issued
[issued]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[any]
organizationName = optional
"""


@attrs.frozen(kw_only=True)
class Certificate:
    """A certificate that an authority has issued, and its key, both in PEM."""

    certificate: bytes
    key: bytes

    @property
    def both(self) -> bytes:
        """The two as one file."""
        return self.key + self.certificate

    def configure(self, context: ssl.SSLContext) -> None:
        """Have it shown by whoever uses that context."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.both)
            file.flush()
            context.load_cert_chain(file.name)


class CertificateAuthority:
    """An authority that nobody knows but who is told; `certificate` is its own, in PEM.

    Skips the test where there is no ``openssl``.
    """

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            subject = ["-subj", "/O=throw-away authority", "-days", "365"]
            _openssl(directory, "req", "-x509", *_NEW_KEY, *subject, "-keyout", "key", "-out", "certificate")
            self.certificate = (directory / "certificate").read_bytes()
            self._key = (directory / "key").read_bytes()

    def issue(self, *names: str, end: datetime.datetime | None = None) -> Certificate:
        """Return a certificate for these host names and addresses, which ends in a year or at that second."""
        end = end or datetime.datetime.now(datetime.UTC) + _LIFE
        begin = min(end, datetime.datetime.now(datetime.UTC)) - datetime.timedelta(days=1)
        times = ["-startdate", f"{begin:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}"]
        extension = "subjectAltName=" + ",".join(map(_alternative_name, names))
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            (directory / "authority").write_bytes(self._key + self.certificate)
            (directory / "index").touch()
            request = ["-subj", "/O=throw-away certificate", "-addext", extension, "-keyout", "key"]
            _openssl(directory, "req", *_NEW_KEY, *request, "-out", "request")
            signer = ["-cert", "authority", "-keyfile", "authority"]
            _openssl(directory, "ca", "-batch", "-notext", *signer, *times, "-in", "request", "-out", "issued")
            issued, key = (directory / "issued").read_bytes(), (directory / "key").read_bytes()
        return Certificate(certificate=issued, key=key)

    def configure_trust(self, context: ssl.SSLContext) -> None:
        """Have whoever uses that context trust the certificates of this authority."""
        context.load_verify_locations(cadata=self.certificate.decode())


def _alternative_name(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _openssl(directory: Path, command: str, *words: str) -> None:
    """Run one of OpenSSL's commands in a directory."""
    (directory / "configuration").write_text(_CONFIGURATION)
    subprocess.run(
        [require_program("openssl"), command, "-config", "configuration", *words],
        cwd=directory,
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=_PATIENCE,
    )
