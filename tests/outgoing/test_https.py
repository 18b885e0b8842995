"""By https a webhook goes to who proves the name of its address, and to nobody else."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from kopeck.outgoing import sending
from kopeck.outgoing.addresses import Target
from tests.outgoing.receiver import Receiver
from tests.support.lacking import lacks

NAME = "hooks.example"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of the name that signs itself, and its key in one file."""
    if (openssl := shutil.which("openssl")) is None:
        lacks("openssl", ci_brings_it=False)
    file = tmp_path / "both.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    named = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    made = [tmp_path / "key.pem", tmp_path / "certificate.pem"]
    where = ["-keyout", str(made[0]), "-out", str(made[1])]
    subprocess.run([openssl, "req", "-x509", *kind, *named, *where], check=True, capture_output=True)
    file.write_text("".join(part.read_text() for part in made))
    return file


@pytest.fixture
def receiver(certificate: Path) -> Iterator[Receiver]:
    server = Receiver()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    yield server
    server.close()


def test_https_is_told_to_who_proves_the_name_and_to_nobody_else(
    receiver: Receiver, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def post(name: str) -> int:
        target = Target(True, name, receiver.server_address[1], "/told?x=1")
        return sending.post(target, "127.0.0.1", b"{}", {"webhook-id": "msg_1"})

    with pytest.raises(ssl.SSLCertVerificationError):
        post(NAME)  # nobody whom this machine trusts has signed it
    monkeypatch.setattr(
        ssl, "create_default_context", partial(ssl.create_default_context, cafile=str(certificate))
    )
    with pytest.raises(ssl.SSLCertVerificationError):
        post("another.example")
    assert receiver.got == []
    assert post(NAME) == 200
    ((headers, body),) = receiver.got
    assert (headers[":path"], headers["webhook-id"], body) == ("/told?x=1", "msg_1", b"{}")
    assert headers["host"] == f"{NAME}:{receiver.server_address[1]}"
