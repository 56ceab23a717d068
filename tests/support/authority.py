"""A certificate authority to test TLS with; certificates are made by the `openssl` command."""

from __future__ import annotations

import subprocess
from pathlib import Path

_CONFIG = """\
[ca]
default_ca = this
[this]
dir = {folder}
new_certs_dir = {folder}
database = {folder}/index.txt
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
"""
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
VALID = ("20200101000000Z", "20491231235959Z")
EXPIRED = ("20200101000000Z", "20200102000000Z")


class Authority:
    """Issues certificates. `certificate` is its own, for whoever is to trust it."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self.folder = folder
        self.certificate = folder / "authority.crt"
        self._key = folder / "authority.key"
        self._config = folder / "openssl.cnf"
        folder.mkdir(parents=True, exist_ok=True)
        self._config.write_text(_CONFIG.format(folder=folder))
        (folder / "index.txt").touch()
        is_authority = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign,cRLSign")
        subject = ("-subj", f"/CN={name}", "-days", "3650")
        out = ("-keyout", str(self._key), "-out", str(self.certificate))
        _openssl("req", "-x509", *_NEW_KEY, *subject, *is_authority, *out)

    def subordinate(self, folder: Path) -> Authority:
        """Another authority, whose certificate this one has issued."""
        other = Authority(folder, "Issuing Authority")
        request = folder / "authority.csr"
        is_authority = ("-addext", "basicConstraints=critical,CA:TRUE")
        subject = ("-subj", "/CN=Issuing Authority")
        _openssl("req", "-new", "-key", str(other._key), *subject, *is_authority, "-out", str(request))
        signer = ("-config", str(self._config), "-cert", str(self.certificate), "-keyfile", str(self._key))
        period = ("-startdate", VALID[0], "-enddate", VALID[1])
        _openssl("ca", "-batch", "-notext", *signer, *period, "-in", str(request), "-out", str(other.certificate))
        return other

    def issue(self, name: str, *hosts: str, validity: tuple[str, str] = VALID) -> Path:
        """A PEM file with a certificate for `hosts` (by default `name`) and its key.

        `hosts` are as openssl has them: `DNS:localhost`, `IP:127.0.0.1`.
        """
        request, key, certificate = (self.folder / f"{name}.{kind}" for kind in ("csr", "key", "crt"))
        alternatives = ",".join(hosts or (f"DNS:{name}",))
        extensions = ("-addext", f"subjectAltName={alternatives}")
        _openssl("req", *_NEW_KEY, "-subj", f"/CN={name}", *extensions, "-keyout", str(key), "-out", str(request))
        period = ("-startdate", validity[0], "-enddate", validity[1])
        signer = ("-config", str(self._config), "-cert", str(self.certificate), "-keyfile", str(self._key))
        _openssl("ca", "-batch", "-notext", *signer, *period, "-in", str(request), "-out", str(certificate))
        whole = self.folder / f"{name}.pem"
        whole.write_text(key.read_text() + certificate.read_text())
        return whole


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
