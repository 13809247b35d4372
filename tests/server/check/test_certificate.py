"""When the server's certificate ends, and that it is for the host that visitors ask for."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest

from conductor_trio.server.check.certificate import read_expiry
from conductor_trio.server.settings import TlsSettings
from tests.support.certificates import CertificateAuthority


def write(directory: Path, name: str, *, days: float = 60) -> tuple[TlsSettings, datetime.datetime]:
    """Write a certificate for that name, and return it with its end."""
    end = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(days=days)
    issued = CertificateAuthority().issue(name, end=end)
    pem = directory / "server.pem"
    pem.write_bytes(issued.both)
    return TlsSettings(cert_file=str(pem), key_file=str(pem)), end


@pytest.mark.parametrize("days", [1, 60, 365])
def test_its_end_is_read_whoever_has_signed_it(days: float, tmp_path: Path) -> None:
    tls, end = write(tmp_path, "*.apps.test", days=days)
    assert read_expiry(tls, "lab-alice.apps.test") == end.timestamp()


@pytest.mark.parametrize(
    ("name", "host", "is_for_it"),
    [
        ("*.apps.test", "lab-alice.apps.test", True),
        ("lab-alice.apps.test", "lab-alice.apps.test", True),
        ("*.apps.test", "apps.test", False),
        ("*.apps.test", "a.b.apps.test", False),
        ("*.other.test", "lab-alice.apps.test", False),
        ("*.other.test", "lab-alice.localhost", True),  # of which no authority knows anything
    ],
)
def test_it_must_be_for_the_host(name: str, host: str, is_for_it: bool, tmp_path: Path) -> None:
    tls, end = write(tmp_path, name)
    if is_for_it:
        assert read_expiry(tls, host) == end.timestamp()
    else:
        with pytest.raises(ssl.SSLCertVerificationError):
            read_expiry(tls, host)


def test_one_that_has_ended_is_refused(tmp_path: Path) -> None:
    tls, _ = write(tmp_path, "*.apps.test", days=-1)
    with pytest.raises(ssl.SSLError, match="expired"):
        read_expiry(tls, "lab-alice.apps.test")
