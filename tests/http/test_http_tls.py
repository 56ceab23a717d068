"""Whom the senders trust: certificates of all kinds, from an authority of the tests' own."""

from __future__ import annotations

import ssl
import subprocess
import warnings
from pathlib import Path

import pytest
from assertions import HANG_S
from conformance_server import OK, ScriptedServer
from http_support import Run, answering, ask, server_tls
from support.authority import EXPIRED, Authority

from stream.http.sender import WebhookSender
from stream.http.tls import TlsFileError, client_tls, proxy_tls, shared_tls


def locked_key() -> str:
    """A private key that has a password."""
    made = ("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-aes-128-cbc")
    return subprocess.run([*made, "-pass", "pass:x"], capture_output=True, check=True, text=True).stdout


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that our side trusts."""
    return Authority(tmp_path_factory.mktemp("authority"))


def served(run: Run, server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost") -> str:
    """(code, excerpt) of one attempt, as one text."""
    seen: list[str] = []

    async def main() -> None:
        async with ScriptedServer(answering([OK]), server) as workflow:
            sender = WebhookSender(workflow.url(host), timeout_s=HANG_S, tls=client)
            answer = await ask(sender)
            seen.append(f"{answer.code} {answer.excerpt}".strip())
            await sender.close()
        assert len(workflow.requests) == (answer.status == 200)

    run(main())
    return seen[0]


def test_an_authority_of_ones_own_is_trusted(authority: Authority, run: Run) -> None:
    """With `ca_file`; without it, nobody vouches for the workflow."""
    server = server_tls(authority.issue("localhost"))
    assert served(run, server, client_tls(authority.certificate, None)).startswith("200")
    unknown = "tls the certificate is not accepted: unable to get local issuer certificate"
    assert served(run, server, shared_tls()) == unknown


def test_ca_file_takes_the_place_of_the_usual_authorities(authority: Authority, tmp_path: Path) -> None:
    """Whoever names an authority trusts that one alone."""
    assert len(client_tls(authority.certificate, None).get_ca_certs()) == 1
    assert len(shared_tls().get_ca_certs()) > 50


def test_an_expired_certificate_is_refused(authority: Authority, run: Run) -> None:
    """The reason is told, without the host."""
    server = server_tls(authority.issue("expired", "DNS:localhost", validity=EXPIRED))
    assert served(run, server, client_tls(authority.certificate, None)) == (
        "tls the certificate is not accepted: certificate has expired"
    )


def test_a_certificate_of_another_host_is_refused(authority: Authority, run: Run) -> None:
    """By name, and by address."""
    server = server_tls(authority.issue("other.test"))
    client = client_tls(authority.certificate, None)
    assert served(run, server, client) == "tls the certificate is not accepted: hostname mismatch"
    by_address = served(run, server, client, host="127.0.0.1")
    assert by_address == "tls the certificate is not accepted: IP address mismatch"


def test_a_self_signed_certificate_is_refused(certificate: Path, authority: Authority, run: Run) -> None:
    """Unless it is itself what `ca_file` holds."""
    server = server_tls(certificate)
    assert served(run, server, client_tls(authority.certificate, None)) == (
        "tls the certificate is not accepted: self-signed certificate"
    )
    assert served(run, server, client_tls(certificate, None)).startswith("200")


def test_an_issuing_authority_alone_is_enough(tmp_path: Path, run: Run) -> None:
    """Whether or not the root that vouches for it is known; the leaf has no key identifiers."""
    root = Authority(tmp_path / "root")
    issuing = root.subordinate(tmp_path / "issuing")
    server = server_tls(issuing.issue("localhost"))
    assert served(run, server, client_tls(issuing.certificate, None)).startswith("200")
    assert not served(run, server, client_tls(root.certificate, None)).startswith("200")


def test_what_is_verified_depends_on_no_version(authority: Authority) -> None:
    """Newer Pythons refuse certificates that older ones take, unless it is said."""
    own = authority.issue("client")
    path = authority.certificate
    for context in (
        shared_tls(),
        client_tls(path, None),
        client_tls(None, own),
        client_tls(path, own),
        proxy_tls(path),
    ):
        assert ssl.VERIFY_X509_PARTIAL_CHAIN in ssl.VerifyFlags(context.verify_flags)
        assert ssl.VERIFY_X509_STRICT not in ssl.VerifyFlags(context.verify_flags)
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_an_old_protocol_is_refused(authority: Authority, version: str, run: Run) -> None:
    """Whatever the system's own OpenSSL would allow."""
    server = server_tls(authority.issue("localhost"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the old versions; they are what is tested
        server.minimum_version = server.maximum_version = ssl.TLSVersion[version]
    server.set_ciphers("ALL:@SECLEVEL=0")
    client = client_tls(authority.certificate, None)
    client.set_ciphers("ALL:@SECLEVEL=0")
    assert served(run, server, client).startswith("tls ")


def test_a_certificate_that_is_swapped_while_running_is_noticed(
    authority: Authority, run: Run, certificate: Path
) -> None:
    """At the next connection, and once more when it is put right; what is connected goes on."""
    server = server_tls(authority.issue("localhost"))
    client = client_tls(authority.certificate, None)

    async def main() -> None:
        async with ScriptedServer(answering([OK], [OK], [OK], [OK]), server) as workflow:
            first = WebhookSender(workflow.url("localhost"), timeout_s=HANG_S, tls=client)
            assert (await ask(first)).status == 200
            server.load_cert_chain(certificate)
            assert (await ask(first)).status == 200
            second = WebhookSender(workflow.url("localhost"), timeout_s=HANG_S, tls=client)
            assert (await ask(second)).code == "tls"
            server.load_cert_chain(authority.issue("localhost"))
            assert (await ask(second)).status == 200
            await first.close()
            await second.close()

    run(main())


def test_a_client_certificate_is_shown(authority: Authority, run: Run) -> None:
    """A workflow that asks for one refuses whoever has none."""
    server = server_tls(authority.issue("localhost"))
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(authority.certificate)
    whole = authority.issue("client")
    apart = client_tls(authority.certificate, whole.with_suffix(".crt"), whole.with_suffix(".key"))
    for client in (client_tls(authority.certificate, whole), apart):
        assert served(run, server, client).startswith("200")
    assert not served(run, server, client_tls(authority.certificate, None)).startswith("200")


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (("missing", None), r"cannot be read \(No such file or directory\)"),
        (("key.pem", None), "holds no certificate in PEM format"),
        ((None, "missing"), r"cannot be read \(No such file or directory\)"),
        ((None, "cert.pem"), "does not hold a certificate and its key, without a password, in PEM format"),
        ((None, "locked.pem"), "does not hold a certificate and its key, without a password, in PEM format"),
        ((None, "cert.pem", "key.pem"), "holds a key that is not the certificate's"),
    ],
)
def test_files_that_cannot_be_used_are_refused(
    authority: Authority, tmp_path: Path, files: tuple[str | None, ...], text: str
) -> None:
    """With what is wrong; a key with a password does not make OpenSSL ask for it."""
    whole = authority.issue("client")
    (tmp_path / "cert.pem").write_text(whole.with_suffix(".crt").read_text())
    (tmp_path / "key.pem").write_text(authority.issue("another").with_suffix(".key").read_text())
    (tmp_path / "locked.pem").write_text(locked_key() + whole.with_suffix(".crt").read_text())
    paths = [None if name is None else tmp_path / name for name in (*files, None)][:3]
    with pytest.raises(TlsFileError, match=text):
        client_tls(*paths)
