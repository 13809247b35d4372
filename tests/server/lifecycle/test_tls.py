"""The TLS context of the public listener: as strict as it is meant, and what is wrong with a file is named."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest

from conductor_trio.errors import ConfigError
from conductor_trio.server.lifecycle.tls import make_tls_context, read_expiry
from conductor_trio.server.settings import TlsSettings
from tests.support.certificates import CertificateAuthority


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an authority, a certificate with its key, another's key, and what is none of these."""
    directory = tmp_path_factory.mktemp("papers")
    authority = CertificateAuthority()
    (directory / "authority.pem").write_bytes(authority.certificate)
    one, other = authority.issue("a.localhost"), authority.issue("b.localhost")
    (directory / "cert.pem").write_bytes(one.certificate)
    (directory / "key.pem").write_bytes(one.key)
    (directory / "both.pem").write_bytes(one.both)
    (directory / "other.pem").write_bytes(other.key)
    (directory / "text.pem").write_text("no certificate")
    return directory


def settings(papers: Path, cert: str, key: str, clients: str | None = None) -> TlsSettings:
    allowed = None if clients is None else str(papers / clients)
    return TlsSettings(cert_file=str(papers / cert), key_file=str(papers / key), allowed_clients=allowed)


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> str | None:
    """Shake hands in memory, and return the application protocol that was agreed on."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    ours = client.wrap_bio(to_client, to_server, server_hostname="a.localhost")
    waiting = [ours, theirs]
    while waiting:
        try:
            waiting[0].do_handshake()
            waiting.pop(0)
        except ssl.SSLWantReadError:
            waiting.reverse()
    return ours.selected_alpn_protocol()


@pytest.mark.parametrize(("cert", "key"), [("cert.pem", "key.pem"), ("both.pem", "both.pem")])
def test_a_visitor_who_trusts_the_authority_gets_in_by_http_1_1(papers: Path, cert: str, key: str) -> None:
    client = ssl.create_default_context(cafile=str(papers / "authority.pem"))
    client.set_alpn_protocols(["h2", "http/1.1"])
    assert shake_hands(make_tls_context(settings(papers, cert, key)), client) == "http/1.1"


def test_old_versions_are_refused(papers: Path) -> None:
    context = make_tls_context(settings(papers, "cert.pem", "key.pem"))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE


def test_only_clients_of_the_authority_that_is_named_get_in(papers: Path) -> None:
    server = make_tls_context(settings(papers, "cert.pem", "key.pem", "authority.pem"))
    assert server.verify_mode is ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=str(papers / "authority.pem"))
    client.maximum_version = ssl.TLSVersion.TLSv1_2  # with 1.3 a client hears of it only afterwards
    with pytest.raises(ssl.SSLError):
        shake_hands(server, client)
    client.load_cert_chain(papers / "both.pem")
    shake_hands(server, client)


@pytest.mark.parametrize(
    ("cert", "key", "clients", "words"),
    [
        ("cert.pem", "other.pem", None, ["cert.pem", "other.pem", "unencrypted"]),
        ("text.pem", "key.pem", None, ["text.pem"]),
        ("cert.pem", "text.pem", None, ["text.pem"]),
        ("cert.pem", "none.pem", None, ["cannot read", "none.pem", "No such file"]),
        ("none.pem", "key.pem", None, ["cannot read", "none.pem"]),
        (".", "key.pem", None, ["cannot read", "Is a directory"]),
        ("cert.pem", "key.pem", "text.pem", ["text.pem", "no certificate"]),
        ("cert.pem", "key.pem", "none.pem", ["cannot read", "none.pem"]),
    ],
)
def test_the_file_that_is_wrong_is_named(
    papers: Path, cert: str, key: str, clients: str | None, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        make_tls_context(settings(papers, cert, key, clients))
    for word in words:
        assert word in str(caught.value)


# Its end.


def write_certificate(directory: Path, name: str, *, days: float = 60) -> tuple[TlsSettings, datetime.datetime]:
    """Write a certificate for that name, and return it with its end."""
    end = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(days=days)
    issued = CertificateAuthority().issue(name, end=end)
    pem = directory / "server.pem"
    pem.write_bytes(issued.both)
    return TlsSettings(cert_file=str(pem), key_file=str(pem)), end


@pytest.mark.parametrize("days", [1, 60, 365])
def test_its_end_is_read_whoever_has_signed_it(days: float, tmp_path: Path) -> None:
    tls, end = write_certificate(tmp_path, "*.apps.test", days=days)
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
    tls, end = write_certificate(tmp_path, name)
    if is_for_it:
        assert read_expiry(tls, host) == end.timestamp()
    else:
        with pytest.raises(ssl.SSLCertVerificationError):
            read_expiry(tls, host)


def test_one_that_has_ended_is_refused(tmp_path: Path) -> None:
    tls, _ = write_certificate(tmp_path, "*.apps.test", days=-1)
    with pytest.raises(ssl.SSLError, match="expired"):
        read_expiry(tls, "lab-alice.apps.test")


@pytest.mark.parametrize("days", [-1, 30])
def test_its_end_is_read_though_it_is_over_where_no_host_is_given(days: float, tmp_path: Path) -> None:
    tls, end = write_certificate(tmp_path, "*.apps.test", days=days)
    assert read_expiry(tls, None) == end.timestamp()
