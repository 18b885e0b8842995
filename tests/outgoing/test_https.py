"""By https a webhook goes to who proves the name of its address, and to nobody else."""

import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from kopeck.outgoing import sending
from kopeck.outgoing.addresses import Target
from tests.outgoing.receiver import Receiver
from tests.support.certificates import self_signed, serving

NAME = "hooks.example"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path, f"DNS:{NAME}")


@pytest.fixture
def receiver(certificate: Path) -> Iterator[Receiver]:
    server = Receiver()
    server.socket = serving(certificate).wrap_socket(server.socket, server_side=True)
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
