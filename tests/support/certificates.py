"""Certificates that sign themselves, as a stranger's would, for the servers of tests."""

import shutil
import ssl
import subprocess
from pathlib import Path

from tests.support.lacking import lacks


def self_signed(folder: Path, name: str) -> Path:
    """A certificate for this name (`DNS:hooks.example`, `IP:127.0.0.1`), and its key in one file."""
    if (openssl := shutil.which("openssl")) is None:
        lacks("openssl", ci_brings_it=False)
    file = folder / "both.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    named = ["-subj", f"/CN={name.partition(':')[2]}", "-addext", f"subjectAltName={name}"]
    made = [folder / "key.pem", folder / "certificate.pem"]
    where = ["-keyout", str(made[0]), "-out", str(made[1])]
    subprocess.run([openssl, "req", "-x509", *kind, *named, *where], check=True, capture_output=True)
    file.write_text("".join(part.read_text() for part in made))
    return file


def serving(certificate: Path) -> ssl.SSLContext:
    """How a server shows it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
